"""The native tier: the function of the fused tier as machine code, for history over numbers.

The fused function runs the first cycles, and its variables show their types. Its loop is translated
to a kernel, which LLVM compiles. A cycle that the kernel cannot run exactly is left to the fused
function, so each value, error, note and state comes from Python itself.
"""

from importlib import import_module
from importlib.util import find_spec

from graphcore.engine.collector import without_collections
from graphcore.engine.fused.tier import Fused
from graphcore.engine.native.warning import warn_once
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
    return _made("graphcore.engine.native.tier", "Native", plan)


def auto(plan: Plan) -> Tier:
    """Return the tier that chooses for each run of a plan; without llvmlite all are fused."""
    if find_spec("llvmlite") is None:
        return _Unavailable(plan, "llvmlite is not installed")
    return _made("graphcore.engine.native.paying", "Auto", plan)


def _made(module: str, name: str, plan: Plan) -> Tier:
    try:
        with without_collections():
            tier: Tier = getattr(import_module(module), name)(plan)
    except (ImportError, OSError) as error:  # llvmlite is there, but not its library
        warn_once(error)
        return _Unavailable(plan, f"llvmlite cannot be loaded: {error}")
    return tier


class _Unavailable(Fused):
    """The fused tier in place of the native one, on a machine without a working llvmlite."""

    def __init__(self, plan: Plan, why: str) -> None:
        super().__init__(plan)
        self._why = why

    def told(self) -> str:
        """Return why all runs are fused."""
        return f"fused: {self._why}"


def explain(tier: Tier) -> str:
    """Return what a native tier tells of its last run."""
    told: str = tier.told()  # type: ignore[attr-defined]  # both classes have it
    return told
