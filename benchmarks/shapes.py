"""Shapes of graphs that several parts build."""

from collections.abc import Callable
from functools import reduce
from typing import Any

import graphcore as gc


def chained(stream: Any, link: Callable[[Any], Any], length: int) -> Any:
    """Return a stream after this many links in a row."""
    return reduce(lambda last, _: link(last), range(length), stream)


def recombined(stream: gc.Stream[int]) -> gc.Stream[int]:
    """Return a stream's values doubled, as two branches added: three nodes."""
    return stream.map(lambda x: x + 1) + stream.map(lambda x: x - 1)


def chain(stream: gc.Stream[int], nodes: int) -> gc.Stream[int]:
    last: gc.Stream[int] = chained(stream, lambda x: x.map(lambda x: x + 1), nodes)
    return last


def branching(stream: gc.Stream[int], nodes: int) -> gc.Stream[int]:
    last: gc.Stream[int] = chained(stream, recombined, nodes // 3)
    return last


SHAPES = {"chain": chain, "branching": branching}
