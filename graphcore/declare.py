"""Node classes from annotations: `@node` and `state`.

`@node` makes a dataclass of a subclass of `MutableNode`: it sorts the annotations into inputs,
state and parameters, and notes on the class what `MutableNode` needs to check the inputs, name the
upstreams and set the state anew for each run (R12).
"""

import ast
import dataclasses
import inspect
import sys
from collections.abc import Callable, Mapping
from functools import partial
from types import FunctionType
from typing import (
    Any,
    ForwardRef,
    Literal,
    TypeVar,
    dataclass_transform,
    get_args,
    get_origin,
    overload,
)

from graphcore.bytecode import attributes_set
from graphcore.errors import InvalidTypeError, InvalidValueError, shorten
from graphcore.node import (
    NO_STREAMS,
    Active,
    Input,
    MutableNode,
    Passive,
    Source,
    input_node,
    input_nodes_of,
    named_input_nodes_of,
    refuse_stream,
)
from graphcore.output import IsOutput, OutputNode
from graphcore.parsing import parse

T = TypeVar("T")
N = TypeVar("N", bound=MutableNode[Any])

# What keeps the nodes of an input, by what the input holds.
_TAKES: dict[object, str] = {
    None: "input_node",
    list: "input_nodes_of",
    dict: "named_input_nodes_of",
}

_ACTIVE, _PASSIVE = Input(True), Input(False)


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
        default: the value at the start of each run; a value that can change, such as a list, needs
            `factory`.
        factory: makes the value at the start of each run.
        init: for type checkers: state is no argument of the constructor.

    Raises:
        InvalidTypeError: if both a default and a factory are given, or neither, or a factory that
            cannot be called.
        InvalidValueError: for a mutable default, which runs would share.
    """
    if (default is dataclasses.MISSING) == (factory is None):
        raise InvalidTypeError("state takes a default or a factory, one of them")
    if factory is None:
        if _is_mutable(default):
            empty = type(default) in (list, dict, set, bytearray) and not default
            make = type(default).__name__ if empty else "lambda: ..."
            raise InvalidValueError(
                f"state({shorten(default)}) would be shared by all runs; "
                f"write state(factory={make}), which makes one for each run"
            )
        return dataclasses.field(init=init, repr=False, metadata={"state": default})
    if not callable(factory):
        raise InvalidTypeError(f"state(factory=...) needs a function, not {factory!r}")
    return dataclasses.field(init=init, repr=False, metadata={"make_state": factory})


def _is_mutable(default: object) -> bool:
    """Return whether a default may change, by the rule of dataclasses: it has no hash."""
    return type(default).__hash__ is None


def output(*, init: Literal[False] = False) -> Any:
    """Declare a further output of a `@node` class, for type checkers; it takes no argument.

    ``trades: gc.Output[Trade]`` alone declares the output as well, but type checkers then expect
    an argument for it.

    Args:
        init: for type checkers: an output is no argument of the constructor.
    """
    return dataclasses.field(init=init, repr=False)


@overload
def node(cls: type[N]) -> type[N]: ...
@overload
def node(
    *, valid: Literal["all", "any"] = "all", live_only: bool = False
) -> Callable[[type[N]], type[N]]: ...
@dataclass_transform(eq_default=False, field_specifiers=(state, output, dataclasses.field))
def node(
    cls: type[N] | None = None,
    *,
    valid: Literal["all", "any"] = "all",
    live_only: bool = False,
) -> type[N] | Callable[[type[N]], type[N]]:
    """Write a node class's constructor and `upstreams()` from its annotations.

    ``x: Active[T]`` and ``x: Passive[T]`` are inputs, ``list[Active[T]]`` takes any number, and
    ``dict[str, Active[T]]`` any number by name;
    ``x: int = state(0)`` is state; ``x: Output[T] = output()`` is a further output, a stream that
    ``self.x.tick(value)`` ticks in `cycle`; any other annotation is a parameter. The constructor
    takes streams and nodes; the node keeps the nodes.

    Args:
        cls: a subclass of `MutableNode`.
        valid: ``"all"`` runs `cycle` only when every input has a value, ``"any"`` as soon as one
            has.
        live_only: whether `cycle` and `close` run only while the run is in the present: for nodes
            that reach out to others, such as one that sends orders. They do nothing in a historical
            run, and in a real-time run that starts in the past not before it has caught up.

    Raises:
        InvalidTypeError: if the class is not a `MutableNode`, if it declares a name that nodes
            use themselves, if it lacks an annotation, if an argument without a default comes
            after one with a default, or if its `cycle` assigns a parameter, which would live on
            in the next run (R12).
        InvalidValueError: if `valid` is neither of the two, or a default is mutable.
    """
    if not isinstance(live_only, bool):
        raise InvalidTypeError(f"live_only must be True or False, not {live_only!r}")
    if valid not in ("all", "any"):
        raise InvalidValueError(f'valid must be "all" or "any", not {valid!r}')
    # A quoted annotation may name a local variable of the function that declares the class.
    namespace = sys._getframe(1).f_locals

    def decorate(cls: type[N]) -> type[N]:
        if not (isinstance(cls, type) and issubclass(cls, MutableNode)):
            raise InvalidTypeError(f"@node decorates a subclass of MutableNode, not {cls!r}")
        own = dict(vars(cls).get("__annotations__", {}))
        for name, annotation in own.items():
            if _is_taken(name, cls) and "ClassVar" not in str(annotation):
                raise InvalidTypeError(
                    f"{name} of {cls.__name__} would hide what every node has by that name: "
                    "choose another name"
                )
        _check_defaults(cls, own)
        declared = {name: _input_kind(kind, cls, namespace) for name, kind in own.items()}
        for name, kind in declared.items():
            if isinstance(kind, type) and name not in vars(cls):
                setattr(cls, name, output())
        try:
            made = dataclasses.dataclass(eq=False, repr=False)(cls)
        except TypeError as error:  # such as an argument without a default after one with a default
            text = f"@node cannot write the constructor of {cls.__name__}: {error}"
            raise InvalidTypeError(text) from None
        inputs: dict[str, Input] = {}
        fixed_states: dict[str, Any] = {}
        made_states: dict[str, Callable[[], Any]] = {}
        parameters: list[str] = []
        outputs: dict[str, Callable[[MutableNode[Any], str], Any]] = {}
        cycle = inspect.getattr_static(cls, "cycle")
        fields = dataclasses.fields(made)  # type: ignore[arg-type]  # N is a dataclass now
        kept = {
            field.name
            for field in fields
            if not ("state" in field.metadata or "make_state" in field.metadata)
        }
        assigned = attributes_set(cycle.__code__, kept) if isinstance(cycle, FunctionType) else ()
        for field in fields:
            if "state" in field.metadata:
                fixed_states[field.name] = field.metadata["state"]
                continue
            if "make_state" in field.metadata:
                made_states[field.name] = field.metadata["make_state"]
                continue
            if field.name not in own and field.name in cls._outputs:
                outputs[field.name] = cls._outputs[field.name]
                continue
            kind = declared[field.name] if field.name in own else cls._inputs.get(field.name)
            if isinstance(kind, Input):
                inputs[field.name] = kind
            elif kind is not None:
                outputs[field.name] = partial(_make_output, kind)
            elif field.init:
                # A run that assigns a parameter would leave it changed for the next run.
                if field.name in assigned:
                    raise InvalidTypeError(
                        f"{field.name} of {cls.__name__} is a parameter, and cycle assigns it: "
                        f"declare it {_as_state(field)}"
                    )
                parameters.append(field.name)
        made._inputs, made.valid = inputs, valid
        made._fixed_states, made._made_states = fixed_states, made_states
        made.live_only = live_only or cls.live_only
        made._parameters, made._outputs = tuple(parameters), outputs
        _write_methods(made)
        return made

    return decorate if cls is None else decorate(cls)


# What the constructor of a class does besides keeping its arguments. A graph is wired in
# microseconds a node, in sweeps and for each key of `group_by`: plain assignments take half the
# time of a loop over the declared names.


def _write_methods(cls: type[MutableNode[Any]]) -> None:
    """Give a class its own `_finish` and `_renew_state`, from what it declares.

    They are compiled when the first node of the class is made.
    """

    def finish_first(node: MutableNode[Any]) -> None:
        _compile_for(cls)
        cls._finish(node)

    def renew_first(node: MutableNode[Any]) -> None:
        _compile_for(cls)
        cls._renew_state(node)

    _set_methods(cls, finish_first, renew_first)


def _compile_for(cls: type[MutableNode[Any]]) -> None:
    scope: dict[str, Any] = {
        "__name__": __name__,  # so that `origin` looks past the function
        "input_node": input_node,
        "input_nodes_of": input_nodes_of,
        "named_input_nodes_of": named_input_nodes_of,
        "no_streams": NO_STREAMS,
        "refuse_stream": refuse_stream,
        "upstreams": MutableNode.upstreams,
    }
    finish = [
        f"node.{name} = {_TAKES[kind.holds]}(node.{name}, node, {name!r})"
        for name, kind in cls._inputs.items()
    ]
    for place, (name, make_output) in enumerate(cls._outputs.items()):
        scope[f"make_output_{place}"] = make_output
        finish.append(f"node.{name} = make_output_{place}(node, {name!r})")
    if cls._parameters:
        finish.append("if type(node).upstreams is upstreams:")
    for name in cls._parameters:
        finish.append(f"    if type(node.{name}) not in no_streams:")
        finish.append(f"        refuse_stream(node.{name}, node, {name!r})")
    renew: list[str] = []
    for place, (name, value) in enumerate(cls._fixed_states.items()):
        scope[f"state_{place}"] = value
        renew.append(f"node.{name} = state_{place}")
    for place, (name, make) in enumerate(cls._made_states.items()):
        scope[f"make_state_{place}"] = make
        renew.append(f"node.{name} = make_state_{place}()")
    for function, lines in (("finish", [*finish, *renew]), ("renew_state", renew)):
        text = "\n    ".join([f"def {function}(node):", *lines, "return"])
        exec(compile(text, f"<{function} of {cls.__name__}>", "exec", dont_inherit=True), scope)
    _set_methods(cls, scope["finish"], scope["renew_state"])


def _set_methods(cls: type[MutableNode[Any]], finish: Any, renew_state: Any) -> None:
    cls._finish, cls._renew_state = finish, renew_state  # type: ignore[method-assign]


def _make_output(stream: Any, owner: MutableNode[Any], attribute: str) -> Any:
    """Return a further output of a node: its stream or, as operators declare it, its node."""
    made: OutputNode[Any] = OutputNode(owner, attribute)
    return made if stream is OutputNode else stream(made)


def _is_taken(name: str, cls: type) -> bool:
    """Return whether the engine uses an attribute of this name on every node."""
    base = Source if issubclass(cls, Source) else MutableNode
    return hasattr(base, name) or name in ("serial", "ticked_in", "wired_at")


def _check_defaults(cls: type, annotations: Mapping[str, object]) -> None:
    """Refuse the defaults that dataclasses refuse, with messages about nodes."""
    for name, given in vars(cls).items():
        is_field = isinstance(given, dataclasses.Field)
        if is_field and name not in annotations:
            raise InvalidTypeError(
                f"{name} of {cls.__name__} needs an annotation, as in {name}: int = gc.state(0)"
            )
        default = given.default if is_field else given
        declared = name in annotations and "ClassVar" not in str(annotations[name])
        if declared and _is_mutable(default):
            raise InvalidValueError(
                f"{name} of {cls.__name__} cannot have the default {shorten(default)}, which all "
                "nodes would share: give a tuple, dataclasses.field(default_factory=...) or, for "
                "state, gc.state(factory=...)"
            )


def _as_state(parameter: "dataclasses.Field[Any]") -> str:
    """Return how a parameter would be declared as state."""
    kind, default = parameter.type, parameter.default
    annotation = kind if isinstance(kind, str) else inspect.formatannotation(kind)
    given = "..." if default is dataclasses.MISSING else repr(default)
    return f"{parameter.name}: {annotation} = gc.state({given})"


# An input, or the class of an output.
_Declared = Input | type[IsOutput]


def _input_kind(annotation: object, cls: type, namespace: dict[str, Any]) -> _Declared | None:
    """Return the input or output that an annotation declares, `None` for a parameter.

    Of a quoted annotation only the outermost names are looked up: the name of a parameter's type
    may exist for the type checker alone.
    """
    if isinstance(annotation, ForwardRef):
        annotation = annotation.__forward_arg__
    if isinstance(annotation, str):
        tree = parse(annotation.strip(), "eval").body
        scope = {**vars(sys.modules[cls.__module__]), **namespace}
        return _kind_of_expression(tree, scope)
    origin = get_origin(annotation) or annotation
    if origin in (list, dict) and get_args(annotation):
        inner = _input_kind(get_args(annotation)[-1], cls, namespace)
        return None if inner is None else _several(inner, origin)
    return _kind_of(origin)


def _kind_of(found: object) -> _Declared | None:
    if isinstance(found, type) and issubclass(found, IsOutput):
        return found
    return _ACTIVE if found is Active else _PASSIVE if found is Passive else None


def _several(inner: _Declared, holds: Any) -> Input:
    if not isinstance(inner, Input):
        raise InvalidTypeError("an output is one stream, not a list or a dict of streams")
    if inner.holds is not None:
        raise InvalidTypeError("an input is a stream, or a list or a dict of streams, no deeper")
    return Input(inner.active, holds)


def _kind_of_expression(tree: ast.expr, scope: dict[str, Any]) -> _Declared | None:
    if isinstance(tree, ast.Constant) and isinstance(tree.value, str):  # a string inside the string
        tree = parse(tree.value.strip(), "eval").body
    outer = tree.value if isinstance(tree, ast.Subscript) else tree
    try:
        found = eval(compile(ast.Expression(outer), "<annotation>", "eval"), scope)
    except (NameError, AttributeError):
        return None
    holds = get_origin(found) or found
    if isinstance(tree, ast.Subscript) and holds in (list, dict):
        items = tree.slice.elts if isinstance(tree.slice, ast.Tuple) else [tree.slice]
        inner = _kind_of_expression(items[-1], scope)
        return None if inner is None else _several(inner, holds)
    return _kind_of(found)
