"""Which tier runs a graph: the one that the caller names, or one that suits how Python runs.

A debugger and a coverage tool follow lines of source. The fused tier and machine code run other
lines than those of `cycle`, so breakpoints in it would be passed by, and its lines would count as
never run. While Python is traced, a run whose tier the caller left open is therefore interpreted.
"""

import logging
import os
import sys
from typing import Literal, get_args

from graphcore.errors import InvalidValueError

TierName = Literal["fused", "interpreted", "native", "auto"]
TIERS: tuple[TierName, ...] = get_args(TierName)

VARIABLE = "GRAPHCORE_TIER"

_logger = logging.getLogger(__name__)
_told: set[str] = set()

# The names by which `sys.monitoring` (Python 3.12) knows tools that follow lines.
_FOLLOWING = {0: "a debugger", 1: "a coverage tool"}


def choose_tier(asked: TierName | None) -> TierName:
    """Return the tier of a run, and log once why it is not the one that a caller would expect.

    The environment variable GRAPHCORE_TIER goes before what the caller asks for.

    Args:
        asked: what the caller asks for; `None` leaves it open.

    Raises:
        InvalidValueError: for a tier that does not exist.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return _known(named, f"{VARIABLE} is one of {', '.join(TIERS)}, not {named!r}")
    if asked is not None:
        _known(asked, f"there is no tier {asked!r}; tiers: {', '.join(TIERS)}")
    if asked == "interpreted":
        return asked
    tracer = _tracer()
    if tracer is None:
        return asked or "auto"
    if asked is None:
        _tell(f"{tracer} follows this program, so graphs run on the interpreted tier")
        return "interpreted"
    _tell(
        f'{tracer} sees no line of a cycle on the tier "{asked}", which this program asks for: '
        f"set {VARIABLE}=interpreted"
    )
    return asked


def _known(name: str, message: str) -> TierName:
    for tier in TIERS:
        if tier == name:
            return tier
    raise InvalidValueError(message)


def _tracer() -> str | None:
    """Return what follows the lines of the present thread, `None` if nothing does."""
    trace = sys.gettrace()
    if trace is not None:
        home = type(trace).__module__ if not hasattr(trace, "__module__") else trace.__module__
        return f"a tracer ({home})"
    monitoring = getattr(sys, "monitoring", None)
    if monitoring is None:
        return None
    return next((each for tool, each in _FOLLOWING.items() if monitoring.get_tool(tool)), None)


def _tell(text: str) -> None:
    if text not in _told:
        _told.add(text)
        _logger.warning("%s", text)
