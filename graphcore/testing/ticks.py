"""Collect a stream's ticks."""

from typing import TypeVar, Unpack

from graphcore.graph import RunOptions
from graphcore.stream import Stream

T = TypeVar("T")


def ticks(stream: Stream[T], **options: Unpack[RunOptions]) -> list[tuple[int, T]]:
    """Run the graph of a stream and return its (engine time, value) pairs.

    >>> import graphcore as gc
    >>> ticks(gc.ticker("1s").count(), duration="1s")
    [(0, 1), (1000000000, 2)]
    """
    out = stream.collect()
    out.run(**options)
    return list(out)
