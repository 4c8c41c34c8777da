"""`Lookout`: looks at a run between its cycles, in the graph's thread, for those who view it.

Several times a second a server opens a window: from then on the graph's thread looks after each
cycle, until the looks have taken their share of the time. A graph with few cycles a second is seen
after every cycle, and a fast one in samples. While nobody views the run there is no window, and the
graph pays nothing.
"""

import logging
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic, thread_time
from typing import Any

from graphcore.engine.run.endless import Owner
from graphcore.engine.run.lifecycle import Tier
from graphcore.engine.run.seen import Seen
from graphcore.engine.run.session import Session
from graphcore.errors import shorten
from graphcore.subgraph import ABSENT
from graphcore.view.rates import Cycles, Known, Tally

_logger = logging.getLogger(__name__)

_LONGEST_LOOKING = 0.01  # s of CPU time for the looks of a window; there are four a second
_MOST_POINTS = 20_000
_LONGEST_TEXT = 4_000
_HALF_LIFE = 3.0  # s
_MOST_SUBGRAPHS = 20
_MOST_INSIDE = 20


@dataclass(frozen=True, slots=True)
class Row:
    """A node as it was seen.

    Attributes:
        ticked_in: the number of the cycle in which it last ticked; 0 for none.
        at: the engine time of that tick, ns; `None` for none.
        known: how well that time is known.
        rate: ticks a second.
        is_exact: whether that was counted, not estimated.
        text: the value in one line; empty without one.
    """

    ticked_in: int
    at: int | None
    known: Known
    rate: float
    is_exact: bool
    text: str


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen of a run at one moment.

    Attributes:
        cycle: the number of the last cycle.
        time: its engine time, ns.
        speed: cycles a second.
        rows: the nodes that were wanted, by index.
        whole: the values of the nodes that were wanted at length, by index.
        inside: what is in the sub-graphs of these nodes: of each, a name and a text.
    """

    cycle: int
    time: int
    speed: float
    rows: dict[int, Row]
    whole: dict[int, str]
    inside: dict[int, list[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants to see.

    Attributes:
        rows: the indices of the nodes of which the present state is wanted.
        whole: those of which the value is wanted at length.
        charted: those of which each tick that is seen is wanted.
        rated: those of which the last tick and the rate are wanted, without the value.
    """

    rows: frozenset[int] = frozenset()
    whole: frozenset[int] = frozenset()
    charted: frozenset[int] = frozenset()
    rated: frozenset[int] = frozenset()

    @property
    def indices(self) -> list[int]:
        """All of these nodes, in order."""
        return sorted(self.rows | self.whole | self.charted | self.rated)


class Lookout:
    """Looks at the runs of one plan.

    Args:
        on_sight: called in the thread that has looked, when there is a new sight.
        half_life: after how many seconds a cycle counts for half in the rates.
    """

    def __init__(self, on_sight: Callable[[], None], half_life: float = _HALF_LIFE) -> None:
        self._on_sight = on_sight
        self._half_life = half_life
        self._memory = _Memory(half_life)
        self._window: _Window | None = None
        self._asked_at: float | None = None

    @property
    def sight(self) -> Sight | None:
        """What was seen last; `None` before the first look at a run."""
        return self._memory.sight

    def take_points(self) -> dict[int, list[tuple[int, float]]]:
        """Take the ticks of charted nodes since the last call: engine time in ns, and number."""
        found: dict[int, list[tuple[int, float]]] = {}
        points = self._memory.points
        for _ in range(len(points)):
            index, time, number = points.popleft()
            found.setdefault(index, []).append((time, number))
        return found

    def look(self, session: Session, tier: Tier, wanted: Wanted) -> None:
        """From another thread: see what is wanted, as soon as the present cycle has ended."""
        before = self._window
        if before is not None and self._asked_at is not None:  # a cycle takes long
            before.wanted = wanted
            return
        self._asked_at = monotonic()
        window = self._window = _Window(self, self._memory, session, tier, wanted)
        if session.questions.are_answered:
            session.questions.follow(window.look)
        else:
            window.look()

    def forget(self) -> None:
        """Look no more until the next `look`, and forget what was seen."""
        self._window = self._asked_at = None
        self._memory = _Memory(self._half_life)

    def ask_anew(self) -> None:
        """Await no answer any more: the run has ended."""
        self._asked_at = None

    @property
    def waiting(self) -> float:
        """For how long a look has not been answered, s."""
        asked_at = self._asked_at
        return 0.0 if asked_at is None else monotonic() - asked_at

    def is_open(self, window: "_Window") -> bool:
        """Return whether a window is the last one; it is answered."""
        if self._window is not window:
            return False
        self._asked_at = None
        return True

    def tell(self) -> None:
        """Say that there is a new sight."""
        self._on_sight()


class _Memory:
    """What was seen of one run since somebody views it.

    Args:
        half_life: after how many seconds a cycle counts for half in the rates.

    Attributes:
        sight: what was seen last.
        points: ticks of charted nodes: index, engine time in ns, number.
    """

    def __init__(self, half_life: float) -> None:
        self._half_life = half_life
        self.sight: Sight | None = None
        self.points: deque[tuple[int, int, float]] = deque(maxlen=_MOST_POINTS)
        self._tallies: dict[int, Tally] = {}
        self._cycles: Cycles | None = None
        self._looked_at = monotonic()
        self._charted: frozenset[int] = frozenset()

    def begin_window(self, seen: Seen) -> None:
        """Let the time since the last window count."""
        now = monotonic()
        if self._cycles is None:
            self._cycles = Cycles(seen.cycle, seen.time, self._half_life)
            self._looked_at = now
        fading = self._cycles.pass_time(now - self._looked_at)
        self._looked_at = now
        for tally in self._tallies.values():
            tally.fade(fading)

    def take(self, seen: Seen, indices: Sequence[int], wanted: Wanted) -> None:
        """Count the ticks that a look has found."""
        assert self._cycles is not None
        cycle, time, tallies = seen.cycle, seen.time, self._tallies
        self._cycles.see(cycle, time)
        for index, ticked_in, value in zip(indices, seen.ticked_in, seen.values, strict=True):
            tally = tallies.get(index)
            if tally is None:
                tally = tallies[index] = Tally(cycle, time)
                tally.begin(ticked_in)
                is_new = bool(ticked_in)
            else:
                is_new = ticked_in > tally.ticked_in
                tally.see(cycle, time, ticked_in)
            is_new = is_new or index not in self._charted  # a chart begins with the present value
            if is_new and index in wanted.charted and tally.at is not None:
                number = _number(value)
                if number is not None:
                    self.points.append((index, tally.at, number))
        self._charted = wanted.charted

    def show(self, session: Session, seen: Seen, indices: Sequence[int], wanted: Wanted) -> None:
        """Publish the latest look, and forget the nodes that no page asks for any more."""
        assert self._cycles is not None
        speed = self._cycles.rate
        rows: dict[int, Row] = {}
        whole: dict[int, str] = {}
        for index, value in zip(indices, seen.values, strict=True):
            tally = self._tallies[index]
            rows[index] = Row(
                tally.ticked_in,
                tally.at,
                tally.known,
                tally.rate(speed),
                tally.is_exact,
                "" if value is ABSENT or index not in wanted.rows else shown(value),
            )
            if index in wanted.whole:
                whole[index] = "" if value is ABSENT else at_length(value)
        inside = {
            owner.index: _inside(owner) for owner in session.owners if owner.index in wanted.whole
        }
        self.sight = Sight(seen.cycle, seen.time, speed, rows, whole, inside)
        self._tallies = {index: self._tallies[index] for index in indices}


class _Window:
    """Looks after some cycles in a row.

    Args:
        lookout: whose window it is.
        memory: where to keep what is seen.
        session: the run.
        tier: what runs it.
        wanted: what is wanted.

    Attributes:
        wanted: the argument; it may change until the first look.
    """

    def __init__(
        self, lookout: Lookout, memory: _Memory, session: Session, tier: Tier, wanted: Wanted
    ) -> None:
        self._lookout = lookout
        self._memory = memory
        self._session = session
        self._tier = tier
        self.wanted = wanted
        self._indices: list[int] = []
        self._left = _LONGEST_LOOKING
        self._is_first = True

    def look(self) -> bool:
        """Look once; return whether to look again after the next cycle."""
        if not self._lookout.is_open(self):
            return False
        began = thread_time()
        if self._is_first:
            self._wanted = self.wanted
            self._indices = self._wanted.indices
        try:
            self._look(self._tier.look(self._session, self._indices))
        except Exception:  # it must not end the run
            _logger.exception("the live view cannot look at the run")
            return False
        self._is_first = False
        if not self._session.questions.is_paused:
            self._left -= thread_time() - began
        return self._left > 0

    def _look(self, seen: Seen) -> None:
        memory, questions = self._memory, self._session.questions
        if self._is_first:
            memory.begin_window(seen)
        memory.take(seen, self._indices, self._wanted)
        # After the last cycle of a step, the new state is shown at once.
        if self._is_first or (questions.is_paused and not questions.are_stepping):
            memory.show(self._session, seen, self._indices, self._wanted)
            self._lookout.tell()


def shown(value: object) -> str:
    """Return a value in one short line; whatever a user's `__repr__` raises is not raised."""
    try:
        return value if type(value) is str and len(value) < 60 else shorten(value)
    except Exception:
        return f"<unprintable {type(value).__name__}>"


def at_length(value: object) -> str:
    """Return a value at length, cut off at some thousand characters."""
    try:
        text = repr(value)
    except Exception:
        return f"<unprintable {type(value).__name__}>"
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "…"


def _inside(owner: Owner) -> list[tuple[str, str]]:
    """Return how many sub-graphs a node has, and what the nodes of the first ones hold."""
    first = owner.inside(_MOST_SUBGRAPHS)
    count = f"{owner.count:,}"
    if owner.count > len(first) > 0:
        count += f", the first {len(first)} of them:"
    lines = [("sub-graphs", count)]
    for kind, names, values in ((each.what, each.names, each.values) for each in first):
        texts = [
            f"{name}: {'no value yet' if value is ABSENT else shown(value)}"
            for name, value in zip(names[:_MOST_INSIDE], values, strict=False)
        ]
        more = len(names) - len(texts)
        lines.append((f"{kind[0]} {shown(kind[1])}", "\n".join(texts)))
        if more:
            lines.append(("", f"and {more:,} more nodes"))
    return lines


def _number(value: Any) -> float | None:
    if isinstance(value, str | bytes):  # `float` would parse it
        return None
    try:
        number = float(value)
    except Exception:  # a user's class may raise anything
        return None
    return number if math.isfinite(number) else None
