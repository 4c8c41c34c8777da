"""The methods of `Stream` that handle one stream, value by value."""

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex, TypeVar, overload

from graphcore.errors import Failure, InvalidTypeError, InvalidValueError
from graphcore.handle import STREAMS
from graphcore.node import MutableNode, Passive, node_of
from graphcore.operators import single
from graphcore.stream.families.arguments import function_of, whole
from graphcore.stream.families.base import StreamBase
from graphcore.time import Duration, to_period

if TYPE_CHECKING:
    from graphcore.stream.stream import Stream

T = TypeVar("T")
U = TypeVar("U")
V = TypeVar("V")
W = TypeVar("W")


class SingleOperators(StreamBase[T]):
    """Operators on one stream."""

    __slots__ = ()

    def map(self, function: Callable[[T], U]) -> "Stream[U]":
        """Tick with ``function(value)``.

        ::

            self                      1   2   3
            map(lambda n: 10 * n)     10  20  30
        """
        return self._stream(single.Map(self, function_of(function)))

    def filter(self, predicate: Callable[[T], object]) -> "Stream[T]":
        """Tick with each value for which the predicate is true.

        ::

            self                         1  2  3
            filter(lambda n: n != 2)     1     3

        Raises:
            InvalidTypeError: for a stream: `gate` takes one.
        """
        if isinstance(predicate, STREAMS):
            name = node_of(predicate).name
            raise InvalidTypeError(
                f"filter takes a function, not the stream {name}: gate(stream) lets values "
                "through while a stream is true"
            )
        return self._stream(single.Filter(self, function_of(predicate), True))

    def filter_map(self, function: Callable[[T], U | None]) -> "Stream[U]":
        """Tick with ``function(value)`` where that is not `None`.

        ::

            self                           "a"  "b"  "c"
            filter_map({"a": 1}.get)       1
        """
        return self._stream(single.FilterMap(self, function_of(function)))

    def split(self, predicate: Callable[[T], object]) -> "tuple[Stream[T], Stream[T]]":
        """Return two streams: the values for which the predicate is true, and all others.

        ::

            self                          1  2  3
            split(lambda n: n != 2)[0]    1     3
            split(lambda n: n != 2)[1]       2
        """
        function = function_of(predicate)
        judged = single.Map(self, lambda value: (bool(function(value)), value))
        sides = [
            self._stream(single.Map(single.Filter(judged, operator.itemgetter(0), wanted), _second))
            for wanted in (True, False)
        ]
        return sides[0], sides[1]

    def scan(self, function: Callable[[U, T], U], initial: U) -> "Stream[U]":
        """Tick with ``result = function(result, value)``; the first `result` is `initial`.

        Every run uses the same `initial`, so `function` should not change that object.

        ::

            self                             1   2   3
            scan(lambda r, n: r + n, 10)     11  13  16
        """
        return self._stream(single.Scan(self, function_of(function), initial))

    def reduce(self, function: Callable[[T, T], T]) -> "Stream[T]":
        """Tick with the first value, then with ``result = function(result, value)``.

        ::

            self                           1  2  3
            reduce(lambda r, n: r + n)     1  3  6
        """
        return self._stream(single.Reduce(self, function_of(function)))

    def enumerate(self, first: int = 0) -> "Stream[tuple[int, T]]":
        """Tick with (number, value); the numbers count up from `first`.

        ::

            self           "a"       "b"
            enumerate()    (0, "a")  (1, "b")
        """
        return self._stream(single.Enumerate(self, whole(first, "first")))

    def with_time(self) -> "Stream[tuple[int, T]]":
        """Tick with (engine time in ns, value).

        ::

            time           1ns       5ns
            self           "a"       "b"
            with_time()    (1, "a")  (5, "b")
        """
        return self._stream(single.WithTime(self))

    def pairwise(self) -> "Stream[tuple[T, T]]":
        """Tick with (previous value, value), from the second value on.

        ::

            self          1  2       3
            pairwise()       (1, 2)  (2, 3)
        """
        return self._stream(single.Pairwise(self))

    def starmap(self, function: Callable[..., U]) -> "Stream[U]":
        """Tick with ``function(*value)``.

        ::

            self                           (1, 2)  (3, 4)
            starmap(lambda a, b: a + b)    3       7
        """
        return self._stream(single.Starmap(self, function_of(function)))  # type: ignore[arg-type]

    @overload
    def unzip(
        self: "SingleOperators[tuple[V, W]]", count: Literal[2]
    ) -> "tuple[Stream[V], Stream[W]]": ...
    @overload
    def unzip(self, count: int) -> "tuple[Stream[Any], ...]": ...
    def unzip(self, count: int) -> "tuple[Stream[Any], ...]":
        """Return `count` streams that tick together with the items of each tuple.

        ::

            self        (1, "a")  (2, "b")
            unzip(2)    1         2
                        a         b

        Raises:
            InvalidValueError: in the run, for a value that does not have so many items.
        """
        whole_value = single.Unzip(self, whole(count, "count", 1))
        return tuple(self._stream(whole_value)[i] for i in range(whole_value.count))

    def replace(self, **fields: object) -> "Stream[T]":
        """Tick with each record, with other values in some of its fields.

        ::

            self              {"a": 1, "b": 2}
            replace(b=5)      {"a": 1, "b": 5}

        Args:
            fields: for each field a constant, or a stream whose present value is taken.

        Raises:
            InvalidTypeError: in the run, for a value that is neither a dataclass, a named tuple, a
                msgspec Struct nor a dict.
            InvalidValueError: in the run, for a record without such a field.

        >>> import graphcore as gc
        >>> out = gc.constant({"bid": 1, "ask": 2}).replace(ask=3).collect()
        >>> _ = out.run()
        >>> out.values
        [{'bid': 1, 'ask': 3}]
        """
        if not fields:
            raise InvalidTypeError("replace needs at least one field, as in replace(price=0)")
        streams = {k: v for k, v in fields.items() if isinstance(v, STREAMS)}
        constants = {name: given for name, given in fields.items() if name not in streams}
        others: list[Passive[Any]] = [node_of(each) for each in streams.values()]
        return self._stream(single.Replace(self, tuple(streams), others, constants))

    def lag(self, lag: int | Duration = 1) -> "Stream[T]":
        """Tick with an earlier value.

        ::

            time         0s  1s  2s  3s
            self         a   b   c   d
            lag(2)               a   b
            lag("1s")        a   b   c

        Args:
            lag: an `int` is a number of ticks: the first tick is at the value after so many. Text
                or a `timedelta` is a time: ticks with the newest value that is at least so old,
                once there is one.
        """
        return self._stream(self._lagged(lag))

    def difference(self, lag: int | Duration = 1) -> "Stream[T]":
        """Tick with the value minus an earlier value, from the first value on that has one.

        ::

            self            3   1   1   4
            difference()       -2   0   3

        Args:
            lag: how much earlier, as in `lag`.
        """
        return self._stream(single.Difference(self, self._lagged(lag)))

    def pct_change(
        self: "SingleOperators[int] | SingleOperators[float]", lag: int | Duration = 1
    ) -> "Stream[float]":
        """Tick with the relative change since an earlier value, ``value / earlier - 1``.

        ::

            self            4.0   5.0    2.5
            pct_change()          0.25  -0.5

        Args:
            lag: how much earlier, as in `lag`.

        Raises:
            ZeroDivisionError: in the run, if the earlier value is 0.
        """
        return self._stream(single.PctChange(self, self._lagged(lag)))

    def _lagged(self, lag: int | Duration) -> MutableNode[T]:
        # First the usual type: `isinstance` with a protocol takes longer than the rest.
        if type(lag) is int or (isinstance(lag, SupportsIndex) and not isinstance(lag, bool)):
            return single.Lag(self, whole(lag.__index__(), "lag", 1))
        return single.LagDuration(self, to_period(lag))

    def time_interval(self) -> "Stream[tuple[int, T]]":
        """Tick with (ns since the last tick, value), from the second value on.

        ::

            time               1ns  4ns     6ns
            self               a    b       c
            time_interval()         (3, b)  (2, c)
        """
        return self._stream(single.TimeInterval(self))

    @overload
    def ffill(self: "SingleOperators[V | None]") -> "Stream[V]": ...
    @overload
    def ffill(self: "SingleOperators[V]") -> "Stream[V]": ...
    def ffill(self) -> "Stream[Any]":
        """Tick with the last value that is neither NaN nor None, once there is one.

        ::

            self      nan  1  nan  None  2
            ffill()        1  1    1     2
        """
        return self._stream(single.Ffill(self))

    @overload
    def fillna(self: "SingleOperators[V | None]", constant: V) -> "Stream[V]": ...
    @overload
    def fillna(self: "SingleOperators[V]", constant: V) -> "Stream[V]": ...
    def fillna(self, constant: Any) -> "Stream[Any]":
        """Tick with each value, and with the constant in place of NaN and None.

        ::

            self         nan  1  None
            fillna(0)    0    1  0
        """
        return self._stream(single.Fillna(self, constant))

    def clip(self, low: T | None = None, high: T | None = None) -> "Stream[T]":
        """Tick with each value, or with the bound that it passes; NaN stays NaN.

        ::

            self          -3  2  nan  9
            clip(0, 5)     0  2  nan  5

        Args:
            low: the least value; None is no bound.
            high: the greatest value; None is no bound.

        Raises:
            InvalidTypeError: if a bound is a stream.
            InvalidValueError: if `low` is above `high`, or a bound is NaN.
        """
        for name, bound in (("low", low), ("high", high)):
            if isinstance(bound, STREAMS):
                raise InvalidTypeError(f"{name} must be a value, not a stream: use gc.maximum")
            if bound != bound:
                raise InvalidValueError(f"{name} must not be NaN")
        if low is not None and high is not None and low > high:  # type: ignore[operator]
            raise InvalidValueError(f"low must not be above high, and {low!r} is above {high!r}")
        return self._stream(single.Clip(self, low, high))

    def round(self, digits: int = 0) -> "Stream[T]":
        """Tick with each value rounded to so many digits after the point, as Python rounds.

        Halves go to the even neighbour; an `int` stays an `int`, and NaN stays NaN.

        ::

            self        0.25  2.675
            round(1)    0.2   2.7
        """
        return self._stream(single.Round(self, whole(digits, "digits")))

    def sign(self: "SingleOperators[int] | SingleOperators[float]") -> "Stream[float]":
        """Tick with 1, 0 or -1; NaN stays NaN.

        ::

            self      -2.5  0  7  nan
            sign()    -1    0  1  nan
        """
        return self._stream(single.Sign(self))

    def default(self, constant: T) -> "Stream[T]":
        """Tick with each value, and with a constant in the first cycle if no value comes in it.

        ::

            time          0s  1s  2s
            self              a   b
            default(x)    x   a   b
        """
        return self._stream(single.Default(self, constant))

    def check(self, predicate: Callable[[T], object], message: str = "check failed") -> "Stream[T]":
        """Tick with each value, and end the run with an error at one that is wrong.

        ::

            self                       2  1  -1
            check(lambda n: n > 0)     2  1  CheckError

        Args:
            predicate: must be true for every value.
            message: what the error says; the value follows.

        Raises:
            CheckError: in the run, for a value for which the predicate is false (R11).
        """
        if not isinstance(message, str):
            raise InvalidTypeError(f"the message of check must be text, not {message!r}")
        return self._stream(single.Check(self, function_of(predicate), message))

    def try_map(self, function: Callable[[T], U]) -> "tuple[Stream[U], Stream[Failure]]":
        """Return two streams: the function's results, and what it raises instead of ending the run.

        ::

            self              "1"  "x"                   "2"
            try_map(int)[0]   1                          2
            try_map(int)[1]        Failure(... ValueError)

        A `Failure` has the engine time, the name of the node, the values that it was reading, and
        the exception. Ctrl-C and other exceptions that are no `Exception` end the run.
        """
        attempt: single.TryMap[T, U] = single.TryMap(self, function_of(function))
        return self._stream(attempt), self._stream(attempt.failures)

    def stop_run(self) -> "Stream[T]":
        """End the run after the first cycle in which the stream ticks (R9); tick with the value.

        ::

            self                                 1  2  3
            filter(lambda n: n == 2).stop_run()     2
        """
        return self._stream(single.StopRun(self))


_second = operator.itemgetter(1)
