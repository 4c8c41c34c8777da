"""Nodes: what the engine schedules.

A node is an object of class `MutableNode`. It names its upstreams; its `cycle` reads their values,
sets the node's own `value` and returns whether the node ticked (R4). A class either declares its
inputs, state and parameters for `graphcore.declare.node`, or writes its constructor and
`upstreams()` by hand. A constructor holds wiring and parameters only: each run sets the state
anew (R12).
"""

import dataclasses
import inspect
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import FunctionType, MemberDescriptorType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Never, Protocol, TypeVar

from graphcore.bytecode import fault_of_cycle
from graphcore.errors import InvalidTypeError, NoValueError, shorten
from graphcore.origin import origin_of
from graphcore.state import GraphState

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_serials = itertools.count(1)


class Active(Protocol[T_co]):
    """An upstream whose tick triggers the node; streams and nodes satisfy it."""

    @property
    def value(self) -> T_co:
        """The upstream's present value."""


class Passive(Protocol[T_co]):
    """An upstream that is read and triggers nothing; streams and nodes satisfy it."""

    @property
    def value(self) -> T_co:
        """The upstream's present value."""


@dataclasses.dataclass(frozen=True, slots=True)
class Upstreams:
    """What a node reads, as nodes or streams, in the order in which errors show it."""

    active: tuple["Active[Any]", ...] = ()
    passive: tuple["Passive[Any]", ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Input:
    """An input that a class declares: whether it triggers, and whether it is a list of streams."""

    active: bool
    many: bool


class _NoValue:
    """Stands where a node's value will be, so that reading it too early says so."""

    def __get__(self, instance: "MutableNode[Any] | None", owner: type) -> Any:
        if instance is None:
            return self
        raise NoValueError(f"{instance.name} has no value yet: it has not ticked in this run")


class _OfStreams:
    """Stands where a stream has a method and a node has none, so that calling it says so.

    It hides itself from `hasattr` and from whoever looks at the class, and gives way to an
    attribute of an instance: a node may have one of that name.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: "MutableNode[Any] | None", owner: type) -> Any:
        kind = owner.__name__
        raise AttributeError(
            f"{kind} is a node, which has no {self.name}; a stream has: "
            f"gc.Stream({kind}(...)).{self.name}(...)",
            name=self.name,
            obj=owner if instance is None else instance,
        )


class MutableNode(Generic[T]):
    """A vertex of the graph: state, a value, and a `cycle` that the engine calls.

    A subclass without `@node` calls ``super().__init__()`` and overrides `upstreams`. Its `cycle`
    runs whenever it is triggered, also before every upstream has a value.

    Attributes:
        value: what the node last ticked with; reading it before raises `NoValueError`.
        name: the name given by `named`, else the operator and its number.
        operator: what the node is called without a name; by default made of the class's name.
        ticked_in: number of the cycle in which the node last ticked, 0 if not yet in this run.
    """

    if TYPE_CHECKING:
        value: T
    else:
        value = _NoValue()
        # The methods that people call on a node first. A `__getattr__` would do for all, but it
        # slows down every attribute of every node, as CPython no longer specializes their loads.
        run = _OfStreams("run")
        collect = _OfStreams("collect")
        named = _OfStreams("named")
        map = _OfStreams("map")

    valid: ClassVar[Literal["all", "any"]] = "any"
    operator: ClassVar[str] = "node"
    _inputs: ClassVar[dict[str, Input]] = {}
    _states: ClassVar[dict[str, Callable[[], Any]]] = {}
    _parameters: ClassVar[tuple[str, ...]] = ()
    _name: str | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Name the operator after its class, and refuse a `cycle` that can never say it ticked.

        Raises:
            InvalidTypeError: if `cycle` is async, a generator, or returns nothing.
        """
        super().__init_subclass__(**kwargs)
        cycle = inspect.getattr_static(cls, "cycle")
        if isinstance(cycle, FunctionType) and not getattr(cycle, "__isabstractmethod__", False):
            fault = fault_of_cycle(cycle.__code__)
            if fault is not None:
                raise InvalidTypeError(f"cycle of {cls.__name__} {fault}")
        if "operator" not in vars(cls):
            cls.operator = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()

    def __init__(self, *given: Never, **named: Never) -> None:
        """Give the node its place in the order of construction and note who wired it.

        Raises:
            InvalidTypeError: for any argument.
        """
        if given or named:
            raise InvalidTypeError(
                f"{type(self).__name__} takes no arguments as it is: decorate it with @gc.node, "
                "or give it an __init__ that calls super().__init__() without any"
            )
        self.serial = next(_serials)
        self.wired_at = origin_of(self)
        self.ticked_in = 0

    def __post_init__(self) -> None:
        """Finish a constructor that `@node` wrote: check and unwrap the inputs."""
        MutableNode.__init__(self)
        for name, kind in self._inputs.items():
            given = getattr(self, name)
            argument = f"{name} of {type(self).__name__}"
            if kind.many:
                setattr(self, name, _nodes_of(given, argument))
            else:
                setattr(self, name, node_of(given, argument))
        if type(self).upstreams is MutableNode.upstreams:
            for name in self._parameters:
                _refuse_stream(getattr(self, name), f"{name} of {type(self).__name__}")
        self._renew_state()

    @property
    def name(self) -> str:
        """The node's name, as errors and drawings show it."""
        return self._name or f"{self.operator}_{self.serial}"

    @name.setter
    def name(self, name: str) -> None:
        if not isinstance(name, str) or not name:
            raise InvalidTypeError(f"a name is text that is not empty, not {name!r}")
        self._name = name

    def __repr__(self) -> str:
        """Show the class and the name."""
        return f"<{type(self).__name__} {self.name}>"

    def upstreams(self) -> Upstreams:
        """Return what this node reads; by default nothing, which makes it a source."""
        active: list[MutableNode[Any]] = []
        passive: list[MutableNode[Any]] = []
        for name, kind in self._inputs.items():
            given = getattr(self, name)
            (active if kind.active else passive).extend(given if kind.many else (given,))
        return Upstreams(tuple(active), tuple(passive))

    def partners(self) -> tuple["MutableNode[Any]", ...]:
        """Return nodes that belong in every graph that holds this one, without being read by it."""
        return ()

    def start(self, state: GraphState) -> None:
        """Set up for a run; `state.time` is the run's start."""

    def cycle(self, state: GraphState) -> bool:
        """Read the upstreams, set `value`, and return whether the node ticked."""
        raise NotImplementedError(f"{type(self).__name__} has no cycle method")

    def stop(self, state: GraphState) -> None:
        """Release what `start` acquired; called also after an error in `start`."""

    def reset(self) -> None:
        """Forget the value and set the declared state anew; the engine calls it before `start`."""
        self.ticked_in = 0
        if "value" in vars(self):
            del self.value
        self._renew_state()

    def _renew_state(self) -> None:
        for name, make in self._states.items():
            setattr(self, name, make())


# Some times in order, and as many values beside them.
Chunk = tuple[Sequence[int], Sequence[Any]]
Chunks = Iterator[Chunk]


class Source(MutableNode[T]):
    """A node without upstreams that brings events into a graph.

    Attributes:
        endless: whether it has events for ever, so that a historical run needs a bound.
        recorded: whether all its events are there before a historical run, and `cycle` does no more
            than deliver the next.
        skipped: how many events lay before the start of the run and were passed over.
    """

    endless: ClassVar[bool] = False
    recorded: bool = False
    skipped: int = 0

    def first_event(self) -> int | None:
        """Return the time of the first event, if the source has times of its own."""
        return None

    def chunks(self, start: int) -> Chunks:
        """Return the events of a recorded source for a historical run, whose `start` is done.

        They are what `cycle` would deliver, and an error is raised where `cycle` would raise it: a
        tier may take them from here instead.

        Args:
            start: the run's first engine time, ns.
        """
        raise NotImplementedError(f"{type(self).__name__} has no chunks method")


class QueueNode(MutableNode[T]):
    """A node that keeps values in a queue, of which it delivers one a cycle at the same time.

    When very many cycles run at one time, the engine looks at the queues: while they get shorter,
    the cycles lead to an end (R15).
    """

    def queued(self, time: int) -> int:
        """Return how many values the node is still to deliver at this engine time.

        Values that wait for a later time, or for something else than the next cycle, do not count.
        """
        raise NotImplementedError(f"{type(self).__name__} has no queued method")


def node_of(given: object, argument: str = "argument") -> "MutableNode[Any]":
    """Return the node that is meant by a node, a stream or another handle.

    Raises:
        InvalidTypeError: if it is none of these; the message names the argument.
    """
    found = given if isinstance(given, MutableNode) else getattr(given, "node", None)
    if not isinstance(found, MutableNode):
        if isinstance(given, type) and issubclass(given, MutableNode):
            name = given.__name__
            raise InvalidTypeError(
                f"{argument} is the class {name}: make a node of it, {name}(...)"
            )
        raise InvalidTypeError(
            f"{argument} must be a stream or a node, not {given!r} ({type(given).__name__})"
        )
    if "serial" not in vars(found):
        cls = type(found)
        own = cls.__post_init__ is not MutableNode.__post_init__ and dataclasses.is_dataclass(cls)
        method = "__post_init__" if own else "__init__"
        raise InvalidTypeError(f"{cls.__name__}.{method} must call super().{method}() first")
    return found


def refuse_list(given: object, function: str) -> None:
    """Refuse a list where a function takes streams one by one, as `Graph` and `merge` do.

    Raises:
        InvalidTypeError: for anything that holds streams; the message says how to unpack it.
    """
    holds = isinstance(given, Iterable) and not isinstance(given, str | bytes)
    if holds and not isinstance(getattr(given, "node", None), MutableNode):
        unpacked = "*streams.values()" if isinstance(given, Mapping) else "*streams"
        raise InvalidTypeError(
            f"{function} takes streams one by one, not {shorten(given)} "
            f"({type(given).__name__}): write {function}({unpacked})"
        )


def _refuse_stream(given: object, argument: str) -> None:
    """Refuse a stream, or several, where the class declares no input: it would not be wired.

    Raises:
        InvalidTypeError: if it is one; the message names the argument.
    """
    items: Iterable[object] = given.values() if isinstance(given, dict) else ()
    items = given if isinstance(given, list | tuple) else items
    for each in (given, next(iter(items), None)):
        handle = isinstance(getattr(type(each), "node", None), MemberDescriptorType)
        if handle and hasattr(type(each), "value"):
            raise InvalidTypeError(
                f"{argument} is declared as a parameter and given {each!r}, which would not be "
                "wired: declare it gc.Active[...], gc.Passive[...] or a list of these"
            )


def _nodes_of(given: object, argument: str) -> "list[MutableNode[Any]]":
    if isinstance(given, MutableNode) or not isinstance(given, Iterable):
        raise InvalidTypeError(f"{argument} must be a list of streams, not {given!r}")
    if isinstance(getattr(given, "node", None), MutableNode):
        raise InvalidTypeError(f"{argument} must be a list of streams, not one stream")
    return [node_of(item, f"{argument}[{i}]") for i, item in enumerate(given)]
