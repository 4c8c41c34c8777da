"""How often nodes tick, computed from looks at the numbers of the cycles in which they last ticked.

A compiled graph counts no ticks. But a look finds for each node in which cycle it last ticked, and
that says of the cycles since then that the node has not ticked in them. So each look makes some
cycles known, and the share of ticks among the known cycles, times the cycles a second, is the rate.
If there is a look after every cycle, all cycles are known and the rate is exact.
"""

from dataclasses import dataclass
from enum import StrEnum


class Known(StrEnum):
    """How well the time of a node's last tick is known."""

    EXACTLY = ""
    ABOUT = "≈"
    AT_LEAST = ">"


@dataclass(slots=True)
class Cycles:
    """The cycles of a run over the last seconds; older ones count for less.

    Attributes:
        cycle: the number of the last cycle at the last look.
        time: its engine time, ns.
        half_life: after how many seconds a cycle counts for half.
        count: how many cycles there were.
        seconds: in how much time.
    """

    cycle: int
    time: int
    half_life: float
    count: float = 0.0
    seconds: float = 0.0

    def see(self, cycle: int, time: int) -> None:
        """Add the cycles since the last look."""
        self.count += cycle - self.cycle
        self.cycle, self.time = cycle, time

    def pass_time(self, seconds: float) -> float:
        """Let time pass; return by how much what was counted before counts for less."""
        fading = float(0.5 ** (seconds / self.half_life))
        self.count *= fading
        self.seconds = self.seconds * fading + seconds
        return fading

    @property
    def rate(self) -> float:
        """Cycles a second."""
        return self.count / self.seconds if self.seconds else 0.0


@dataclass(slots=True)
class Tally:
    """What is known of one node's ticks.

    Attributes:
        cycle: the number of the last cycle at the last look.
        time: its engine time, ns.
        ticked_in: the number of the cycle in which the node last ticked; 0 for none.
        at: the engine time of that tick, ns; `None` for none.
        known: how well that time is known.
        ticks: how many ticks there were in the known cycles of the last seconds.
        cycles: how many known cycles there were.
        all: how many cycles there were, known or not.
    """

    cycle: int
    time: int
    ticked_in: int = 0
    at: int | None = None
    known: Known = Known.EXACTLY
    ticks: float = 0.0
    cycles: float = 0.0
    all: float = 0.0

    def begin(self, ticked_in: int) -> None:
        """Take in the first look."""
        self.ticked_in = ticked_in
        if ticked_in:
            self.at = self.time
            self.known = Known.EXACTLY if ticked_in == self.cycle else Known.AT_LEAST

    def see(self, cycle: int, time: int, ticked_in: int) -> None:
        """Take in a further look."""
        passed = cycle - self.cycle
        if not passed:
            return
        age = cycle - ticked_in
        self.all += passed
        if age < passed:
            self.ticks += 1
            self.cycles += age + 1
            # In between the two looks, cycles are taken to be evenly spaced.
            self.at = time - (time - self.time) * age // passed
            exact = age == 0 or time == self.time
            self.known = Known.EXACTLY if exact else Known.ABOUT
        else:
            self.cycles += passed
        self.cycle, self.time, self.ticked_in = cycle, time, ticked_in

    def fade(self, fading: float) -> None:
        """Let what was counted up to now count for less."""
        self.ticks *= fading
        self.cycles *= fading
        self.all *= fading

    def rate(self, cycles_a_second: float) -> float:
        """Return the ticks a second."""
        return self.ticks / self.cycles * cycles_a_second if self.cycles else 0.0

    @property
    def is_exact(self) -> bool:
        """Whether nearly all cycles of the last seconds are known."""
        return self.cycles >= 0.99 * self.all
