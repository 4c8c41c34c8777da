"""The functions that make a stream of several."""

from collections.abc import Callable, Hashable
from typing import TypeVar

from graphcore.errors import InvalidTypeError
from graphcore.node import Active, refuse_list
from graphcore.operators import several
from graphcore.stream.families.arguments import function_of, whole
from graphcore.stream.stream import Stream

T = TypeVar("T")


def align(
    *streams: Active[T], key: Callable[[T], Hashable], capacity: int = 10_000
) -> Stream[tuple[T, ...]]:
    """Tick with a tuple when every stream has delivered a key, whatever the order of arrival.

    It joins live streams by the time that their values carry.

    Args:
        streams: the streams, one or more.
        key: returns the key of a value, such as its timestamp; keys must be hashable.
        capacity: how many values may wait for their partners. If more wait, the values of the
            oldest key are dropped, counted in `.node.dropped`, and logged once.
    """
    number = whole(capacity, "capacity", 1)
    if not streams:
        raise InvalidTypeError("align needs streams")
    for each in streams:
        refuse_list(each, "align")
    return Stream(several.Align(list(streams), function_of(key), number))
