"""The result of a benchmark: a figure, its ratio to a peer, and its target.

A part measures numbers, which are stored, and makes figures from them, so that the page can be made
again without measuring again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Literal

Measured = dict[str, dict[str, float]]  # task -> contender, or name of the number -> the number


@dataclass(frozen=True)
class Target:
    """A bound on a figure: at most, or at least, a limit.

    Attributes:
        sense: which side of the limit is reached.
        limit: the bound, in the unit of the figure's `measured`.
        unit: the text after the number in the table.
    """

    sense: Literal["≤", "≥", "<"]
    limit: float
    unit: str = ""

    def reached_by(self, measured: float) -> bool:
        if self.sense == "≥":
            return measured >= self.limit
        return measured < self.limit if self.sense == "<" else measured <= self.limit

    def __str__(self) -> str:
        return f"{self.sense} {self.limit:,}{self.unit}"


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        work: the task.
        figure: what was measured, with its unit.
        ratio: the ratio to the peer, `None` without a peer.
        target: the target, `None` if the figure is only reported.
        measured: the number that the target limits, if that is not the ratio.
        reason: why the target is hard to reach, in one line; shown if it is missed.
    """

    work: str
    figure: str
    ratio: float | None = None
    target: Target | None = None
    measured: float | None = None
    reason: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the target was reached, `None` without a target."""
        measured = self.ratio if self.measured is None else self.measured
        if self.target is None or measured is None:
            return None
        return self.target.reached_by(measured)


def medians(rounds: int, measures: Mapping[str, Callable[[], float]]) -> dict[str, float]:
    """Take each measure once a round, in turn, and return the median of each."""
    taken: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            taken[name].append(measure())
    return {name: median(values) for name, values in taken.items()}
