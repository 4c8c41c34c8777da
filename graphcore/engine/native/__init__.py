"""The native tier: the function of the fused tier as machine code, for history over numbers.

The fused function runs the first cycles, and its variables show their types. Its loop is translated
to a kernel, which LLVM compiles. A cycle that the kernel cannot run exactly is left to the fused
function, so each value, error, note and state comes from Python itself.
"""

from importlib import import_module
from importlib.util import find_spec

from graphcore.engine.plan import Plan
from graphcore.engine.run.lifecycle import Tier
from graphcore.errors import RunError


def native(plan: Plan) -> Tier:
    """Return the native tier for a plan.

    Raises:
        RunError: if llvmlite, of the `native` extra, is not installed.
    """
    if find_spec("llvmlite") is None:
        raise RunError("tier=\"native\" needs llvmlite: pip install 'graphcore[native]'")
    tier: Tier = import_module("graphcore.engine.native.tier").Native(plan)
    return tier


def explain(tier: Tier) -> str:
    """Return what a native tier tells of its last run."""
    told: str = import_module("graphcore.engine.native.tier").explained(tier)
    return told
