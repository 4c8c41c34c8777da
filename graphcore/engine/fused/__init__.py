"""The fused tier: a compiler from a plan to one Python function.

`pipeline` lists the passes, `ir` is the data between them, `frontend` reads the users' code,
`analysis` works on data alone, `backend` writes and runs the function, and `tier` is what a graph
calls. A node that cannot be fused is called; that never changes a result or raises an error.
docs/compiler.md carries one example through all passes.
"""

from graphcore.engine.fused.tier import Fused

__all__ = ["Fused"]
