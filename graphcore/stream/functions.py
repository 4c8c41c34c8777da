"""The functions that make a stream of several."""

from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, overload

from graphcore.errors import InvalidTypeError, InvalidValueError, WiringError, shorten
from graphcore.node import Active, node_of
from graphcore.operators import aligning, keyed, several
from graphcore.operators.threaded import Threaded
from graphcore.stream.closures import nodes_used_by
from graphcore.stream.families.arguments import build_of, function_of, key_of, streams_of, whole
from graphcore.stream.keyed import outside_of, wiring
from graphcore.stream.stream import Stream
from graphcore.tables.libraries import tables_module
from graphcore.time import Duration, Time, to_duration, to_period

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")
U = TypeVar("U")
V = TypeVar("V")
K = TypeVar("K", bound=Hashable)


@overload
def align(
    *streams: Active[T], key: Callable[[T], Hashable], capacity: int = 10_000
) -> Stream[tuple[T, ...]]: ...
@overload
def align(
    *streams: Active[T], key: Callable[[T], Time], tolerance: Duration, capacity: int = 10_000
) -> Stream[tuple[T, ...]]: ...
def align(
    *streams: Active[T],
    key: Callable[[T], Any],
    tolerance: Duration | None = None,
    capacity: int = 10_000,
) -> Stream[tuple[T, ...]]:
    """Tick with a tuple when every stream has delivered a key, whatever the order of arrival.

    It joins live streams by the time that their values carry. With a tolerance, the times of a
    tuple may differ by so much: for sensors whose clocks are milliseconds apart.

    ::

        time                      1s  2s      3s
        a                         x1  y2
        b                             y7      x8
        align(a, b, key=first)        (y2,y7) (x1,x8)

    Values that still wait for partners when the run ends are counted in `.node.left`, and logged.

    Args:
        streams: the streams, one or more.
        key: returns the key of a value, such as its timestamp; keys must be hashable. With a
            tolerance it returns a time.
        tolerance: how far the times of a tuple may lie apart. A value joins the tuple whose first
            time is the nearest. If the tolerance is less than half the time between two values of a
            stream, the order of arrival makes no difference.
        capacity: how many values may wait for their partners. If more wait, the values of the
            oldest key are dropped, counted in `.node.dropped`, and logged once. Values that wait
            when the run ends are counted in `.node.left`, and logged.
    """
    number, function = whole(capacity, "capacity", 1), key_of(key)
    nodes = streams_of(streams, "align")
    if tolerance is None:
        return Stream(aligning.Align(nodes, function, number))
    apart = to_duration(tolerance)
    if apart < 0:
        raise InvalidValueError(f"a tolerance cannot be negative: {tolerance!r}")
    return Stream(aligning.AlignNear(nodes, function, apart, number))


def merge_all(*streams: Active[T]) -> Stream[list[T]]:
    """Tick with the list of all values that tick in a cycle, in the order of the arguments.

    ::

        time               1s     2s     3s
        a                  a1            a3
        b                         b2     b3
        merge_all(a, b)    [a1]   [b2]   [a3, b3]
    """
    return Stream(several.MergeAll(streams_of(streams, "merge_all")))


def select(condition: Active[object], then: Active[T], otherwise: Active[T]) -> Stream[T]:
    """Tick with the value of one of two streams: of `then` while the condition is true.

    It ticks when the condition or the chosen stream ticks and the chosen one has a value; the other
    stream needs none.

    ::

        time                    1s     2s     3s     4s
        condition               True          False
        a                       a1     a2
        b                                     b3     b4
        select(condition, a, b) a1     a2     b3     b4
    """
    return Stream(several.Select(condition, then, otherwise))


def switch(
    key: Active[K], branches: Mapping[K, Callable[..., Active[U]]], *inputs: Active[Any]
) -> Stream[U]:
    """Run the branch of the present key, and tick with what it ticks.

    When the key changes, the branch that ran is stopped, and the branch of the new key is wired and
    started in the same cycle. An input that ticks in that cycle ticks in the new branch; the other
    inputs can be read there. A key that ticks again unchanged changes nothing.

    ::

        time                                 1s     2s     3s     4s
        key                                  sum           max
        numbers                              1      2      3      4
        switch(key, {"sum": …, "max": …}, n) 1      3      3      4

    Args:
        key: the key; a value that `branches` lacks is an error.
        branches: for each key, a function that gets a stream for each input and returns the stream
            to tick with.
        *inputs: the streams that the branches read.

    >>> import graphcore as gc
    >>> seconds = gc.ticker("1s").count()
    >>> key = seconds.map(lambda n: "squares" if n < 3 else "halves")
    >>> branches = {"squares": lambda s: s.map(lambda n: n * n), "halves": lambda s: s / 2}
    >>> out = gc.switch(key, branches, seconds).collect()
    >>> report = out.run(duration="3s")
    >>> out.values
    [1, 4, 1.5, 2.0]
    """
    if not isinstance(branches, Mapping):
        raise InvalidTypeError(f"switch takes a dict of branches, not {shorten(branches)}")
    outside: dict[int, Active[Any]] = {}
    for each, build in branches.items():
        build_of(build, f"the branch of {shorten(each)}", *["stream"] * len(inputs))
        outside |= {id(node): node for node in outside_of(build, ())}
    wired = {each: wiring(build, Stream) for each, build in branches.items()}
    given = streams_of(inputs, "switch", "streams for its branches, as in switch(key, branches, x)")
    return Stream(keyed.Switch(key, given, list(outside.values()), wired))


def threaded(
    build: Callable[..., Active[U]], *inputs: Active[Any], capacity: int = 10_000
) -> Stream[U]:
    """Run a sub-graph in a thread of its own, and tick with what it ticks.

    In real time, values go over by bounded queues and results come back so: the graph goes on
    meanwhile, and a result ticks in a cycle of its own when it is there. In a historical run the
    sub-graph runs in step with engine time, in the graph's own thread, and the results are those of
    the same operators without `threaded`. So does a run that starts in the past, also once it is
    live.

    ::

        time                                        1s  2s  3s
        numbers                                     1   2   3
        threaded(lambda own: own.map(f), numbers)   f1  f2  f3

    The sub-graph begins with the run. It closes (R14) once it has taken all that came before the
    end of the run, for which the run waits up to 5 s. An error in it ends the run, with the notes
    of the node that raised and of this one (R11). Python runs one thread at a time: a thread of its
    own helps where the sub-graph waits, or computes in a library that lets others run, such as
    numpy.

    Args:
        build: gets a stream for each input; wires the sub-graph and returns the stream that is its
            result. It may use no other streams from outside.
        *inputs: the streams that the sub-graph reads.
        capacity: how many values may wait for the sub-graph, and how many results for the graph.
            The thread that hands one over waits while they are so many.

    Raises:
        WiringError: if `build` uses a stream from outside.

    >>> import graphcore as gc
    >>> numbers = gc.from_iterable([1, 2, 3])
    >>> out = gc.threaded(lambda own: own.map(lambda n: n * n), numbers).collect()
    >>> report = out.run(realtime=True)
    >>> out.values
    [1, 4, 9]
    """
    given = streams_of(inputs, "threaded")
    for used in nodes_used_by(build_of(build, "build", *["stream"] * len(inputs))):
        raise WiringError(
            f"build of threaded uses {used.name}, which runs in another thread: give its stream to "
            "threaded as a further argument"
        )
    node: Threaded[U] = Threaded(given, wiring(build, Stream), whole(capacity, "capacity", 1))
    return Stream(node)


def multiplex(key: Active[Hashable], streams: Mapping[Any, Active[T]]) -> Stream[T]:
    """Tick with the value of the stream that the key chooses.

    It ticks when the chosen stream ticks, and when the key changes to a stream that has a value.

    ::

        time                           1s  2s  3s  4s
        key                            x       y
        a                              a1  a2      a4
        b                                  b2
        multiplex(key, {x: a, y: b})   a1  a2  b2

    Args:
        key: the keys.
        streams: for each key, the stream.

    Raises:
        InvalidValueError: in the run, for a key without a stream.
    """
    if not isinstance(streams, Mapping) or not streams:
        raise InvalidTypeError(f"multiplex takes a dict of streams, not {shorten(streams)}")
    places = {name: place for place, name in enumerate(streams)}
    return Stream(several.Multiplex(key, list(streams.values()), places))


def first_valid(*streams: Active[T]) -> Stream[T]:
    """Tick with the ticks of the first stream in the list that has a value.

    ::

        time                1s  2s  3s
        a                       a2
        b                   b1  b2  b3
        first_valid(a, b)   b1  a2
    """
    return Stream(several.FirstValid(streams_of(streams, "first_valid")))


def race(*streams: Active[T]) -> Stream[T]:
    """Tick with the ticks of the stream that ticks first; of several, the first one listed.

    ::

        time          1s  2s  3s
        a                 a2  a3
        b             b1      b3
        race(a, b)    b1      b3
    """
    return Stream(several.Race(streams_of(streams, "race")))


@overload
def zip(first: Active[T], second: Active[V], /, *, capacity: int) -> Stream[tuple[T, V]]: ...
@overload
def zip(*streams: Active[Any], capacity: int) -> Stream[tuple[Any, ...]]: ...
def zip(*streams: Active[Any], capacity: int) -> Stream[Any]:
    """Tick with the tuple of the first values of all streams, then of the second ones, and so on.

    ::

        time         1s  2s  3s        4s
        a            a1  a2            a3
        b                    b1        b2
        zip(a, b)            (a1, b1)  (a2, b2)

    Args:
        streams: the streams.
        capacity: how many values of a stream may wait for the others. If more wait, the oldest is
            dropped, and so are the values that would be in its tuple. They are counted in
            `.node.dropped`, and logged once. Values that wait when the run ends are counted in
            `.node.left`, and logged.
    """
    number = whole(capacity, "capacity", 1)
    return Stream(several.Zip(streams_of(streams, "zip"), number))


@overload
def sync(
    first: Active[T], second: Active[V], /, *, within: Duration
) -> Stream[tuple[T | None, V | None]]: ...
@overload
def sync(*streams: Active[Any], within: Duration) -> Stream[tuple[Any, ...]]: ...
def sync(*streams: Active[Any], within: Duration) -> Stream[Any]:
    """Tick with the tuple of values that come together, or nearly so.

    The first tick opens a tuple. It ticks when all streams have ticked, or `within` later, at the
    end of that instant, with `None` for a stream that has not; at the end of the run (R14) an open
    tuple ticks as well. The next tick opens a new one. Of several values of one stream the newest
    is taken.

    ::

        time                     1s  2s        3s  4s  5s
        a                        a1            a3
        b                            b2
        sync(a, b, within="2s")      (a1, b2)          (a3, None)

    Args:
        streams: the streams.
        within: how long a tuple stays open.
    """
    period = to_period(within)
    return Stream(several.Sync(streams_of(streams, "sync"), period))


def maximum(*streams: Active[T]) -> Stream[T]:
    """Tick with the greatest of the present values when any stream ticks, as Python's `max`.

    ::

        time             1s  2s  3s
        a                1       5
        b                    3
        maximum(a, b)        3   5
    """
    return _summary(streams, max, "maximum")


def minimum(*streams: Active[T]) -> Stream[T]:
    """Tick with the least of the present values when any stream ticks, as Python's `min`.

    ::

        time             1s  2s  3s
        a                1       5
        b                    3
        minimum(a, b)        1   3
    """
    return _summary(streams, min, "minimum")


def total(*streams: Active[T]) -> Stream[T]:
    """Tick with the sum of the present values when any stream ticks.

    ::

        time           1s  2s  3s
        a              1       5
        b                  3
        total(a, b)        4   8
    """
    return _summary(streams, sum, "total")


def average(*streams: Active[float]) -> Stream[float]:
    """Tick with the arithmetic mean of the present values when any stream ticks.

    ::

        time             1s  2s   3s
        a                1        5
        b                    3
        average(a, b)        2.0  4.0
    """
    return _summary(streams, _mean, "average")


def all_of(*streams: Active[object]) -> Stream[bool]:
    """Tick with whether all present values are true when any stream ticks.

    ::

        time            1s    2s     3s
        a               True         True
        b                     False  True
        all_of(a, b)          False  True
    """
    return _summary(streams, all, "all_of")


def any_of(*streams: Active[object]) -> Stream[bool]:
    """Tick with whether any of the present values is true when any stream ticks.

    ::

        time            1s    2s     3s
        a               True         False
        b                     False
        any_of(a, b)          True   False
    """
    return _summary(streams, any, "any_of")


def make(function: Callable[..., U], /, **streams: Active[Any]) -> Stream[U]:
    """Tick with an object of the present values when any stream ticks.

    ::

        time                           1s  2s           3s
        bid                            1                3
        ask                                4
        make(Quote, bid=bid, ask=ask)      Quote(1, 4)  Quote(3, 4)

    Args:
        function: a class, or a function; it is called with the present values as keywords.
        streams: for each keyword, the stream.

    >>> import graphcore as gc
    >>> out = gc.make(dict, bid=gc.constant(1), ask=gc.constant(2)).collect()
    >>> _ = out.run()
    >>> out.values
    [{'bid': 1, 'ask': 2}]
    """
    return Stream(several.Make(_named(streams, "make"), function_of(function)))


def ticked(**streams: Active[T]) -> Stream[dict[str, T]]:
    """Tick with a dict of the values that came in this cycle, by the names of their streams.

    ::

        time             1s        2s        3s
        a                1                   5
        b                          3         4
        ticked(a=a, b=b) {"a": 1}  {"b": 3}  {"a": 5, "b": 4}
    """
    return Stream(several.Ticked(_named(streams, "ticked")))


def stack(*streams: Active[float]) -> "Stream[np.ndarray[Any, np.dtype[np.float64]]]":
    """Tick with a numpy array of the present values when any stream ticks.

    The array has NaN where a stream has no value yet.

    ::

        time           1s        2s      3s
        a              1                 5
        b                        3
        stack(a, b)    [1, nan]  [1, 3]  [5, 3]

    Raises:
        RunError: if numpy, of the `tables` extra, is not installed.
    """
    array = tables_module("numpy").array
    nodes = streams_of(streams, "stack")
    return Stream(several.Stack(nodes, lambda values: array(values, dtype=float)))


def _summary(streams: tuple[Active[Any], ...], function: Callable[..., U], name: str) -> Stream[U]:
    return Stream(several.Summary(streams_of(streams, name), function))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _named(streams: dict[str, Active[V]], name: str) -> dict[str, Active[V]]:
    if not streams:
        raise InvalidTypeError(f"{name} needs streams, each with a name, as in {name}(bid=a)")
    return {key: node_of(each, f"{key} of {name}") for key, each in streams.items()}
