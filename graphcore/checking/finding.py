"""`Finding`: something that is probably wrong with a graph."""

from dataclasses import dataclass
from enum import StrEnum

from graphcore.errors import place_text


class CheckWarning(UserWarning):
    """A finding about a graph that was made with ``check="warn"``."""


class Kind(StrEnum):
    """The kinds of findings."""

    NEVER_TICKS = "never ticks"
    NOT_IN_GRAPH = "not in the graph"
    NEVER_TOGETHER = "never together"
    GROWS = "grows"
    LOOP_VARIABLE = "loop variable"
    NOT_AWAITED = "not awaited"
    WAITS_FOR_ITSELF = "waits for itself"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is probably wrong with a graph.

    Attributes:
        kind: what kind of thing.
        node: the name of the node.
        wired_at: the file and line that wired the node.
        problem: what is wrong, in one sentence.
        advice: what to do.
    """

    kind: Kind
    node: str
    wired_at: tuple[str, int]
    problem: str
    advice: str

    def __str__(self) -> str:
        """Show it in one line that begins with the file and line, as compilers do."""
        return f"{place_text(self.wired_at)}: {self.problem}; {self.advice}"
