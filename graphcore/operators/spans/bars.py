"""Bars: figures of the values of tumbling spans of time (R7, R14).

`Spans` ticks when a span ends; it is one node for all figures of the same bars. A `BarFigure` keeps
the state of a figure, and ticks with it when the spans tick.
"""

import logging
from collections.abc import Callable
from math import nan
from typing import Any, NamedTuple

from graphcore.declare import node, state
from graphcore.node import Active, MutableNode, Passive, QueueNode
from graphcore.operators.spans.aggregates import Bar
from graphcore.state import GraphState

_logger = logging.getLogger(__name__)

# All spans that have ended tick before the clock is read again (R6). If a cycle takes longer than a
# span, each such instant would be longer than the one before, and nothing else would tick.
_MOST_BEHIND = 1_000


class Span(NamedTuple):
    """A span that has ended.

    Attributes:
        start: engine time at which it begins, ns.
        end: engine time at which it ends, ns.
        label: the one of the two that names it.
        is_empty: whether no value came in it.
        takes_now: whether the value of this cycle belongs to it, and not to a later one.
    """

    start: int
    end: int
    label: int
    is_empty: bool
    takes_now: bool


@node
class Spans(QueueNode[Span]):
    """Ticks with each span in which values came, when it ends.

    It is a queue of the spans that have ended before now, each of which gets a cycle of its own. A
    live run that is very late skips empty ones, as a late ticker skips ticks (R13).

    Attributes:
        grid: returns start and end of the span that holds a time, and whether it is one that ticks
            without values.
        aligned: whether the grid has an origin of its own; otherwise it is the start of the run.
        right: whether a value at the end of a span belongs to it, and not to the next one.
        label_right: whether the end of a span is its label.
        fills: whether empty spans tick, from the first value on.
        partial: whether the span that the end of the run cuts off ticks.
        going: whether a span is under way, from `first` to `last`.
        filled: whether values have come with which no span has ticked.
        came_at: the time of the last of them.
        behind: whether the span under way has ended before now: in real time, after a delay. Then
            those values may belong to a later one.
        skips: how many times empty spans were skipped because the run was late.
    """

    source: Active[object]
    grid: Callable[[int, int], tuple[int, int, bool]]
    aligned: bool
    right: bool
    label_right: bool
    fills: bool
    partial: bool
    origin: int = state(0)
    first: int = state(0)
    last: int = state(-(2**63))
    counts: bool = state(True)
    going: bool = state(False)
    filled: bool = state(False)
    came_at: int = state(0)
    behind: bool = state(False)
    skips: int = state(0)

    def start(self, state: GraphState) -> None:
        self.origin = 0 if self.aligned else state.time

    def cycle(self, state: GraphState) -> bool:
        now, came = state.time, state.ticked(self.source)
        if self.going and (now < self.last or (self.right and now == self.last and not state.due)):
            if came:
                self.filled, self.came_at = True, now
            return False
        first, last = self.first, self.last
        takes_now = came and self.going and self.right and now == last
        # Not by `now`, which in the closing instant of a live run is later than the last value.
        takes = self.filled and (self.came_at < last or (self.right and self.came_at == last))
        is_empty = not (takes or takes_now)
        tells = self.going and (self.counts or not is_empty)
        if takes:
            self.filled = False
        if came and not takes_now:
            self.filled, self.came_at = True, now
        late = self.going and self.fills and now - last > _MOST_BEHIND * (last - first)
        if late:
            self.skips += 1
        if self.going and self.fills and not late:
            time = last
        else:
            # A span that took `now` has ended: further values of this instant are the next one's.
            time = max(now - 1, last) if self.right else now
            self.going = self.filled or late
        if self.going:
            self.first, self.last, self.counts = self.grid(time, self.origin)
            if self.right:
                state.schedule_last(self.last, keeps_alive=False)
            else:
                state.schedule(self.last, keeps_alive=False)
            self.behind = now > self.last or (now == self.last and not self.right)
        if not tells:
            return False
        self.value = Span(first, last, last if self.label_right else first, is_empty, takes_now)
        return True

    def close(self, state: GraphState) -> bool:
        if not self.filled or not self.partial:
            return False
        self.filled = False
        label = self.last if self.label_right else self.first
        self.value = Span(self.first, self.last, label, False, False)
        return True

    def stop(self, state: GraphState) -> None:
        if self.skips:
            _logger.warning(
                "%s: the run was more than %d spans late, so empty spans were skipped; times: %d",
                self.name,
                _MOST_BEHIND,
                self.skips,
            )

    def queued(self, time: int) -> int:
        count, last = 0, self.last
        while self.behind and last <= time:
            last = self.grid(last, self.origin)[1]
            count += 1
        return count


@node(valid="any")
class BarFigure(MutableNode[Any]):
    """Ticks with the figure of a span's values when the span ends.

    Attributes:
        begin, further, result: the figure, as an `Aggregate` says it.
        nothing: the figure of an empty span.
        carries: whether an empty span has the figure of the span before it.
        total: the figure's state for the values so far.
    """

    source: Active[Any]
    spans: Active[Span]
    begin: Callable[[], Any]
    further: Callable[[Any, Any], Any]
    result: Callable[[Any], Any]
    nothing: Any
    carries: bool
    total: Any = state(None)
    figure: Any = state(None)

    def start(self, state: GraphState) -> None:
        self.total = self.begin()

    def cycle(self, state: GraphState) -> bool:
        came = state.ticked(self.source)
        if not state.ticked(self.spans):
            self.total = self.further(self.total, self.source.value)
            return False
        span = self.spans.value
        if came and span.takes_now:
            self.total = self.further(self.total, self.source.value)
        if not span.is_empty:
            self.figure = self.result(self.total)
            self.total = self.begin()
        elif not self.carries:
            self.figure = self.nothing
        if came and not span.takes_now:
            self.total = self.further(self.total, self.source.value)
        self.value = self.figure
        return True


@node(valid="any")
class Sized(MutableNode[tuple[Any, Any]]):
    """Ticks with each value and the present size; NaN while there is none."""

    source: Active[Any]
    size: Passive[Any]

    def cycle(self, state: GraphState) -> bool:
        self.value = (self.source.value, self.size.value if state.valid(self.size) else nan)
        return True


@node
class MakeBar(MutableNode[Bar]):
    """Ticks with the record of a bar; that of an empty span has the count 0."""

    prices: Active[tuple[Any, Any, Any, Any, int]]
    spans: Passive[Span]

    def cycle(self, state: GraphState) -> bool:
        first, high, low, last, count = self.prices.value
        span = self.spans.value
        if span.is_empty:
            count = 0
        self.value = Bar(first, high, low, last, count, span.start, span.end, span.label)
        return True
