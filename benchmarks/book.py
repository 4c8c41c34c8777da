"""The cost of a message in the order book of docs/examples, over a day of AAPL.

All contenders get messages that were read beforehand. The hand-written loop calls the same book,
and handles its updates as the graph does. The file is next to the project; without it, this part is
skipped.
"""

import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import graphcore as gc
from benchmarks.contenders import graphcore_tiers
from benchmarks.figures import Figure, Measured
from benchmarks.ticks import again, compete
from graphcore_examples.order_book import (
    Book,
    Message,
    Summary,
    Trade,
    as_line,
    mid,
    read_messages,
    wire,
)

FILE = Path(__file__).parents[2] / "shared" / "data" / "aapl_messages.csv"
_SPAN = 100  # the example's
_WORK = "order book, AAPL messages"


def measure() -> Measured:
    if not FILE.exists():
        print("order book: left out, its messages are not here", file=sys.stderr)
        return {}
    messages = list(read_messages(FILE))
    summary = Summary()
    graph = graphcore_tiers(
        *wire(gc.replay(messages), summary, len), result=lambda: _rounded(summary)
    )
    loop = again(partial(by_hand, messages))
    return {
        _WORK: compete(len(messages), by_hand(messages), {**graph, "hand-written": loop}),
    }


def figures(measured: Measured) -> list[Figure]:
    return []


def _rounded(summary: Summary) -> tuple[object, ...]:
    assert summary.mid is not None
    fields = (summary.messages, summary.quotes, summary.trades, summary.shares, summary.top)
    return *fields, round(summary.mid, 3)


def by_hand(messages: list[tuple[int, Message]]) -> tuple[object, ...]:
    """Return the summary of the messages; the book is used as a node without a graph."""
    feed: gc.Stream[Message] = gc.never()
    book = Book(feed)
    book.reset()
    trades: list[Trade] = []
    vars(book)["trades"] = SimpleNamespace(tick=trades.append)
    entrance, state = feed.node, cast(gc.GraphState, None)  # which the book does not ask
    summary = Summary()
    decay, mean, weight = 1.0 - 2 / (_SPAN + 1), 0.0, 0.0
    for _, message in messages:
        entrance.value = message
        summary.messages += 1
        if book.cycle(state):
            quote = book.value
            len(as_line(quote))
            summary.quotes += 1
            summary.top = quote.top
            middle = mid(quote.top)
            if middle is not None:
                weight *= decay
                mean = (weight * mean + middle) / (weight + 1.0)
                weight += 1.0
        if trades:
            summary.trades += 1
            summary.shares += trades.pop().size
    summary.mid = mean
    return _rounded(summary)
