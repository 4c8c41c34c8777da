"""`Stream`: the fluent handle that wires a graph, with one short method for each operator.

A stream has no values while the graph is wired, so it cannot be iterated over and has no truth
value. The methods are in mixins, a module in `families` for each. A method checks its arguments
and makes the node; the node's `cycle`, in `graphcore.operators`, defines what the operator does.
Unless its docstring says otherwise, an operator ticks with each value that comes, and an operator
with several inputs does not tick before each of them has a value (R5).
"""

from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, NoReturn, ParamSpec, TypeVar, get_overloads, overload

from graphcore.errors import InvalidTypeError, WiringError
from graphcore.node import Active, MutableNode, node_of
from graphcore.origin import register_operator
from graphcore.output import IsOutput
from graphcore.sources.retrying import SourceStatus
from graphcore.stream.bars import BarOperators
from graphcore.stream.event_time import EventTimeOperators
from graphcore.stream.families.arithmetic import ArithmeticOperators
from graphcore.stream.families.bursts import BurstOperators
from graphcore.stream.families.ending import EndingOperators
from graphcore.stream.families.keyed import KeyedOperators
from graphcore.stream.families.rate import RateOperators
from graphcore.stream.families.running import RunningOperators
from graphcore.stream.families.selecting import SelectingOperators
from graphcore.stream.families.several import SeveralOperators
from graphcore.stream.families.single import SingleOperators
from graphcore.stream.families.sinks import SinkOperators
from graphcore.stream.typed.adapters import AdapterOperators
from graphcore.stream.words import WORDS

T = TypeVar("T")
U = TypeVar("U")
P = ParamSpec("P")
R = TypeVar("R")


class Stream(
    SingleOperators[T],
    SelectingOperators[T],
    RateOperators[T],
    SeveralOperators[T],
    KeyedOperators[T],
    BarOperators[T],
    EventTimeOperators[T],
    BurstOperators[T],
    RunningOperators[T],
    SinkOperators[T],
    EndingOperators[T],
    ArithmeticOperators[T],
    AdapterOperators[T],
):
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

    def __init__(self, node: MutableNode[T]) -> None:
        self.node = node_of(node, "the argument of Stream")

    def _stream(self, node: MutableNode[U]) -> "Stream[U]":
        return Stream(node)

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            """Name graphcore's word to those who try the word of another library."""
            if name in WORDS:
                hint = f": graphcore's word is {WORDS[name]}"
            elif isinstance(vars(self.node).get(name), IsOutput):
                hint = f": it is an output of the node, so write it as node.{name}"
            elif name[:1] != "_":
                hint = (
                    f": for an attribute of its values write .field({name!r}); the methods of an "
                    "adapter come with its import"
                )
            else:
                hint = ""
            raise AttributeError(f"a stream has no {name}{hint}", name=name, obj=self)

        def __float__(self):
            """Refuse: the functions of `math` call this method."""
            raise TypeError(
                f"{self!r} is a stream, which is no number while the graph is wired; gc.math has "
                "the functions of math, and map(function) calls any other with each value"
            )

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
            "use & | ~ instead of and, or, not, and (a < b) & (b < c) instead of a < b < c, "
            "gc.maximum and gc.minimum instead of max and min"
        )


# Python's errors about arguments name a method by where it was defined, and users know no mixins.
for _family in Stream.__mro__:
    if _family.__module__.startswith(f"{__package__}.families."):
        for _method in vars(_family).values():
            if isinstance(_method, FunctionType):
                _signatures = get_overloads(_method)
                _method.__qualname__ = f"Stream.{_method.__name__}"
                for _signature in _signatures:  # Python finds them by that name
                    _signature.__qualname__ = _method.__qualname__
                    overload(_signature)


class FeedbackStream(Stream[T]):
    """A stream to be bound later: it ticks in the cycle after the one that fed it."""

    __slots__ = ()

    def bind(self, source: Active[T]) -> None:
        """Close the loop: deliver the values of `source`.

        Raises:
            WiringError: if this stream is bound already.
        """
        self.node.bind(source)  # type: ignore[attr-defined]  # its node is always a Feedback


class LaterStream(Stream[T]):
    """A stream to be bound before the run: it ticks in the same cycle as the bound stream."""

    __slots__ = ()

    def bind(self, source: Active[T]) -> None:
        """Say which stream this one is.

        Raises:
            WiringError: if this stream is bound already.
        """
        self.node.bind(source)  # type: ignore[attr-defined]  # its node is always a Later


class SourceStream(Stream[T]):
    """The stream of a source that may fail and begin again."""

    __slots__ = ()

    @property
    def status(self) -> Stream[SourceStatus]:
        """A stream that ticks when the source begins, fails and waits, or ends.

        It tells what the source does now; values from before may still wait to be delivered.
        """
        return Stream(self.node.status)  # type: ignore[attr-defined]  # such a source has one


class Output(Stream[T], IsOutput):
    """A further output of a node, a stream that the node's `cycle` ticks.

    It ticks on its own, whether or not `cycle` returns True, and at most once a cycle.

    >>> import graphcore as gc
    >>> @gc.node
    ... class Divide(gc.MutableNode[int]):
    ...     source: gc.Active[int]
    ...     rest: gc.Output[int] = gc.output()
    ...
    ...     def cycle(self, state: gc.GraphState) -> bool:
    ...         self.value, rest = divmod(self.source.value, 10)
    ...         if rest:
    ...             self.rest.tick(rest)
    ...         return True
    >>> divide = Divide(gc.from_iterable([20, 34]))
    >>> tens, ones = gc.Stream(divide).collect(), divide.rest.collect()
    >>> report = gc.Graph(tens, ones).run()
    >>> tens.values, ones.values
    ([2, 3], [4])
    """

    __slots__ = ()

    def tick(self, value: T) -> None:
        """Tick with a value, in the present cycle.

        Raises:
            RunError: outside the node's `cycle`, or if it has ticked in this cycle.
        """
        self.node.tick(value)  # type: ignore[attr-defined]  # its node is always an OutputNode


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
