"""The tiers that are compared, and how a native run is divided between Python and machine code.

Without llvmlite the fused tier takes the place of the native one.
"""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

import pytest

HAS_NATIVE = find_spec("llvmlite") is not None
NATIVE = "native" if HAS_NATIVE else "fused"
TIERS = ("interpreted", "fused", NATIVE)
ORDERS = list(itertools.permutations(TIERS))


class Pace(NamedTuple):
    """How a native run is divided: the same as the tier's own `Pace`, which needs llvmlite.

    Attributes:
        warm_up: how many cycles run in Python first.
        chunk: how many cycles one call of the kernel runs at most.
    """

    warm_up: int
    chunk: int


@contextmanager
def at_pace(pace: Pace) -> Iterator[None]:
    """Divide native runs so, and keep no machine code in files.

    In short chunks machine code is guarded, and in long ones it is as users run it.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRAPHCORE_CACHE", "")
        if pace.chunk < 1_000:
            patch.setenv("GRAPHCORE_NATIVE_GUARD", "1")
        if HAS_NATIVE:
            own = import_module("graphcore.engine.native.run").Pace(
                *pace, apart=0, too_often=0, fewest=0
            )
            patch.setattr("graphcore.engine.native.tier.PACE", own)
        yield
