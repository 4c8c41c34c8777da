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
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from types import BuiltinFunctionType, FunctionType, MemberDescriptorType
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Generic,
    Literal,
    NamedTuple,
    Never,
    Protocol,
    TypeVar,
)

from graphcore.bytecode import fault_of_ticking, takes_too_few
from graphcore.errors import InvalidTypeError, NoValueError, shorten
from graphcore.origin import origin_of
from graphcore.state import GraphState

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_serials = itertools.count(1)


class _Made(threading.local):
    """The nodes that this thread has made since a build began; `None` if none is in progress."""

    nodes: "list[MutableNode[Any]] | None" = None


_made = _Made()


class nodes_made:  # used as a function, like those of contextlib
    """In a `with` statement: the list that receives the nodes which this thread makes, in order."""

    # Not a generator with `contextmanager`, which takes as long as a node, for each new key.
    __slots__ = ("_before",)

    def __enter__(self) -> "list[MutableNode[Any]]":
        nodes: list[MutableNode[Any]] = []
        self._before, _made.nodes = _made.nodes, nodes
        return nodes

    def __exit__(self, *raised: object) -> None:
        _made.nodes = self._before


class Active(Protocol[T_co]):
    """An upstream whose tick triggers the node; streams and nodes satisfy it."""

    @property
    def value(self) -> T_co:
        """The present value of the upstream."""


class Passive(Protocol[T_co]):
    """An upstream that is read and triggers nothing; streams and nodes satisfy it."""

    @property
    def value(self) -> T_co:
        """The present value of the upstream."""


@dataclasses.dataclass(frozen=True, slots=True)
class Upstreams:
    """The nodes or streams that a node reads, in the order in which errors show them."""

    active: tuple["Active[Any]", ...] = ()
    passive: tuple["Passive[Any]", ...] = ()

    def __post_init__(self) -> None:
        """Refuse a single stream in place of a tuple of streams.

        Raises:
            InvalidTypeError: for anything but a tuple or a list.
        """
        for name, given in (("active", self.active), ("passive", self.passive)):
            if not isinstance(given, tuple | list):
                raise InvalidTypeError(
                    f"{name} of Upstreams must be a tuple of streams, not {shorten(given)}: "
                    f"write {name}=(stream,)"
                )


@dataclasses.dataclass(frozen=True, slots=True)
class Input:
    """An input that a class declares.

    Attributes:
        active: whether it triggers.
        holds: `list` or `dict` for an input of any number of streams, `None` for one stream.
    """

    active: bool
    holds: type[list[Any]] | type[dict[str, Any]] | None = None


def no_value(node: "MutableNode[Any]") -> NoValueError:
    """Return the error that reading the value of a node without one raises (R5)."""
    return NoValueError(f"{node.name} has no value yet: it has not ticked in this run")


class _NoValue:
    """Stands in for the value of a node that has none, so that reading it raises `NoValueError`."""

    def __get__(self, instance: "MutableNode[Any] | None", owner: type) -> Any:
        if instance is None:
            return self
        raise no_value(instance)


class _OfStreams:
    """Stands in for a method that only streams have, so that calling it on a node says so.

    It raises for the class as well, so that `hasattr` and `@node` do not see it, and an attribute
    of an instance takes precedence: a node may have an attribute of this name.
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
    runs whenever the node is triggered, even if some upstreams have no value yet.

    Attributes:
        value: the value with which the node last ticked; reading it before the first tick raises
            `NoValueError`.
        name: the name that `named` gave, else the operator and the node's serial number, as in
            ``map_5``. Errors, `explain()`, `fused_source()`, tracebacks and drawings show it.
        operator: the first part of the default name; by default the name of the class.
        live_only: whether `cycle` and `close` run only while the run is in the present, because the
            node reaches out to others: see `GraphState.live`.
        serial: the node's place in the order of construction, counted over all nodes of the
            process, so that no two nodes have the same default name.
        ticked_in: the number of the cycle in which the node last ticked, 0 if it has not ticked in
            this run.
    """

    if TYPE_CHECKING:
        value: T
    else:
        value = _NoValue()
        # The methods that people call on a node first. One `__getattr__` would cover all methods,
        # but it slows down every attribute of every node, because CPython then no longer
        # specializes their loads.
        run = _OfStreams("run")
        collect = _OfStreams("collect")
        named = _OfStreams("named")
        map = _OfStreams("map")

    valid: ClassVar[Literal["all", "any"]] = "any"
    live_only: ClassVar[bool] = False
    operator: ClassVar[str] = "node"
    _inputs: ClassVar[dict[str, Input]] = {}
    # The declared state: with the value at the start of each run, or with what makes it.
    _fixed_states: ClassVar[dict[str, Any]] = {}
    _made_states: ClassVar[dict[str, Callable[[], Any]]] = {}
    _parameters: ClassVar[tuple[str, ...]] = ()
    _outputs: ClassVar[dict[str, Callable[["MutableNode[Any]", str], Any]]] = {}
    _name: str | None = None
    _in_graph = False  # whether a `Graph` has held it

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Name the operator after the class, and refuse a `cycle` that can never return True.

        Raises:
            InvalidTypeError: if `cycle` or `close` is async, a generator, or returns nothing, or if
                `start`, `cycle`, `close` or `stop` does not take a state.
        """
        super().__init_subclass__(**kwargs)
        for name in ("start", "cycle", "close", "stop"):
            method = inspect.getattr_static(cls, name)
            if isinstance(method, FunctionType) and takes_too_few(method.__code__):
                raise InvalidTypeError(
                    f"{name} of {cls.__name__} must take a state: write def {name}(self, state)"
                )
        for name in ("cycle", "close"):
            method = inspect.getattr_static(cls, name)
            if not isinstance(method, FunctionType):
                continue
            fault = fault_of_ticking(method.__code__)
            if fault is not None and not getattr(method, "__isabstractmethod__", False):
                raise InvalidTypeError(f"{name} of {cls.__name__} {fault}")
        if "operator" not in vars(cls):
            cls.operator = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()

    def __init__(self, *given: Never, **named: Never) -> None:
        """Give the node its place in the order of construction, and note the line that wired it.

        Raises:
            InvalidTypeError: for any argument.
        """
        if given or named:
            raise InvalidTypeError(
                f"{type(self).__name__} takes no arguments as it is: decorate it with @gc.node, "
                "or give it an __init__ that calls super().__init__() without any"
            )
        self.serial = next(_serials)
        if _made.nodes is not None:
            _made.nodes.append(self)
        self.wired_at = origin_of(self)
        self.ticked_in = 0

    def __post_init__(self) -> None:
        """Finish a constructor that `@node` wrote: check the inputs, keep the nodes of streams."""
        MutableNode.__init__(self)
        self._finish()

    @property
    def name(self) -> str:
        """The name that `named` gave, else the operator and the serial number."""
        return self._name or f"{self.operator}_{self.serial}"

    @name.setter
    def name(self, name: str) -> None:
        if not isinstance(name, str) or not name:
            raise InvalidTypeError(f"a name must be text, and not empty, not {name!r}")
        self._name = name

    def __repr__(self) -> str:
        """Show the class and the name."""
        return f"<{type(self).__name__} {self.name}>"

    def upstreams(self) -> Upstreams:
        """Return the upstreams of this node: the declared inputs; without any it is a source."""
        active: list[MutableNode[Any]] = []
        passive: list[MutableNode[Any]] = []
        for name, kind in self._inputs.items():
            given = getattr(self, name)
            nodes = given.values() if kind.holds is dict else given if kind.holds else (given,)
            (active if kind.active else passive).extend(nodes)
        return Upstreams(tuple(active), tuple(passive))

    def partners(self) -> tuple["MutableNode[Any]", ...]:
        """Return nodes that this one does not read and that must be in every graph with it."""
        return tuple(node_of(getattr(self, name)) for name in self._outputs)

    def start(self, state: GraphState) -> None:
        """Set up for a run; `state.time` is the run's start."""

    def cycle(self, state: GraphState) -> bool:
        """Read the upstreams, set `value`, and return whether the node ticked."""
        raise NotImplementedError(f"{type(self).__name__} has no cycle method")

    def close(self, state: GraphState) -> bool:
        """Set `value` to what the node still holds at the end of a run; return if it ticked.

        It is called once, in the closing instant of a run that ended without an error, even if
        some upstreams have no value (R14).
        """
        return False

    def _explained(self, error: Exception) -> Exception:
        """Return the error to raise in place of one that `cycle` raised."""
        return error

    def stop(self, state: GraphState) -> None:
        """Release what `start` acquired; called also after an error in `start`."""

    def reset(self) -> None:
        """Forget the value and reset the declared state; the engine calls this before `start`."""
        self.ticked_in = 0
        if "value" in vars(self):
            del self.value
        self._renew_state()

    # `@node` writes these two for each class, from the inputs, the parameters and the state.

    def _finish(self) -> None:
        """Check the inputs and the parameters, keep the nodes of streams, and set the state."""

    def _renew_state(self) -> None:
        """Set the declared state to that at the start of a run."""


# Times in order, and as many values.
Chunk = tuple[Sequence[int], Sequence[Any]]
Chunks = Iterator[Chunk]


class CopiedEvents(NamedTuple):
    """A private copy of what `Source.columns` returned in an earlier run.

    Attributes:
        times: the times, an array of numpy.
        values: the values, another.
        data: the bytes of both.
    """

    times: Any
    values: Any
    data: tuple[bytes, bytes]


class Source(MutableNode[T]):
    """A node without upstreams that brings events into a graph.

    Attributes:
        endless: whether its events never end, so that a historical run needs a bound.
        recorded: whether all its events exist before a historical run, and `cycle` only delivers
            the next one.
        skipped: how many events came before the start of the run and were skipped.
    """

    endless: bool = False
    recorded: bool = False
    skipped: int = 0

    def first_event(self) -> int | None:
        """Return the time of the first event, `None` if the source has no times of its own."""
        return None

    def chunks(self, start: int) -> Chunks:
        """Return the events of a recorded source for a historical run, after its `start`.

        A tier may read the events here instead of calling `cycle`: they are the same, and an error
        is raised at the same event.

        Args:
            start: the run's first engine time, ns.
        """
        raise NotImplementedError(f"{type(self).__name__} has no chunks method")

    def columns(self, start: int, copied: CopiedEvents | None = None) -> "tuple[Any, Any] | None":
        """Return the same events as two numpy arrays; `None` if the source has no such arrays.

        A tier that wants arrays asks here before it asks for `chunks`.

        Args:
            start: the run's first engine time, ns.
            copied: if the events are the same as these, bit for bit, these are returned.

        Returns:
            The times, int64 in nanoseconds and none before the one before it, and as many values,
            float64, int64 or bool; both contiguous.
        """
        return None

    def repeats(self, copied: CopiedEvents) -> bool:
        """Return whether all events are those of a copy, bit for bit, however a run starts.

        A run over history that takes the events of the copy calls neither `first_event` nor `start`
        and `stop` of such a source.

        Args:
            copied: what `columns` returned in an earlier run.
        """
        return False

    def arrays(self, start: int) -> Chunks | None:
        """Return the same events as `chunks`, in arrays as those of `columns` where they fit in.

        A tier that wants arrays asks here if there are no `columns`. `None` if the source has no
        other chunks than those of `chunks`.

        Args:
            start: the run's first engine time, ns.
        """
        return None

    def length(self, start: int) -> int | None:
        """Return about how many events come in arrays; `None` if the source has none in arrays.

        Args:
            start: the run's first engine time, ns.
        """
        columns = self.columns(start)
        return None if columns is None else len(columns[0])


class QueueNode(MutableNode[T]):
    """A node that keeps values in a queue, of which it delivers one a cycle at the same time.

    When very many cycles run at one time, the engine looks at the queues: while they get shorter,
    the cycles lead to an end (R15).
    """

    def queued(self, time: int) -> int:
        """Return how many values the node is still to deliver at this engine time.

        Values that wait for a later time, or for anything but the next cycle, do not count.
        """
        raise NotImplementedError(f"{type(self).__name__} has no queued method")


@dataclasses.dataclass(frozen=True, slots=True)
class Dropped:
    """A node with an effect that was freed before any graph held it.

    Attributes:
        cls: its class.
        name: its name.
        wired_at: the file and line that wired it.
        source: the node that it read.
    """

    cls: "type[EffectNode[Any]]"
    name: str
    wired_at: tuple[str, int]
    source: "weakref.ref[MutableNode[Any]]"


dropped: "deque[Dropped]" = deque(maxlen=1_000)


class EffectNode(MutableNode[T]):
    """A node that is wired for what it does to the outside world, and reads a node `source`.

    `graph.check()` tells of those that were wired and belong to no graph. Usually nobody holds them
    any more, as after the statement ``prices.print()``; so they leave a record when they are freed.
    """

    def __del__(self) -> None:
        """Leave a record, unless a graph has held the node."""
        source = vars(self).get("source")
        if not self._in_graph and isinstance(source, MutableNode) and "serial" in vars(self):
            dropped.append(Dropped(type(self), self.name, self.wired_at, weakref.ref(source)))


def construct_now(node: MutableNode[Any]) -> None:
    """Give a node the place in the order of construction that a new node would get (R2)."""
    node.serial = next(_serials)


def node_of(given: object, argument: str = "argument") -> "MutableNode[Any]":
    """Return the node behind a stream or another handle; a node is returned as it is.

    Raises:
        InvalidTypeError: for anything else; the message names the argument.
    """
    if isinstance(given, MutableNode) and hasattr(given, "serial"):
        return given
    found = given if isinstance(given, MutableNode) else getattr(given, "node", None)
    if not isinstance(found, MutableNode):
        if isinstance(given, type) and issubclass(given, MutableNode):
            name = given.__name__
            raise InvalidTypeError(
                f"{argument} is the class {name}: make a node of it, {name}(...)"
            )
        instead = getattr(type(given), "INSTEAD", "")
        hint = f": {instead}" if instead else ""
        raise InvalidTypeError(
            f"{argument} must be a stream or a node, not {shorten(given)} "
            f"({type(given).__name__}){hint}"
        )
    if not hasattr(found, "serial"):  # the node's own constructor has not called MutableNode's
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


# The types of most parameters.
NO_STREAMS = frozenset((FunctionType, BuiltinFunctionType, float, int, bool, str, type(None)))


def refuse_stream(given: object, owner: MutableNode[Any], name: str) -> None:
    """Refuse a stream, or a list of them, as a parameter of `owner`: it would not be wired.

    Raises:
        InvalidTypeError: for a stream; the message names the parameter.
    """
    several: Iterable[object] = ()
    if isinstance(given, list | tuple | dict):
        several = given.values() if isinstance(given, dict) else given
    for each in (given, *islice(several, 1)):
        # This module does not know the handles' classes, and any object of a user may have an
        # attribute `node`: only a handle has a slot of that name and a value.
        handle = isinstance(getattr(type(each), "node", None), MemberDescriptorType)
        if handle and hasattr(type(each), "value"):
            raise InvalidTypeError(
                f"{name} of {type(owner).__name__} is declared as a parameter and is given "
                f"{each!r}, which would not be wired: declare it gc.Active[...], "
                "gc.Passive[...], or a list or dict of them"
            )


# A node is wired in microseconds, so the text that names an argument is made only for an error.


def input_node(
    given: object, owner: MutableNode[Any], name: str, place: str = ""
) -> "MutableNode[Any]":
    """Return the node behind an input of `owner`, or behind an item of one.

    Raises:
        InvalidTypeError: as `node_of`.
    """
    found = given if isinstance(given, MutableNode) else getattr(given, "node", None)
    if isinstance(found, MutableNode) and hasattr(found, "serial"):
        return found
    return node_of(given, f"{name} of {type(owner).__name__}{place}")


def input_nodes_of(given: object, owner: MutableNode[Any], name: str) -> "list[MutableNode[Any]]":
    """Return the nodes behind an input of `owner` that takes a list.

    Raises:
        InvalidTypeError: for anything else than a list of streams and nodes.
    """
    if type(given) is list and not given:
        return []
    argument = f"{name} of {type(owner).__name__}"
    if isinstance(given, MutableNode) or not isinstance(given, Iterable):
        raise InvalidTypeError(f"{argument} must be a list of streams, not {shorten(given)}")
    if isinstance(getattr(given, "node", None), MutableNode):
        raise InvalidTypeError(f"{argument} must be a list of streams, not one stream")
    return [input_node(item, owner, name, f"[{i}]") for i, item in enumerate(given)]


def named_input_nodes_of(
    given: object, owner: MutableNode[Any], name: str
) -> "dict[str, MutableNode[Any]]":
    """Return the nodes behind an input of `owner` that takes a dict.

    Raises:
        InvalidTypeError: for anything else than a dict of streams and nodes by text.
    """
    argument = f"{name} of {type(owner).__name__}"
    if not isinstance(given, Mapping):
        raise InvalidTypeError(f"{argument} must be a dict of streams, not {shorten(given)}")
    for key in given:
        if not isinstance(key, str):
            raise InvalidTypeError(f"{argument} must have text as keys, not {shorten(key)}")
    return {key: input_node(item, owner, name, f"[{key!r}]") for key, item in given.items()}
