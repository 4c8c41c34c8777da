"""Random graphs over numbers with recorded sources and alarms, which the native tier takes."""

import math
import random
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from heapq import heappop, heappush
from typing import Any, NamedTuple

import graphcore as gc
from tests.differential import sinks

FACTOR = 2.5
LEVELS = (0, 1.5, True)


class Pair(NamedTuple):
    one: float
    other: float


@dataclass(frozen=True)
class Both:
    one: float
    other: int


@gc.node
class Accumulated(gc.MutableNode[float]):
    """Has state of every kind: numbers, None at first, a deque."""

    first: gc.Active[float]
    second: gc.Passive[float]
    step: float
    total: float = gc.state(0.0)
    count: int = gc.state(0)
    last: float | None = gc.state(None)
    recent: deque[float] = gc.state(factory=deque)

    def cycle(self, state: gc.GraphState) -> bool:
        self.count += 1
        if self.last is not None and self.first.value < self.last:
            self.total -= self.step
            self.last = self.first.value
            return False
        self.last = self.first.value
        self.recent.append(self.first.value * self.second.value)
        while len(self.recent) > 4:
            self.total += self.recent.popleft()
        if self.count % 3 == 0:
            return False
        self.value = self.total / self.count if self.count > 2 else self.recent[-1]
        return True


@gc.node(valid="any")
class Either(gc.MutableNode[float]):
    """Sets its value though it does not tick (R5)."""

    first: gc.Active[float]
    second: gc.Active[float]

    def cycle(self, state: gc.GraphState) -> bool:
        if state.ticked(self.first) and state.ticked(self.second):
            value = self.first.value - self.second.value
        elif state.ticked(self.first):
            value = self.first.value
        else:
            value = self.second.value
        self.value = value
        return value > 0


@gc.node
class Smoothed(gc.MutableNode[float]):
    """Adds up a list, as many moving averages that people write do."""

    source: gc.Active[float]
    recent: list[float] = gc.state(factory=list)

    def cycle(self, state: gc.GraphState) -> bool:
        self.recent.append(self.source.value)
        if len(self.recent) > 5:
            self.recent.pop(0)
        spread = max(self.recent) - min(self.recent)
        self.value = sum(self.recent) / len(self.recent) + spread * any(self.recent)
        return True


@gc.node
class Greatest(gc.MutableNode[float]):
    """Loops over a deque with a longest length, and over pairs."""

    source: gc.Active[float]
    recent: deque[float] = gc.state(factory=lambda: deque(maxlen=5))
    pairs: deque[tuple[int, float]] = gc.state(factory=deque)

    def cycle(self, state: gc.GraphState) -> bool:
        self.recent.append(self.source.value)
        self.pairs.append((state.time, self.source.value))
        if len(self.pairs) > 7:
            self.pairs.popleft()
        best = None
        for each in self.recent:
            if each != each:
                continue
            if best is None or each > best:
                best = each
        if best is None or self.pairs[0][1] > best:
            return False
        self.value = best + self.pairs[0][0]
        return True


@gc.node
class Halving(gc.MutableNode[float]):
    """Raises an error for some values."""

    source: gc.Active[float]

    def cycle(self, state: gc.GraphState) -> bool:
        left = self.source.value
        rounds = 0
        while left > 1:
            left = left / 2
            rounds += 1
            if rounds > 60:
                raise ValueError(f"{self.source.value} is too great")
        self.value = rounds + left
        return True


@gc.node
class Reminded(gc.MutableNode[float]):
    """Sets several alarms of every kind, some for the present time, and tells which went off."""

    source: gc.Active[float]
    after: int
    left: int = gc.state(0)
    was_due: bool = gc.state(False)

    def cycle(self, state: gc.GraphState) -> bool:
        if state.ticked(self.source):
            self.left = int(self.source.value) % 4 if math.isfinite(self.source.value) else 1
            state.schedule(state.time + self.after)
            state.schedule_last(state.time + 2, keeps_alive=False)
        elif self.left:
            self.left -= 1
            if self.left == 1:
                state.schedule(state.time + 1, keeps_alive=False)
            else:
                state.schedule(state.time + self.left % 2)
            state.schedule_last(state.time)
        self.was_due = state.due
        self.value = self.source.value + state.elapsed if self.was_due else -1.0
        return True


@gc.node
class Ranked(gc.MutableNode[float]):
    """Keeps a list in order, and cuts and clears it."""

    source: gc.Active[float]
    most: int
    ordered: list[float] = gc.state(factory=list)
    recent: list[float] = gc.state(factory=list)

    def cycle(self, state: gc.GraphState) -> bool:
        value = self.source.value
        if value == value:
            insort(self.ordered, value)
        self.recent.insert(0, value)
        if len(self.recent) > self.most:
            oldest = self.recent.pop()
            if oldest == oldest:
                place = bisect_left(self.ordered, oldest)
                if place < len(self.ordered):
                    self.ordered.pop(place)
        if len(self.ordered) > 8:
            self.ordered[:3] = ()
            self.ordered[0] = self.ordered[1]
        if not self.ordered:
            return False
        if self.ordered[-1] > 1e6:
            self.ordered.clear()
            self.recent = []
            return False
        self.value = self.ordered[len(self.ordered) // 2] - self.recent[-1] + len(self.ordered)
        return True


@gc.node(valid="any")
class Waiting(gc.MutableNode[float]):
    """Keeps pairs in a heap, and items of several kinds in a deque.

    No pair has a NaN: how two of them compare depends on which objects they are, which the native
    tier does not keep.
    """

    first: gc.Active[float]
    second: gc.Active[float]
    most: int
    heap: list[tuple[float, int]] = gc.state(factory=list)
    mixed: deque[float | None] = gc.state(factory=deque)
    number: int = gc.state(0)

    def cycle(self, state: gc.GraphState) -> bool:
        self.number += 1
        if state.ticked(self.first):
            if self.first.value == self.first.value:
                heappush(self.heap, (self.first.value, self.number))
            self.mixed.append(self.first.value if self.number % 3 else None)
        if state.ticked(self.second) and self.second.value == self.second.value:
            heappush(self.heap, (self.second.value, -self.number))
        if len(self.mixed) > self.most:
            last = self.mixed.popleft()
            if last is None:
                return False
        if len(self.heap) <= self.most:
            return False
        value, number = heappop(self.heap)
        self.value = value * 0.5 + number
        return True


def longer(x: float) -> float:
    y = x * 2
    if y > 3:
        return y - 1
    while y < 0 and y > -100:
        y = y * 2 - 1  # ever less, so that the loop ends
    return -y


def split(x: float) -> tuple[float, float]:
    whole = x // 1
    return whole, x - whole


def horner(x: float) -> float:
    total = 0.0
    for factor in (0.5, -1.0, 2.0, x):
        if factor > 1e6:
            break
        if factor == x:
            continue
        total = total * x + factor
    return total


def caught(x: float) -> float:
    try:
        found = 1 / x
    except ZeroDivisionError:
        return -1.0
    else:
        return found * 2


def sign(x: float) -> int:
    if x > 0:
        return 1
    elif x < 0:
        return -1
    return 0


MAPS: list[Callable[[Any], Any]] = [
    lambda x: x + 1,
    lambda x: x * 0.5,
    lambda x: x - FACTOR,
    lambda x: -x,
    lambda x: x * x,
    lambda x: x / 3,
    lambda x: x // 2,
    lambda x: x % 3,
    lambda x: x % -0.7,
    lambda x: x // 0.3,
    lambda x: abs(x),
    lambda x: x > 1,
    lambda x: 1 / x,
    lambda x: x**2,
    lambda x: x**3,
    lambda x: x**0.5 if x > 0 else 0.0,
    lambda x: 2.0**x if abs(x) < 50 else x,
    lambda x: math.exp(x / 10),
    lambda x: math.log(x) if x > 0 else x,
    lambda x: math.sqrt(x) if x >= 0 else -1.0,
    lambda x: math.sin(x) if math.isfinite(x) else x,
    lambda x: math.tanh(x),
    lambda x: int(x) if math.isfinite(x) else 0,
    lambda x: round(x) if abs(x) < 1e6 else 0,
    lambda x: math.floor(x) if math.isfinite(x) else 0,
    lambda x: max(x, 0),
    lambda x: max(x, 0) * 2,
    lambda x: min(x, 1.5),
    lambda x: min(1, x, 2.5),
    lambda x: float(x),
    lambda x: x * 10**9,
    lambda x: x * 1000003,
    lambda x: (x, x + 1)[0],
    lambda x: split(x)[1] if math.isfinite(x) else x,
    lambda x: x if x == x else 0.0,
    lambda x: x and 1,
    lambda x: x or 2.5,
    lambda x: not x,
    lambda x: 0 < x < 3,
    lambda x: x == 1,
    lambda x: 1 if x > 0 else False,
    lambda x: None if x > 2 else x,
    lambda x: sign(x),
    lambda x: round(x, 2),
    lambda x: round(x, 0) if x > 0 else round(x, 1),
    lambda x: sum((x, 1.5, x / 2)),
    lambda x: max((x, 0)) + min([x, x, 1]),
    lambda x: x in (1, 2.5, -1),
    lambda x: x not in LEVELS,
    lambda x: divmod(x, 3)[0] - divmod(x, 0.7)[1],
    lambda x: -1 < x <= abs(x) < 2 + abs(x) / 2,
    lambda x: math.ldexp(*math.frexp(x)) if math.isfinite(x) else x,
    lambda x: math.erf(x) + math.radians(x),
    lambda x: LEVELS[int(x)] if abs(x) < 3 else x,
    lambda x: any((x > 2, x < -1)) and all([x, x < 9]),
    horner,
    caught,
    longer,
    sign,
    abs,
    float,
    str,
]
PREDICATES: list[Callable[[Any], Any]] = [
    lambda x: x > 0,
    lambda x: x < 1,
    lambda x: x != 0,
    lambda x: int(x) % 2 if math.isfinite(x) else 0,
    lambda x: x,
    lambda x: x == x,
    math.isfinite,
    lambda x: (x > 0 and x < 2) or x != x,
]
SCANS: list[tuple[Callable[[Any, Any], Any], Any]] = [
    (lambda a, x: a + x, 0),
    (lambda a, x: a * 0.9 + x, 0.0),
    (lambda a, x: a + 1, 0),
    (lambda a, x: x if x > a else a, 0),
    (lambda a, x: a * 3 + 1 if a < 10**17 else 0, 1),
    (lambda a, x: a * 31 + 7, 1),
]
JOINS: list[Callable[[Any, Any], Any]] = [
    lambda a, b: a + b,
    lambda a, b: a * b,
    lambda a, b: a > b,
    lambda a, b: a - b if a > b else b - a,
    lambda a, b: a / b if b else 0.0,
    lambda a, b: a % b,
    lambda a, b: Pair(a, b),
    lambda a, b: (a, b),
]


RECORDS: list[Callable[[int, Any], Any]] = [
    lambda number, x: (number, x),
    lambda number, x: Pair(x, 1.5),
    lambda number, x: Pair(x, number % 3 > 0),
    lambda number, x: Both(x, number),
    lambda number, x: Pair(x, WORDS[number % 4]),
    lambda number, x: (x, Side.BUY),
    lambda number, x: Pair(x, None if number % 5 == 0 else 2.0),
    lambda number, x: (x, *[1.0] * (number % 3)),
]


def parts_apart(record: Any) -> Any:
    one = record.one if hasattr(record, "one") else record[0]
    return one * 2


class Side(Enum):
    BUY = "buy"
    SELL = "sell"
    NONE = None


def side(x: Any) -> Side:
    if x == 0:
        return Side.NONE
    return Side.BUY if x > 0 else Side.SELL


WORDS = ["up", "down", "", "flat"]


@gc.node
class Turning(gc.MutableNode[float]):
    """Keeps strings, and compares them."""

    source: gc.Active[Any]
    sides: gc.Active[Any]
    last: str = gc.state("none")
    known: deque[Any] = gc.state(factory=deque)
    turns: int = gc.state(0)

    def cycle(self, state: gc.GraphState) -> bool:
        word = "up" if self.source.value > 0 else "down"
        if word != self.last:
            self.turns += 1
            self.known.append((word, self.sides.value))
            if len(self.known) > 3:
                first, given = self.known.popleft()
                if first == "up" and given != "flat":
                    self.turns += 10
        self.last = word
        if self.sides.value == self.last:
            return False
        self.value = self.turns
        return True


def words(numbers: random.Random, count: int) -> list[Any]:
    """Return strings, or members of an enum, with another value among them now and then."""
    some: list[Any] = numbers.choice([WORDS, list(Side)])
    strange = numbers.choice([0.0, 0.0, 0.1])
    return [
        numbers.choice([None, 1.5, "other"]) if numbers.random() < strange else numbers.choice(some)
        for _ in range(count)
    ]


COMPARED: list[Callable[[Any], Any]] = [
    lambda word: 1.0 if word == "up" else -1.0,
    lambda word: word in ("up", "flat", None),
    lambda word: word is not Side.BUY,
    lambda word: 2 if word == Side.SELL or word == "" else 0.5,
    lambda word: word != "flat",
    lambda word: len(word),
    lambda word: word < "flat",
    lambda word: 1 if word else 0,
]


def minus_each(one: float, other: float) -> float:
    return one - other


def minus(pair: tuple[float, float]) -> float:
    one, other = pair
    return one - other


FIGURES = ["mean", "std", "sum", "min", "max", "count", "var", "median", "skew", "first", "zscore"]
FIGURES += ["product"]
ORDERED: list[Callable[[Any], Any]] = [
    lambda window: window.median(),
    lambda window: window.quantile(0.3),
    lambda window: window.rank(),
    lambda window: window.nunique(),
    lambda window: window.idxmin(),
    lambda window: window.idxmax(),
]
TIMED: list[Callable[[Any, int], Any]] = [
    lambda one, d: one.delay(d),
    lambda one, d: one.debounce(d),
    lambda one, d: one.throttle(d),
    lambda one, d: one.throttle_latest(d),
    lambda one, d: one.silent_for(d),
    lambda one, d: one.every(d),
    lambda one, d: one.resample(d).last(),
    lambda one, d: one.resample(d).mean(),
    lambda one, d: one.resample(d).ohlc().map(lambda bar: bar.open - bar.low + bar.start % 7),
]
TOGETHER: list[Callable[[Any, Any], Any]] = [
    lambda one, other: one.merge(other),
    lambda one, other: one.merge(other, one * 2),
    lambda one, other: one.merge_first(other),
    lambda one, other: one.delay_until(other),
    lambda one, other: one.sample(other),
    lambda one, other: gc.maximum(one, other),
    lambda one, other: gc.total(one, other, one),
    lambda one, other: gc.average(other, one),
    lambda one, other: gc.any_of(one, other),
    lambda one, other: gc.race(one, other),
    lambda one, other: one.pairwise().starmap(minus_each),
    lambda one, other: one.with_latest(other).unzip(2)[1],
    lambda one, other: one.drop_small_change(0.5),
    lambda one, other: gc.Stream(Smoothed(one)),
    lambda one, other: gc.Stream(Turning(one, other.map(lambda x: "up" if x > 1 else "flat"))),
    lambda one, other: one.map(side).distinct().join(other, lambda s, x: x if s is Side.BUY else 1),
]


KEYS: list[Callable[[Any], Any]] = [
    lambda x: int(x) % 3 if math.isfinite(x) else -1,
    lambda x: round(x) if abs(x) < 1e6 else 0,
    lambda x: x > 0,
    lambda x: 7,
    lambda x: x,
    lambda x: x > 0 if abs(x) < 1 else int(x > 2),
]
# The same, with keys that are no numbers.
OTHER_KEYS: list[Callable[[Any], Any]] = [
    lambda x: "up" if x > 0 else "down",
    side,
    lambda x: (x > 0, side(x)),
    lambda x: ("far" if abs(x) > 1 else "near", 1 if x > 2 else x > 0),
    lambda x: "up" if x > 0 else x < -1,
    lambda x: None if x > 0 else side(x),
    lambda x: side(x) if x > 0 else (side(x),),
]
# Each returns, given what draws, a step within the sub-graph of a key.
INNER: list[Callable[[random.Random], Callable[[Any], Any]]] = [
    lambda draw: partial(mapped, draw.choice(MAPS)),
    lambda draw: partial(mapped, draw.choice(MAPS)),
    lambda draw: partial(filtered, draw.choice(PREDICATES)),
    lambda draw: lambda own: own.ewm(span=3).mean(),
    lambda draw: lambda own: own.ewm(halflife="3ns").mean(),
    lambda draw: lambda own: own.sum(),
    lambda draw: lambda own: own.count(),
    lambda draw: lambda own: own.distinct(),
    lambda draw: lambda own: own * 2 - 1,
    lambda draw: lambda own: own.expanding().std(),
    lambda draw: draw.choice(
        [lambda own: own.rolling(3).mean(), lambda own: own.lag(1), lambda own: own.delay(2)]
    ),
]


def mapped(function: Callable[[Any], Any], own: Any) -> Any:
    return own.map(function)


def filtered(predicate: Callable[[Any], Any], own: Any) -> Any:
    return own.filter(predicate)


def own_time(value: Any) -> int:
    """Return a time for a number, so that equal numbers have equal times."""
    return int(value * 5) % 11 if math.isfinite(value) and abs(value) < 100 else 3


def by_time(one: Any, other: Any, tolerance: int, direction: Any) -> Any:
    """Return the differences of the pairs of an as-of join by a time that may run backwards."""
    joined = one.event_time(own_time, 3).asof(
        other.event_time(own_time, 2), tolerance=tolerance, direction=direction
    )
    return joined.map(lambda pair: pair[0] if pair[1] is None else pair[0] - pair[1])


def in_order(one: Any, other: Any, tolerance: int, direction: Any) -> Any:
    """Return those of a join by the time of arrival."""
    first, second = (each.with_time().event_time(lambda pair: pair[0], 1) for each in (one, other))
    joined = first.asof(second, tolerance=tolerance, direction=direction)
    return joined.map(lambda pair: pair[0][1] if pair[1] is None else pair[0][1] - pair[1][1])


FLOATS = [0.0, 1.0, -0.0, 1.5, 2.0, math.nan, math.inf, -math.inf, 1e300, 5e-324, 2.0**53 + 2]
WHOLE = [2**62, -(2**63), 2**53 + 1, 2**63 - 1]


def events(draw: random.Random) -> tuple[list[int], list[Any]]:
    """Return random times and values."""
    count = draw.choice([1, 5, 60, 120, 120, 300])
    strange = draw.choice([0.0, 0.0, 0.02, 0.3])
    values: list[Any] = []
    for _ in range(count):
        if draw.random() < strange:
            values.append(draw.choice(FLOATS))
        else:
            values.append(draw.choice([draw.gauss(0, 2), float(draw.randint(-3, 3))]))
    kind = draw.choice("ffffiibm")
    if kind == "i":
        values = [
            draw.choice(WHOLE) if draw.random() < strange / 3 else draw.randint(-9, 9)
            for _ in values
        ]
    elif kind == "b":
        values = [draw.random() < 0.5 for _ in values]
    elif kind == "m":
        values = [draw.randint(0, 5) if draw.random() < strange else x for x in values]
    time, times = 0, []
    for _ in values:
        time += draw.choice([0, 1, 1, 1, 2, 5])
        times.append(time)
    return times, values


def scaled(factor: float, most: Any) -> list[Callable[[Any], Any]]:
    """Return functions that get numbers from a closure, and as a default."""

    def capped(x: float, most: Any = most) -> float:
        if x > most:
            return most * factor
        return x

    return [lambda x: x * factor, capped, lambda x, most=most: x - most]


def graph(seed: int) -> tuple[gc.Graph, dict[str, Any]]:
    """Return a random graph, and the bounds of its run."""
    outs, options = wired(seed)
    made = gc.Graph(*outs)
    number(made)
    return made, options


def number(graph: gc.Graph) -> None:
    """Give the nodes serial numbers that do not depend on what was made before."""
    for serial, node in enumerate(graph.nodes, 1):
        node.serial = serial


def wired(seed: int, variant: int = 0) -> tuple[list[Any], dict[str, Any]]:
    """Return the outputs of a random graph, and the bounds of its run.

    Args:
        seed: which graph.
        variant: which events and parameters; the nodes and their wiring are the same in all.
    """
    draw = random.Random(seed)
    numbers = random.Random(f"{seed} {variant}")
    streams: list[Any] = [gc.replay(*events(numbers))]
    options: dict[str, Any] = {}
    while draw.random() < 0.4:
        streams.append(gc.replay(*events(numbers)))
    if draw.random() < 0.2:
        times, values = events(numbers)
        records: list[Any] = [draw.choice(RECORDS)(number, x) for number, x in enumerate(values)]
        if draw.random() < 0.8:
            record = draw.choice(RECORDS[:-1])
            records = [record(number, x) for number, x in enumerate(values)]
        streams.append(gc.replay(times, records).map(parts_apart))
    if draw.random() < 0.2:
        times, values = events(numbers)
        streams.append(gc.replay(times, words(numbers, len(values))).map(draw.choice(COMPARED)))
    if draw.random() < 0.1:
        streams.append(gc.ticker(numbers.choice([1, 2, 7])))
        options["until"] = draw.randint(0, 200)
    pairs: set[Any] = set()
    for _ in range(draw.randint(1, 9)):
        one = streams[-1 - min(int(draw.expovariate(0.5)), len(streams) - 1)]
        other = draw.choice(streams)
        if one in pairs:
            streams.append(one.map(draw.choice([minus, lambda pair: pair[0] - pair[1]])))
            continue
        if other in pairs:
            other = streams[0]
        if draw.random() < 0.08:
            streams.append(_keyed(draw, one))
            continue
        made, is_pair = _step(draw, numbers, one, other)
        streams.append(made)
        if is_pair:
            pairs.add(made)
    outs = [stream.collect() for stream in streams[-3:]]
    if draw.random() < 0.5:
        plain = [each for each in streams if each not in pairs]
        if draw.random() < 0.2:
            plain.append(plain[-1].map(sinks.scaled))
        for _ in range(draw.randint(1, 3)):
            given = sinks.sink(draw, draw.choice(plain[-4:]), draw.choice(plain))
            outs.append(given.collect() if isinstance(given, gc.Stream) else given)
            if isinstance(given, gc.Stream) and draw.random() < 0.3:
                outs.append(gc.Stream(sinks.Watching(given, draw.choice(plain))).collect())
    if draw.random() < 0.15 and streams[-1] not in pairs:
        outs += [streams[-1].map(side).lag(2).collect(), streams[-1].map(side).distinct().collect()]
    if draw.random() < 0.2:
        options["until"] = draw.randint(0, 150)
    if draw.random() < 0.2:
        options["cycles"] = draw.randint(1, 100)
    if draw.random() < 0.1:
        options["start"] = draw.randint(0, 50)
        if "until" in options:
            options["until"] += 50
    if draw.random() < 0.1:
        options["max_cycles_at_once"] = draw.randint(1, 30)
    return outs, options


def beside(seed: int, variant: int, times: Any, values: Any) -> list[Any]:
    """Return the outputs of a random graph whose variants differ in parameters alone.

    Args:
        seed: which graph.
        variant: which parameters.
        times: the times of the only source.
        values: its values.
    """
    draw = random.Random(seed)
    numbers = random.Random(f"{seed} {variant}")
    source = gc.replay(times, values)
    factor = numbers.choice([0.5, 1.0, 1.0, -2.0, 3.0, *[draw.choice(FLOATS)]])
    streams: list[Any] = [source, source.map(lambda x: x * factor)]
    for _ in range(draw.randint(1, 6)):
        one, other = streams[-1 - min(int(draw.expovariate(0.5)), 1)], draw.choice(streams)
        made, is_pair = _step(draw, numbers, one, other)
        streams.append(made.map(lambda pair: pair[0] - pair[1]) if is_pair else made)
    return [stream.collect() for stream in streams[-3:]]


def _keyed(draw: random.Random, one: Any) -> Any:
    """Return a stream of what the sub-graphs of keys give."""
    steps = [draw.choice(INNER)(draw) for _ in range(draw.randint(1, 3))]

    def build(own: Any, key: Any) -> Any:
        # By a name that does not depend on what was made before.
        for place, step in enumerate(steps):
            own = step(own).named(f"inner_{place}")
        return own

    numbers = draw.random() < 0.5
    keyed = one.group_by(draw.choice(KEYS if numbers else OTHER_KEYS), build)
    present = keyed.pairs().map(lambda pair: pair[0])
    return draw.choice(
        [
            lambda: keyed.pairs().map(lambda pair: pair[1]),
            lambda: present if numbers else present.map(lambda key: 1 if key == "up" else 2.5),
            lambda: keyed.changes.count(),
            lambda: keyed.changes.map(lambda changes: sum(changes.values())),
        ]
    )()


def _step(draw: random.Random, numbers: random.Random, one: Any, other: Any) -> tuple[Any, bool]:
    """Return a stream made of one or two others, and whether its values are pairs."""
    steps: list[Callable[[], Any]] = [
        *[lambda: one.map(draw.choice(MAPS))] * 8,
        lambda: one.map(
            draw.choice(scaled(numbers.choice([0.5, -1.0]), numbers.choice([1, 2.5, 3])))
        ),
        lambda: one.filter(draw.choice(PREDICATES)),
        lambda: one.filter(draw.choice(PREDICATES)),
        draw.choice(
            [
                lambda: one + other,
                lambda: one - other,
                lambda: one * other,
                lambda: one > other,
                lambda: one * 2,
                lambda: 1 - one,
                lambda: one <= 1.5,
                lambda: -one,
                lambda: one / 2.0,
            ]
        ),
        lambda: one.ewm(span=numbers.choice([2, 5])).mean(),
        lambda: getattr(one.rolling(numbers.choice([2, 3, 5])), draw.choice(FIGURES))(),
        lambda: getattr(one.rolling("5ns"), draw.choice(FIGURES))(),
        lambda: draw.choice(ORDERED)(one.rolling(numbers.choice([2, 3, 6]))),
        lambda: draw.choice(ORDERED)(one.rolling("5ns")),
        lambda: draw.choice(ORDERED)(one.rolling(4, min_periods=1, reset=other)),
        lambda: draw.choice(ORDERED)(one.expanding()),
        lambda: one.rolling(numbers.choice([3, 5])).corr(other),
        lambda: one.rolling("7ns").cov(other),
        lambda: draw.choice([by_time, in_order])(
            one,
            other,
            numbers.choice([0, 2, 9]),
            draw.choice(["backward", "forward", "nearest"]),
        ),
        lambda: gc.Stream(Ranked(one, numbers.choice([1, 4, 12]))),
        lambda: gc.Stream(Waiting(one, other, numbers.choice([0, 2, 6]))),
        lambda: getattr(one.rolling(3, reset=other), draw.choice(FIGURES))(),
        lambda: getattr(one.expanding(on=other), draw.choice(FIGURES))(),
        lambda: getattr(one, draw.choice(["sum", "mean", "count", "min", "max"]))(),
        lambda: one.distinct(),
        lambda: one.difference(),
        lambda: one.pairwise(),
        lambda: one.lag(numbers.choice([1, 3])),
        lambda: one.sample(other),
        lambda: one.gate(other > 0),
        lambda: draw.choice(
            [lambda: one.throttle("2ns"), lambda: one.limit(3), lambda: one.skip(2)]
        )(),
        lambda: one.scan(*draw.choice(SCANS)),
        lambda: draw.choice(TIMED)(one, numbers.choice([1, 2, 3, 10])),
        lambda: draw.choice(TIMED)(one, numbers.choice([1, 2, 3, 10])),
        lambda: draw.choice(TOGETHER)(one, other),
        lambda: gc.Stream(Reminded(one, numbers.choice([0, 1, 3]))),
        lambda: one.join(other, draw.choice(JOINS[:-2])),
        lambda: one.join(other, draw.choice(JOINS[-2:])),
        lambda: draw.choice([lambda: one.with_latest(other), lambda: one.with_time()])(),
        lambda: gc.Stream(Accumulated(one, other, numbers.choice([1.0, 2.0]))),
        lambda: gc.Stream(Either(one, other)),
        lambda: gc.Stream(Greatest(one)),
        *[lambda: gc.Stream(Halving(one))] * (draw.random() < 0.3),
    ]
    made = draw.choice(steps)()
    return made, made.node.operator in ("pairwise", "with_latest", "with_time") or (
        getattr(made.node, "function", None) in JOINS[-2:]
    )
