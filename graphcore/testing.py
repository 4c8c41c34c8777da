"""Helpers for tests of graphs: collect a stream's ticks, and wait for a condition."""

from collections.abc import Callable
from threading import Event
from time import monotonic
from typing import TypeVar, Unpack

from graphcore.graph import RunOptions
from graphcore.stream import Stream

T = TypeVar("T")

_STEP = 0.005


def ticks(stream: Stream[T], **options: Unpack[RunOptions]) -> list[tuple[int, T]]:
    """Run the graph of a stream and return its (engine time, value) pairs.

    >>> import graphcore as gc
    >>> ticks(gc.ticker("1s").count(), duration="1s")
    [(0, 1), (1000000000, 2)]
    """
    out = stream.collect()
    out.run(**options)
    return list(out)


def wait_until(predicate: Callable[[], object], seconds: float = 10.0) -> None:
    """Return as soon as the predicate is true.

    Raises:
        TimeoutError: if the predicate is not true within `seconds`.
    """
    deadline = monotonic() + seconds
    pause = Event()
    while not predicate():
        if monotonic() > deadline:
            raise TimeoutError(f"the condition did not become true within {seconds:g} s")
        pause.wait(_STEP)
