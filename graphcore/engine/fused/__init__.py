"""The fused tier: a small compiler that turns a plan into one function, in visible passes.

`syntax` finds a function's syntax tree, `reading` says what a `cycle` does with its attributes,
`template` turns it into `lines` with slots (with `lists`, `bound`, `returns` and `functions`),
`parts` decides for each node whether it is taken apart or called (with `reach` and `sight`),
`clocks` places the nodes under their clocks, `writing` puts the `text` together (with `head`,
`names`, `conditions` and `slots`) and `program` compiles and runs it. What cannot be taken apart is
called: never an error, never another result.
"""

from graphcore.engine.fused.program import Fused

__all__ = ["Fused"]
