"""Nodes: what the engine schedules, and how a user writes one.

A node is an object of class `MutableNode`: it names its upstreams, and its `cycle` reads their
values, sets its own `value` and says whether it ticked (R4). `@node` writes the constructor and
`upstreams()` from the class's annotations; a class without it does both by hand. A constructor
holds wiring and parameters only, state is set anew for each run (R12).
"""

import ast
import dataclasses
import inspect
import itertools
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import FunctionType, MemberDescriptorType
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    ForwardRef,
    Generic,
    Literal,
    Never,
    Protocol,
    TypeVar,
    dataclass_transform,
    get_args,
    get_origin,
    overload,
)

from graphcore.bytecode import attributes_set, fault_of_cycle
from graphcore.errors import InvalidTypeError, InvalidValueError, NoValueError
from graphcore.parsing import parse
from graphcore.state import GraphState
from graphcore.wired import wiring_line

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
N = TypeVar("N", bound="MutableNode[Any]")

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


class _NoValue:
    """Stands where a node's value will be, so that reading it too early says so."""

    def __get__(self, instance: "MutableNode[Any] | None", owner: type) -> Any:
        if instance is None:
            return self
        raise NoValueError(f"{instance.name} has no value yet: it has not ticked in this run")


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

    valid: ClassVar[Literal["all", "any"]] = "any"
    operator: ClassVar[str] = "node"
    _inputs: ClassVar[dict[str, "_Input"]] = {}
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
        self.wired_at = wiring_line(self)
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


@dataclasses.dataclass(frozen=True, slots=True)
class _Input:
    active: bool
    many: bool


_ACTIVE, _PASSIVE = _Input(True, False), _Input(False, False)


@overload
def state(default: T, *, init: Literal[False] = False) -> T: ...
@overload
def state(*, factory: Callable[[], T], init: Literal[False] = False) -> T: ...
def state(
    default: Any = dataclasses.MISSING,
    *,
    factory: Callable[[], Any] | None = None,
    init: Literal[False] = False,
) -> Any:
    """Declare an attribute of a `@node` class as state, set anew in each run.

    Args:
        default: the value at the start of each run; a list, dict or set needs `factory`.
        factory: makes the value at the start of each run.
        init: for type checkers: state is no argument of the constructor.

    Raises:
        InvalidValueError: for a mutable default, which runs would share.
    """
    if isinstance(default, list | dict | set | bytearray):
        raise InvalidValueError(
            f"state({default!r}) would be shared by all runs; "
            f"write state(factory={type(default).__name__})"
        )
    made = factory if factory is not None else lambda: default
    return dataclasses.field(init=init, repr=False, metadata={"state": made})


@overload
def node(cls: type[N]) -> type[N]: ...
@overload
def node(*, valid: Literal["all", "any"] = "all") -> Callable[[type[N]], type[N]]: ...
@dataclass_transform(eq_default=False, field_specifiers=(state,))
def node(
    cls: type[N] | None = None, *, valid: Literal["all", "any"] = "all"
) -> type[N] | Callable[[type[N]], type[N]]:
    """Write a node class's constructor and `upstreams()` from its annotations.

    ``x: Active[T]`` and ``x: Passive[T]`` are inputs, ``list[Active[T]]`` takes any number;
    ``x: int = state(0)`` is state; any other annotation is a parameter. The constructor takes
    streams and nodes; the node keeps nodes.

    Args:
        cls: a subclass of `MutableNode`.
        valid: ``"all"`` runs `cycle` once every input has a value, ``"any"`` from the first.

    Raises:
        InvalidTypeError: if the class is no `MutableNode`, if it declares a name that nodes have
            a use of their own for, or if its `cycle` assigns a parameter, which would live on in
            the next run (R12).
        InvalidValueError: if `valid` is neither of the two.
    """
    if valid not in ("all", "any"):
        raise InvalidValueError(f'valid is "all" or "any", not {valid!r}')
    namespace = sys._getframe(1).f_locals

    def decorate(cls: type[N]) -> type[N]:
        if not (isinstance(cls, type) and issubclass(cls, MutableNode)):
            raise InvalidTypeError(f"@node decorates a subclass of MutableNode, not {cls!r}")
        own = dict(vars(cls).get("__annotations__", {}))
        for name, annotation in own.items():
            if _is_taken(name, cls) and "ClassVar" not in str(annotation):
                raise InvalidTypeError(
                    f"{name} of {cls.__name__} would hide what every node has by that name: "
                    "call it something else"
                )
        made = dataclasses.dataclass(eq=False, repr=False)(cls)
        inputs: dict[str, _Input] = {}
        states: dict[str, Callable[[], Any]] = {}
        parameters: list[str] = []
        cycle = inspect.getattr_static(cls, "cycle")
        assigned = attributes_set(cycle.__code__) if isinstance(cycle, FunctionType) else ()
        for field in dataclasses.fields(made):  # type: ignore[arg-type]  # N is a dataclass now
            if "state" in field.metadata:
                states[field.name] = field.metadata["state"]
                continue
            kind = (
                _input_kind(own[field.name], cls, namespace)
                if field.name in own
                else cls._inputs.get(field.name)
            )
            if kind is not None:
                inputs[field.name] = kind
            elif field.init:
                if field.name in assigned:
                    raise InvalidTypeError(
                        f"{field.name} of {cls.__name__} is a parameter, and cycle assigns it: "
                        f"declare it {_as_state(field)}"
                    )
                parameters.append(field.name)
        made._inputs, made._states, made.valid = inputs, states, valid
        made._parameters = tuple(parameters)
        return made

    return decorate if cls is None else decorate(cls)


def _is_taken(name: str, cls: type) -> bool:
    """Return whether the engine has a use of its own for this attribute of a node."""
    base = Source if issubclass(cls, Source) else MutableNode
    return hasattr(base, name) or name in ("serial", "ticked_in", "wired_at")


def _as_state(parameter: "dataclasses.Field[Any]") -> str:
    """Return how a parameter would be declared as state."""
    kind, default = parameter.type, parameter.default
    annotation = kind if isinstance(kind, str) else inspect.formatannotation(kind)
    given = "..." if default is dataclasses.MISSING else repr(default)
    return f"{parameter.name}: {annotation} = gc.state({given})"


def _input_kind(annotation: object, cls: type, namespace: dict[str, Any]) -> _Input | None:
    """Return which kind of input an annotation declares, `None` for a parameter.

    Only the outermost names of an annotation in text are looked up: what a parameter's type is
    called may exist for the type checker alone.
    """
    if isinstance(annotation, ForwardRef):
        annotation = annotation.__forward_arg__
    if isinstance(annotation, str):
        tree = parse(annotation.strip(), "eval").body
        scope = {**vars(sys.modules[cls.__module__]), **namespace}
        return _kind_of_expression(tree, scope)
    origin = get_origin(annotation) or annotation
    if origin is list and get_args(annotation):
        inner = _input_kind(get_args(annotation)[0], cls, namespace)
        return None if inner is None else _Input(inner.active, many=True)
    return _ACTIVE if origin is Active else _PASSIVE if origin is Passive else None


def _kind_of_expression(tree: ast.expr, scope: dict[str, Any]) -> _Input | None:
    if isinstance(tree, ast.Constant) and isinstance(tree.value, str):  # quoted once more
        tree = parse(tree.value.strip(), "eval").body
    outer = tree.value if isinstance(tree, ast.Subscript) else tree
    try:
        found = eval(compile(ast.Expression(outer), "<annotation>", "eval"), scope)
    except (NameError, AttributeError):
        return None
    if isinstance(tree, ast.Subscript) and list in (found, get_origin(found)):
        inner = _kind_of_expression(tree.slice, scope)
        return None if inner is None else _Input(inner.active, many=True)
    return _ACTIVE if found is Active else _PASSIVE if found is Passive else None


def node_of(given: object, argument: str = "argument") -> "MutableNode[Any]":
    """Return the node that is meant by a node, a stream or another handle.

    Raises:
        InvalidTypeError: if it is none of these; the message names the argument.
    """
    found = given if isinstance(given, MutableNode) else getattr(given, "node", None)
    if not isinstance(found, MutableNode):
        raise InvalidTypeError(
            f"{argument} must be a stream or a node, not {given!r} ({type(given).__name__})"
        )
    if "serial" not in vars(found):
        cls = type(found)
        own = cls.__post_init__ is not MutableNode.__post_init__ and dataclasses.is_dataclass(cls)
        method = "__post_init__" if own else "__init__"
        raise InvalidTypeError(f"{cls.__name__}.{method} must call super().{method}() first")
    return found


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
