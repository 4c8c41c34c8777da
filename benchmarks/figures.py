"""What a benchmark finds out: a figure, what it is compared with, and what it should be.

A part measures numbers, which are kept, and makes figures of them: so a page can be made anew
without measuring anew.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Literal

Measured = dict[str, dict[str, float]]  # work -> who did it, or which number -> the number


@dataclass(frozen=True)
class Target:
    """A bound on a figure: at most, or at least, so much.

    Attributes:
        sense: which side of the limit is reached.
        limit: the bound, in the unit of the figure's `measured`.
        unit: what stands behind the number in the table.
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
        work: what was done.
        figure: what was measured, with its unit.
        ratio: to the peer, `None` where there is none.
        target: what it should be, `None` for what is only reported.
        measured: what the target is about, where that is not the ratio.
        reason: why the target is hard to reach, in one line; shown when it is not.
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
