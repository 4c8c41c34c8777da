"""`Stream`: the fluent handle that wires a graph, with one short method for each operator.

A stream has no values while the graph is wired, so it cannot be iterated over and has no truth
value. A method checks its arguments and makes the node; the node's `cycle`, in
`graphcore.operators`, defines what the operator does. Unless its docstring says otherwise, an
operator ticks with each value that comes, and an operator with several inputs does not tick before
each of them has a value (R5).
"""

import logging
import operator
import os
from collections.abc import Callable, Hashable
from types import FunctionType
from typing import Any, Generic, NoReturn, ParamSpec, SupportsIndex, TypeVar, overload

from graphcore.collected import Collected
from graphcore.errors import InvalidTypeError, InvalidValueError, WiringError
from graphcore.handle import Handle
from graphcore.node import Active, MutableNode, Passive, node_of, refuse_list
from graphcore.operators import arithmetic, bursts, rate, running, several, single, sinks
from graphcore.origin import register_operator
from graphcore.tables.columns import column_of
from graphcore.tables.libraries import tables_module
from graphcore.tables.recording import Record, path_of
from graphcore.time import Duration, to_duration, to_period
from graphcore.windows import Ewm, Rolling

T = TypeVar("T")
U = TypeVar("U")
V = TypeVar("V")
P = ParamSpec("P")
R = TypeVar("R")


class Stream(Handle, Generic[T]):
    """The output of a node, from which more of the graph can be wired.

    Args:
        node: the node.

    Raises:
        InvalidTypeError: if that is not a node.

    >>> import graphcore as gc
    >>> out = gc.from_iterable([1, 2, 3, 4]).filter(lambda n: n % 2 == 0).map(str).collect()
    >>> report = out.run()
    >>> out.values
    ['2', '4']
    """

    __slots__ = ("__weakref__",)
    node: MutableNode[T]
    __hash__ = object.__hash__
    # Without this, `array + stream` would make an array of streams, one for each item.
    __array_ufunc__ = None

    def __init__(self, node: MutableNode[T]) -> None:
        self.node = node_of(node, "the argument of Stream")

    @property
    def value(self) -> T:
        """The value of the last tick; reading it before the first tick raises `NoValueError`."""
        return self.node.value

    # One stream in

    def map(self, function: Callable[[T], U]) -> "Stream[U]":
        """Tick with ``function(value)``."""
        return Stream(single.Map(self, _function(function)))

    def filter(self, predicate: Callable[[T], object]) -> "Stream[T]":
        """Tick with each value for which the predicate is true."""
        return Stream(single.Filter(self, _function(predicate), True))

    def filter_map(self, function: Callable[[T], U | None]) -> "Stream[U]":
        """Tick with ``function(value)`` where that is not `None`."""
        return Stream(single.FilterMap(self, _function(function)))

    def split(self, predicate: Callable[[T], object]) -> "tuple[Stream[T], Stream[T]]":
        """Return two streams: the values for which the predicate is true, and all others."""
        function = _function(predicate)
        judged = single.Map(self, lambda value: (bool(function(value)), value))
        sides = [
            Stream(single.Map(single.Filter(judged, operator.itemgetter(0), wanted), _second))
            for wanted in (True, False)
        ]
        return sides[0], sides[1]

    def scan(self, function: Callable[[U, T], U], initial: U) -> "Stream[U]":
        """Tick with ``result = function(result, value)``; the first `result` is `initial`.

        Every run uses the same `initial`, so `function` should not change that object.
        """
        return Stream(single.Scan(self, _function(function), initial))

    def reduce(self, function: Callable[[T, T], T]) -> "Stream[T]":
        """Tick with the first value, then with ``result = function(result, value)``."""
        return Stream(single.Reduce(self, _function(function)))

    def enumerate(self, first: int = 0) -> "Stream[tuple[int, T]]":
        """Tick with (number, value); the numbers count up from `first`."""
        return Stream(single.Enumerate(self, _whole(first, "first")))

    def with_time(self) -> "Stream[tuple[int, T]]":
        """Tick with (engine time in ns, value)."""
        return Stream(single.WithTime(self))

    def pairwise(self) -> "Stream[tuple[T, T]]":
        """Tick with (previous value, value), from the second value on."""
        return Stream(single.Pairwise(self))

    def difference(self) -> "Stream[T]":
        """Tick with the value minus the previous one, from the second value on."""
        return Stream(single.Difference(self))

    def distinct(self) -> "Stream[T]":
        """Tick with the first value and with each value that differs from the one before it."""
        return Stream(single.Distinct(self))

    # Rate and time

    def throttle(self, interval: Duration) -> "Stream[T]":
        """Let a value through if `interval` or more has passed since the last one let through.

        ::

            time               0s  1s  2s  3s  4s
            self               a   b   c   d   e
            throttle("2s")     a       c       e
        """
        return Stream(rate.Throttle(self, to_period(interval)))

    def sample(self, trigger: Active[object]) -> "Stream[T]":
        """Tick with the present value when the trigger ticks; a value of the same cycle counts."""
        return Stream(rate.Sample(self, trigger))

    def delay(self, duration: Duration) -> "Stream[T]":
        """Tick with each value `duration` later; 0 means the next cycle at the same time.

        Values that are due at the same time come one a cycle, in the order in which they came.
        """
        nanoseconds = to_duration(duration)
        if nanoseconds < 0:
            raise InvalidValueError(f"a delay cannot be negative: {duration!r}")
        return Stream(rate.Delay(self, nanoseconds))

    def limit(self, count: int) -> "Stream[T]":
        """Let the first `count` values through and no more; the run goes on."""
        return Stream(rate.Limit(self, _whole(count, "count", 0)))

    def skip(self, count: int) -> "Stream[T]":
        """Drop the first `count` values and let all later ones through."""
        return Stream(rate.Skip(self, _whole(count, "count", 0)))

    def gate(self, condition: Passive[object]) -> "Stream[T]":
        """Let values through while the condition's value is true; a change of it ticks nothing."""
        return Stream(rate.Gate(self, condition))

    def buffer(self, count: int) -> "Stream[list[T]]":
        """Tick with a list of every `count` values; an incomplete group is not emitted."""
        return Stream(rate.Buffer(self, _whole(count, "count", 1)))

    def window(self, span: Duration) -> "Stream[list[T]]":
        """Tick at the end of each time span, counted from the run's start, with its values.

        A value at a boundary belongs to the later span. A span without values ticks nothing, and
        neither does a span that the end of the run cuts off.

        ::

            time             0s   1s   2s   3s   4s
            self             a    b    c    d
            window("2s")               [ab]      [cd]
        """
        return Stream(rate.Window(self, to_period(span)))

    # Several streams in

    @overload
    def join(self, other: Active[V], /, function: Callable[[T, V], U]) -> "Stream[U]": ...
    @overload
    def join(self, /, *others: Active[Any], function: Callable[..., U]) -> "Stream[U]": ...
    def join(self, /, *others: Any, function: Any = None) -> "Stream[Any]":
        """Tick with ``function(value, *other values)`` when any of the streams ticks.

        Args:
            others: the streams to join; the function may follow them as the last argument.
            function: called with the present value of each stream, this stream's first.
        """
        if function is None:
            if not others:
                raise InvalidTypeError("join needs a stream and a function")
            *streams, function = others
        else:
            streams = list(others)
        function = _function(function)
        return Stream(several.Join([self, *_some(streams, "join")], function))

    def with_latest(self, *others: Passive[Any]) -> "Stream[tuple[Any, ...]]":
        """Tick with (value, present value of each of the others) when this stream ticks."""
        return Stream(several.WithLatest(self, _some(others, "with_latest")))

    def merge(self, *others: Active[T]) -> "Stream[T]":
        """Tick with the value of the stream that ticks; of several, the first one listed."""
        return Stream(several.Merge([self, *_some(others, "merge")]))

    def combine(self, *others: Active[Any]) -> "Stream[tuple[Any, ...]]":
        """Tick with the tuple of all present values when any stream ticks."""
        return Stream(several.Combine([self, *_some(others, "combine")]))

    # Bursts

    def unroll(self: "Stream[list[V]]") -> "Stream[V]":
        """Tick with the items of each list, one a cycle at the same time.

        If a list comes while items of an earlier list wait, its items follow those.
        """
        return Stream(bursts.Unroll(self))

    def collapse(self: "Stream[list[V]]") -> "Stream[V]":
        """Tick with the last item of each list that is not empty."""
        return Stream(bursts.Collapse(self))

    # Running

    def count(self) -> "Stream[int]":
        """Tick with the number of values so far, this one included."""
        return Stream(running.Count(self))

    def sum(self) -> "Stream[T]":
        """Tick with the sum of the values so far."""
        return Stream(running.Sum(self))

    def mean(self: "Stream[int] | Stream[float]") -> "Stream[float]":
        """Tick with the arithmetic mean of the values so far."""
        return Stream(running.Mean(self))

    def min(self) -> "Stream[T]":
        """Tick with the least value so far."""
        return Stream(running.Min(self))

    def max(self) -> "Stream[T]":
        """Tick with the greatest value so far."""
        return Stream(running.Max(self))

    def rolling(
        self: "Stream[int] | Stream[float]", window: int | Duration
    ) -> "Rolling[Stream[float]]":
        """Return a sliding window: `.sum()`, `.mean()` and `.std()` are streams over it.

        Args:
            window: an `int` is a number of values; text or a `timedelta` is a time span,
                (t - window, t].
        """
        return Rolling(self.node, window, Stream)

    def ewm(
        self: "Stream[int] | Stream[float]",
        *,
        span: float | None = None,
        alpha: float | None = None,
    ) -> "Ewm[Stream[float]]":
        """Return exponential weights; `.mean()` is a stream over them.

        Args:
            span: at least 1; alpha is 2 / (span + 1).
            alpha: the weight of the newest value, above 0 and at most 1.
        """
        return Ewm(self.node, span, alpha, Stream)

    # Sinks

    def for_each(self, function: Callable[[T], object]) -> "Stream[T]":
        """Call a function with each value; tick with the value."""
        return Stream(sinks.ForEach(self, _function(function)))

    def print(self, label: str = "") -> "Stream[T]":
        """Write the engine time and the value to standard output; tick with the value."""
        return Stream(sinks.Print(self, _prefix(label)))

    def log(self, label: str = "", level: int = logging.INFO) -> "Stream[T]":
        """Log each value to the logger `graphcore.operators.sinks`; tick with the value."""
        return Stream(sinks.Log(self, _prefix(label), _whole(level, "level")))

    def collect(self) -> Collected[T]:
        """Return a sink that each run empties and fills with times and values."""
        return Collected(sinks.Collect(self))

    def accumulate(self) -> "Stream[list[T]]":
        """Tick with the list of all values so far; it is the same list each time, and grows."""
        return Stream(sinks.Accumulate(self))

    def record(self, file: "str | os.PathLike[str]", kind: Any = Any) -> "Stream[T]":
        """Write each value to a Parquet file, which `replay_parquet` reads; tick with the value.

        The columns are `time` (timestamp in ns, UTC), `cycle` (the number of the cycle among the
        cycles at that time, from 0) and `value`. During the run the values are in an Arrow stream,
        ``FILE.partial``, which `replay_parquet` can read as well. When the run stops, the Parquet
        file is made; it replaces an existing one.

        Args:
            file: the path. If the process is killed, ``FILE.partial`` holds all ticks but those of
                the last second, and a new run is refused as long as that file exists.
            kind: the type of the values, such as ``float``, ``dict[str, float]`` or a class of
                records; by default the type of the first value.

        Raises:
            RunError: at wiring if pyarrow, of the `tables` extra, is not installed; in `start` if
                the file cannot be written.
            InvalidTypeError: at wiring for a type that no column can hold, in `cycle` for a value
                that does not fit the column.
        """
        tables_module("pyarrow")
        column_of(kind)
        return Stream(Record(self, path_of(file), kind))

    def finally_(self, function: Callable[[T], object]) -> "Stream[T]":
        """Call a function once, when the run stops, with the last value; never if none came."""
        return Stream(sinks.Finally(self, _function(function)))

    # Arithmetic, comparison, boolean operators: tick when either side does. The type of the result
    # depends on the operator's method of the values, so annotations cannot tell it.

    def _binary(self, other: object, function: Callable[[Any, Any], Any]) -> "Stream[Any]":
        if isinstance(other, Handle | MutableNode):
            return Stream(arithmetic.Binary(self, node_of(other), function))
        return Stream(arithmetic.BinaryRight(self, other, function))

    def _reflected(self, other: object, function: Callable[[Any, Any], Any]) -> "Stream[Any]":
        if isinstance(other, Handle | MutableNode):
            return Stream(arithmetic.Binary(node_of(other), self, function))
        return Stream(arithmetic.BinaryLeft(other, self, function))

    def __add__(self, other: object) -> "Stream[Any]":
        return self._binary(other, operator.add)

    def __radd__(self, other: object) -> "Stream[Any]":
        return self._reflected(other, operator.add)

    def __sub__(self, other: object) -> "Stream[Any]":
        return self._binary(other, operator.sub)

    def __rsub__(self, other: object) -> "Stream[Any]":
        return self._reflected(other, operator.sub)

    def __mul__(self, other: object) -> "Stream[Any]":
        return self._binary(other, operator.mul)

    def __rmul__(self, other: object) -> "Stream[Any]":
        return self._reflected(other, operator.mul)

    def __truediv__(self, other: object) -> "Stream[Any]":
        return self._binary(other, operator.truediv)

    def __rtruediv__(self, other: object) -> "Stream[Any]":
        return self._reflected(other, operator.truediv)

    def __floordiv__(self, other: object) -> "Stream[Any]":
        return self._binary(other, operator.floordiv)

    def __rfloordiv__(self, other: object) -> "Stream[Any]":
        return self._reflected(other, operator.floordiv)

    def __mod__(self, other: object) -> "Stream[Any]":
        return self._binary(other, operator.mod)

    def __rmod__(self, other: object) -> "Stream[Any]":
        return self._reflected(other, operator.mod)

    def __pow__(self, other: object) -> "Stream[Any]":
        return self._binary(other, operator.pow)

    def __rpow__(self, other: object) -> "Stream[Any]":
        return self._reflected(other, operator.pow)

    def __lt__(self, other: object) -> "Stream[bool]":
        return self._binary(other, operator.lt)

    def __le__(self, other: object) -> "Stream[bool]":
        return self._binary(other, operator.le)

    def __gt__(self, other: object) -> "Stream[bool]":
        return self._binary(other, operator.gt)

    def __ge__(self, other: object) -> "Stream[bool]":
        return self._binary(other, operator.ge)

    def __eq__(self, other: object) -> "Stream[bool]":  # type: ignore[override]  # as numpy does
        return self._binary(other, operator.eq)

    def __ne__(self, other: object) -> "Stream[bool]":  # type: ignore[override]  # as numpy does
        return self._binary(other, operator.ne)

    def __and__(self, other: object) -> "Stream[bool]":
        return self._binary(other, operator.and_)

    def __rand__(self, other: object) -> "Stream[bool]":
        return self._reflected(other, operator.and_)

    def __or__(self, other: object) -> "Stream[bool]":
        return self._binary(other, operator.or_)

    def __ror__(self, other: object) -> "Stream[bool]":
        return self._reflected(other, operator.or_)

    def __invert__(self) -> "Stream[bool]":
        return Stream(arithmetic.Unary(self, operator.not_))

    def __neg__(self) -> "Stream[T]":
        return Stream(arithmetic.Unary(self, operator.neg))

    def __abs__(self) -> "Stream[T]":
        return Stream(arithmetic.Unary(self, operator.abs))

    def field(self, name: str) -> "Stream[Any]":
        """Tick with an attribute of each value, by its name."""
        if not isinstance(name, str):
            raise InvalidTypeError(f"the name of a field must be text, not {name!r}")
        return Stream(arithmetic.Field(self, name))

    def __getitem__(self, key: object) -> "Stream[Any]":
        """Tick with ``value[key]``; the key may be a stream."""
        return self._binary(key, operator.getitem)

    def __iter__(self) -> NoReturn:
        """Refuse: without this method Python would iterate by `[]` and never end."""
        raise TypeError(
            f"{self!r} is a stream, which has no values to iterate over while the graph is wired; "
            "stream[0] is a stream of the first item of each value"
        )

    def __bool__(self) -> NoReturn:
        """Refuse: a stream has no truth value."""
        raise TypeError(
            f"{self!r} is a stream, which is neither true nor false while the graph is wired; "
            "use & | ~ instead of and, or, not, and (a < b) & (b < c) instead of a < b < c"
        )


class FeedbackStream(Stream[T]):
    """A stream to be bound later: it ticks in the cycle after the one that fed it."""

    __slots__ = ()

    def bind(self, source: Active[T]) -> None:
        """Close the loop: deliver the values of `source`.

        Raises:
            WiringError: if this stream is bound already.
        """
        self.node.bind(source)  # type: ignore[attr-defined]  # its node is always a Feedback


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
    whole = _whole(capacity, "capacity", 1)
    if not streams:
        raise InvalidTypeError("align needs streams")
    for each in streams:
        refuse_list(each, "align")
    return Stream(several.Align(list(streams), _function(key), whole))


def stream_operator(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function ``f(stream, ...)`` a method of `Stream` as well.

    The function is returned unchanged; typed code calls it. Defining it again in the same module,
    as by running a notebook cell twice, replaces the method.

    Raises:
        InvalidTypeError: if it is not a function written with `def`.
        WiringError: if `Stream` has an attribute of that name already.

    >>> import graphcore as gc
    >>> @gc.stream_operator
    ... def doubled(stream: gc.Stream[int]) -> gc.Stream[int]:
    ...     return stream.map(lambda value: value * 2)
    >>> out = gc.from_iterable([1, 2]).doubled().collect()
    >>> _ = out.run()
    >>> out.values
    [2, 4]
    """
    if not isinstance(function, FunctionType):
        raise InvalidTypeError(f"stream_operator needs a function, not {function!r}")
    name = function.__name__
    taken = getattr(Stream, name, None)
    home = (function.__module__, function.__qualname__)
    same = isinstance(taken, FunctionType) and home == (taken.__module__, taken.__qualname__)
    if hasattr(Stream, name) and not same:
        raise WiringError(f"Stream.{name} exists already: choose another name for the operator")
    register_operator(function)
    setattr(Stream, name, function)
    return function


_second = operator.itemgetter(1)


def _function(given: Callable[P, R]) -> Callable[P, R]:
    if not callable(given):
        raise InvalidTypeError(f"a function is needed, not {given!r}")
    return given


def _whole(given: int, argument: str, least: int | None = None) -> int:
    if isinstance(given, bool) or not isinstance(given, SupportsIndex):
        raise InvalidTypeError(f"{argument} must be a whole number, not {given!r}")
    whole = given.__index__()
    if least is not None and whole < least:
        raise InvalidValueError(f"{argument} must be at least {least}, not {whole}")
    return whole


def _prefix(label: str) -> str:
    if not isinstance(label, str):
        raise InvalidTypeError(f"a label must be text, not {label!r}")
    return label and f"{label} "


def _some(streams: "tuple[V, ...] | list[V]", what: str) -> "list[V]":
    if not streams:
        raise InvalidTypeError(f"{what} needs at least one other stream")
    for each in streams:
        refuse_list(each, what)
    return list(streams)
