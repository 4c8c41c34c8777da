"""What is probably wrong with a graph: findings that need no run."""

from graphcore.checking.check import CheckName, check, register_check, tell
from graphcore.checking.finding import CheckWarning, Finding, Kind
from graphcore.checking.look import Look

__all__ = [
    "CheckName",
    "CheckWarning",
    "Finding",
    "Kind",
    "Look",
    "check",
    "register_check",
    "tell",
]
