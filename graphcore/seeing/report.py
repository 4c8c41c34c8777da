"""`RunReport`: how a run went."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphcore.seeing.notebook import report_table
from graphcore.state import EndedBy
from graphcore.time import format_time

if TYPE_CHECKING:
    from graphcore.profiling import Profile


@dataclass(frozen=True, slots=True)
class RunReport:
    """How a run went.

    Attributes:
        cycles: how many cycles ran.
        start: engine time of the start, ns.
        end: engine time of the last cycle, ns.
        wall_time: how long the run took, compilation, start and stop of the nodes included, ns.
        ended_by: what ended the run.
        skipped: how many events came before `start` and were skipped.
        profile: where the time went, of a run with ``profile=True``; otherwise `None`.
    """

    cycles: int
    start: int
    end: int
    wall_time: int
    ended_by: EndedBy
    skipped: int
    profile: "Profile | None" = None

    def _repr_html_(self) -> str:
        """Return what a notebook shows: a table, and the profile if there is one."""
        table = report_table(
            [
                ("cycles", f"{self.cycles:,}"),
                ("start", format_time(self.start)),
                ("end", format_time(self.end)),
                ("wall time", f"{self.wall_time / 1e9:.3f} s"),
                ("ended by", str(self.ended_by)),
                ("skipped", f"{self.skipped:,}"),
            ]
        )
        return table if self.profile is None else f"{table}{self.profile._repr_html_()}"
