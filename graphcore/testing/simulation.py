"""`simulate`: live wiring on a virtual clock, with arrivals and outages that a seed draws.

Each source has random numbers of its own, from the seed and its place in the graph. So the arrivals
of a source do not depend on the values of another.
"""

from collections.abc import Iterable, Iterator, Mapping
from heapq import merge
from itertools import islice
from random import Random, SystemRandom
from types import TracebackType
from typing import Any, NamedTuple

from graphcore.errors import InvalidTypeError, InvalidValueError
from graphcore.sources.receiver import ReceiverStream
from graphcore.sources.retrying import Link
from graphcore.testing.stepper import Stepper
from graphcore.time import Duration, Time, to_duration, to_period

_MOST_AT_ONCE = 5
_BURSTS = 0.3  # the part of the arrivals that bring several values
_STALLS = 0.1  # the part of the pauses that are long
_STALL = 10  # how many times longer such a pause is
_OUTAGE = 5  # the mean length of an outage, in mean pauses


class Arrival(NamedTuple):
    """What a source ticked with in a simulation.

    Attributes:
        time: engine time, ns.
        source: the name of the source.
        value: the value, burst or status.
    """

    time: int
    source: str
    value: Any


class _Step(NamedTuple):
    """Something that happens at a time; the order at one time is that of the sources."""

    time: int
    source: int
    node: Any
    events: list[Any]
    values: list[Any]


class Simulation(Stepper):
    """A `Stepper` that also draws when values arrive; see `simulate`.

    Attributes:
        seed: what it draws from.
        arrivals: all that arrived so far, in order.
    """

    def __init__(self, *roots: object, seed: int, start: Time) -> None:
        super().__init__(*roots, start=start)
        self.seed = seed
        self.arrivals: list[Arrival] = []
        self._plays = 0
        self._up: set[int] = set()

    def play(
        self,
        values: Mapping[Any, Iterable[Any]],
        *,
        every: Duration = "100ms",
        outages: float = 0.05,
        duration: Duration | None = None,
    ) -> dict[Any, list[Any]]:
        """Let values arrive as they do from a network, and run the cycles that follow.

        The values of a source arrive in their order: after drawn pauses, now and then several at
        one time, now and then after a stall. A connection that can break and come back, such as
        that of `zmq_sub` or of a source with ``retry=``, breaks now and then. What was to arrive
        meanwhile is lost, and the status stream of the source tells of it as in a live run.

        Args:
            values: for each source, what it receives. The keys are as in `push`; the values of a
                source that delivers bursts are those in the bursts.
            every: the mean time from one arrival to the next.
            outages: how likely a connection breaks after an arrival; 0 for no outages.
            duration: how long to play; by default until all values have arrived. It ends an
                iterable that has no end.

        Returns:
            For each source, the values that arrived.

        Raises:
            InvalidTypeError, InvalidValueError: for an argument that is wrong, or a source that is
                not in the graph.
        """
        pause = to_period(every)
        if isinstance(outages, bool) or not isinstance(outages, int | float):
            raise InvalidTypeError(f"outages must be a number from 0 to 1, not {outages!r}")
        if not 0 <= outages <= 1:
            raise InvalidValueError(f"outages must be from 0 to 1, not {outages!r}")
        if not isinstance(values, Mapping):
            raise InvalidTypeError(
                f"play needs a dict with the values of each source, not {values!r}"
            )
        begin = self.time
        end = None if duration is None else begin + to_duration(duration)
        self._plays += 1
        arrived: dict[int, list[Any]] = {}
        sources: list[Iterator[_Step]] = []
        for source, each in values.items():
            index = self._source_of(source)
            if index in arrived:
                raise InvalidValueError(f"{self._plan.names()[index]} has values twice")
            arrived[index] = []
            sources.append(self._steps(index, each, begin, pause, outages))
        for step in merge(*sources, key=lambda step: step[:2]):
            if end is not None and step.time > end:
                break
            self._take(step)
            arrived[step.source] += step.values
        if end is not None:
            self.advance(end - self.time)
        return dict(zip(values, arrived.values(), strict=True))

    def _take(self, step: _Step) -> None:
        self.advance(step.time - self.time)
        place = self._places.get(id(step.node))
        if place is None:
            return  # a status stream that nobody reads
        for event in step.events:
            self.arrivals.append(Arrival(self.time, self._plan.names()[place], event))
            self.push(step.node, event)

    def _steps(
        self, index: int, values: Iterable[Any], time: int, pause: int, outages: float
    ) -> Iterator[_Step]:
        """Yield what a source and its status tick with."""
        random = Random(f"{self.seed} {self._plays} {index}")
        node = self._plan.nodes[index]
        receiver = node if isinstance(node, ReceiverStream) else None
        link = None if receiver is None else receiver.simulated_link()
        if link is not None and index not in self._up:
            self._up.add(index)
            yield _Step(time, index, link.node, link.up, [])
        waiting = iter(values)
        back = 0  # when the connection is there again
        lost = False
        while True:
            length = random.expovariate(1 / pause)
            time += round(length * (_STALL if random.random() < _STALLS else 1))
            count = random.randint(2, _MOST_AT_ONCE) if random.random() < _BURSTS else 1
            batch = list(islice(waiting, count))
            if not batch:
                break
            if link is not None and back:
                if time < back:
                    lost = True
                    continue
                yield from self._reconnect(index, link, back, time if lost else None)
                back, lost = 0, False
            events = batch if receiver is None else receiver.simulated(batch)
            yield _Step(time, index, node, events, batch)
            if link is not None and random.random() < outages:
                time += round(random.expovariate(1 / pause))
                yield _Step(time, index, link.node, link.down, [])
                back = time + 1 + round(random.expovariate(1 / (pause * _OUTAGE)))
        if link is not None and back:
            yield from self._reconnect(index, link, back, None)

    @staticmethod
    def _reconnect(index: int, link: Link, back: int, gap: int | None) -> Iterator[_Step]:
        yield _Step(back, index, link.node, link.up, [])
        if gap is not None and link.gap:
            yield _Step(gap, index, link.node, link.gap, [])

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the run; an error in the block or at the end gets a note with the seed."""
        note = f"simulate(..., seed={self.seed}) draws these arrivals again"
        try:
            super().__exit__(kind, error, traceback)
        except BaseException as raised:
            raised.add_note(note)
            raise
        if error is not None:
            error.add_note(note)


def simulate(*roots: object, seed: int | None = None, start: Time = 0) -> Simulation:
    """Return a `Stepper` that draws when values arrive, in what bursts, and what breaks.

    The clock is virtual, so an hour takes no time, and one seed always draws the same. An error
    that leaves the block has a note with the seed.

    Args:
        roots: a `Graph`, or streams, sinks or nodes, as for `Graph`.
        seed: what to draw from; by default another one each time.
        start: engine time of the start.

    Raises:
        InvalidTypeError: for a seed that is not a whole number.
        RunError: on entering, as `Stepper`.

    >>> import graphcore as gc
    >>> def connect(sender, stop): ...
    >>> quotes = gc.receiver(connect, retry=["1s"])
    >>> total = quotes.unroll().sum()
    >>> outages = quotes.status.filter(lambda status: status.error is not None).count()
    >>> with simulate(total, outages, seed=7) as simulation:
    ...     arrived = simulation.play({quotes: range(100)}, every="1s")
    ...     total.value == sum(arrived[quotes]), len(arrived[quotes]), outages.value
    (True, 90, 3)
    """
    if seed is None:
        seed = SystemRandom().randrange(1 << 32)
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise InvalidTypeError(f"a seed is a whole number, not {seed!r}")
    return Simulation(*roots, seed=seed, start=start)
