"""All operators, found by introspection: `Stream`'s methods, their handles, and `gc.align`.

The annotations say what an operator takes; trying it on a few values shows which kinds of values it
takes and what comes out. An unknown annotation is an error that says what to add, so that a new
operator is either in the test or fails it.
"""

import functools
import inspect
import io
import itertools
import operator
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import numpy

import graphcore as gc
from graphcore.calendars import TimeOfDay, Zone
from graphcore.time import Duration


class Row(tuple[float, ...]):
    """Numbers that `@` multiplies with others; none of Python's own types has it."""

    __slots__ = ()

    def __matmul__(self, other: "Row") -> float:
        return sum(a * b for a, b in zip(self, other, strict=True))

    def __repr__(self) -> str:
        return f"Row({super().__repr__()})"


# A few values of each kind, the simplest first.
KINDS: dict[str, list[Any]] = {
    "number": [1, 2.5],
    "bool": [False, True],
    "text": ["ab", "c"],
    "list": [[1, 2], [3]],
    "tuple": [(1, 2), (3, 4)],
    "row": [Row((1, 2)), Row((0.5, 3))],
    "dict": [{"field": 1}, {"field": 2.5}],
}

KEYS = [value for values in KINDS.values() for value in values if type(value).__hash__]

LEFT_OUT = object()  # stands for an argument that is not given
# Values for what an annotation says. Values that an operator refuses are not used with it.
SETTINGS: dict[object, list[Any]] = {
    int: [1, 2, 3, 0, -1],
    bool: [False, True],
    str: ["real", "label"],
    float: [0.5, 3.0, 1.0],
    float | None: [None, 0.5, 3.0],
    int | None: [None, 1, 3],
    Duration: [1, 2, "3ns", timedelta(microseconds=1), 0],
    Duration | None: [None, 2, "3ns"],
    TimeOfDay | None: ["00:00", "00:00:00.000001"],
    Zone | None: ["UTC", "Pacific/Kiritimati"],
    str | None: [None],
    int | Duration: [1, 3, "2ns", timedelta(microseconds=1)],
    float | Duration | None: [None, 2.0, "3ns"],
    # Most statistics refuse weights; test_joint runs the others on each tier.
    gc.Passive[float] | Literal["time"] | None: [None],
    Sequence[float]: [(0.25, 0.75)],
}

# Operators that are not wired at random, with the reason.
NOT_WIRED = {
    "receiver": "it runs in real time only",
    "produce_async": "it runs in real time only",
    "poll": "it runs in real time only",
    "consume_async": "it runs in real time only",
    "ticker": "a source",
    "constant": "a source",
    "session": "a source",
    "never": "a source",
    "replay": "a source",
    "from_iterable": "a source",
    "feedback": "a source",
    "later": "a source",
    "replay_parquet": "it is a replay, of what a file holds",
    "read_parquet": "it is a replay, of what files hold",
    "read_csv": "it is a replay, of what files hold",
    "from_table": "it is a replay, of the rows of a table",
    "demux": "wired as the nodes FewKeys and ManyKeys: it returns a mapping",
    "event_time": "wired as the nodes of nodes/by_time.py: it returns a handle",
    "group_by": "test_subgraphs wires it",
    "stop_key": "test_subgraphs wires it: it belongs in a sub-graph",
    "catch": "test_subgraphs wires it",
    "switch": "test_subgraphs wires it",
    "threaded": "test_subgraphs wires it",
    "record": "it writes a file, and graphs that run again and again would share it",
    "compare": "it reads a file",
    "write_parquet": "it writes a file, as record does",
    "write_csv": "it writes a file, as record does",
    "write_ipc": "it writes a file, as record does",
}
SOURCES = [name for name, reason in NOT_WIRED.items() if reason == "a source"]

# The results of these may be so much longer than their inputs that chains of them fill the memory.
GROWING = {"__mul__", "__rmul__", "__pow__", "__rpow__", "__lshift__", "__rlshift__"}

# The name of an argument that may have any name, and the key of the values of the kind "dict".
FIELD = "field"
FROM_THE_FUNCTION = "from the function"


class _Made:
    """The result of functions while an operator is tried; it may be a time."""

    def __index__(self) -> int:
        return 1


_MADE = _Made()


class NoStrategy(Exception):
    """The differential test cannot wire an operator; the message says what to add."""


@dataclass(frozen=True)
class Parameter:
    """An argument that is not a setting.

    Attributes:
        role: stream, streams, function, value, `either` of stream and value, `mapping` of values to
            streams, or `keywords` for a function that takes the streams as keywords.
        arity: of a function, how many arguments it is given; `None` is one for each stream.
        by_name: whether it is given as a keyword.
        optional: whether it may be left out.
    """

    name: str
    role: str
    arity: int | None = None
    by_name: bool = False
    optional: bool = False


@dataclass(frozen=True)
class Call:
    """One call of an operator: `rolling(3).mean()` has two.

    Attributes:
        settings: the combinations of keywords with which the call can be made.
    """

    name: str
    parameters: tuple[Parameter, ...]
    settings: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Operator:
    """A way to make streams or a sink from streams.

    Attributes:
        calls: the calls, each on the result of the one before.
        of_module: whether the first call is a function of the package, not a method of a stream.
        gives: for each kind of values that it takes, the kinds of its streams' values.
    """

    calls: tuple[Call, ...]
    of_module: bool
    gives: dict[str, tuple[str, ...]]

    @property
    def growing(self) -> bool:
        return self.calls[0].name in GROWING

    @property
    def takes_a_function(self) -> bool:
        return any(p.role == "function" for call in self.calls for p in call.parameters)


@functools.cache
def all_operators() -> dict[str, Operator]:
    """Find all operators, by name; one with several signatures has several names.

    Raises:
        NoStrategy: if there is one that cannot be wired; the message says why.
    """
    found: dict[str, Operator] = {}
    with redirect_stdout(io.StringIO()):  # one of them prints
        for calls, of_module in _all_calls():
            name = ".".join(call.name for call in calls)
            if name in found:
                name += f" ({1 + sum(known.startswith(name) for known in found)})"
            found[name] = Operator(calls, of_module, _kinds(name, calls, of_module))
    return found


def _all_calls() -> Iterator[tuple[tuple[Call, ...], bool]]:
    for name, function in inspect.getmembers(gc.Stream):
        if name not in NOT_WIRED and _is_operator(name, function):
            for signature in _signatures(function):
                yield from _calls_from(gc.constant(1), name, signature, False)
    for name in gc.__all__:
        function = getattr(gc, name)
        if inspect.isfunction(function) and name not in NOT_WIRED and _makes_streams(function):
            for signature in _signatures(function):
                yield from _calls_from(gc, name, signature, True)
    for name, function in inspect.getmembers(gc.math, inspect.isfunction):
        own = function.__module__ == gc.math.__name__
        for signature in _signatures(function) if own else ():
            yield from _calls_from(gc, f"math.{name}", signature, True)


def _is_operator(name: str, function: object) -> bool:
    """Return whether an operator is the package's own; those of adapters and other tests do not
    count."""
    if not inspect.isfunction(function) or not function.__module__.startswith("graphcore.stream."):
        return False
    return _makes_streams(function) if name.startswith("__") else not name.startswith("_")


def _makes_streams(function: Callable[..., Any]) -> bool:
    result = _hints(function).get("return")
    return inspect.isclass(origin := typing.get_origin(result) or result) and issubclass(
        origin, gc.Handle
    )


def _signatures(function: Callable[..., Any]) -> list[tuple[inspect.Signature, dict[str, Any]]]:
    # The overloads of Python's operators say what comes out; all take a stream or a value.
    overloads = [] if function.__name__.startswith("__") else typing.get_overloads(function)
    written = overloads or [function]
    found = [(inspect.signature(each), _hints(each)) for each in written]
    # Overloads for arrays are those for numbers, of a twin; KINDS has no arrays.
    return [each for each in found if "ndarray" not in str(each[1].get("self"))]


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations; some modules import these names for type checkers only."""
    return typing.get_type_hints(function, localns={"Stream": gc.Stream, "np": numpy})


def _calls_from(
    owner: Any,
    name: str,
    signature: tuple[inspect.Signature, dict[str, Any]],
    of_module: bool,
) -> Iterator[tuple[tuple[Call, ...], bool]]:
    """Yield the calls that begin with this one; if its result is not a stream, go on with the
    result's methods."""
    call = _call(owner, name, *signature)
    result = _try(owner, call, gc.constant(1), call.settings[0])
    if isinstance(result, gc.Handle | tuple):
        yield (call,), of_module
        return
    for method, function in inspect.getmembers(type(result), inspect.isfunction):
        if not method.startswith("_"):
            for inner in _signatures(function):
                for calls, _ in _calls_from(result, method, inner, of_module):
                    yield (call, *calls), of_module


def _call(owner: Any, name: str, signature: inspect.Signature, hints: dict[str, Any]) -> Call:
    parameters: list[Parameter] = []
    choices: dict[str, list[Any]] = {}
    named = any(each.kind is each.VAR_KEYWORD for each in signature.parameters.values())
    for parameter in signature.parameters.values():
        annotation = hints.get(parameter.name, parameter.annotation)
        if parameter.name == "self" or annotation is typing.Never:
            continue
        optional = parameter.default is None
        if optional and annotation not in SETTINGS:
            annotation = _without_none(annotation)
        by_name = parameter.kind is parameter.KEYWORD_ONLY or optional
        role = _role(annotation)
        if role == "function" and parameter.kind is parameter.POSITIONAL_ONLY and named:
            role = "keywords"
        if role is None:
            values = _values(annotation, name, parameter.name)
            optional = parameter.default is not parameter.empty
            choices[parameter.name] = [LEFT_OUT, *values] if optional else values
        elif parameter.kind is parameter.VAR_POSITIONAL:
            parameters.append(Parameter(parameter.name, "streams"))
        else:
            of_any_name = parameter.kind is parameter.VAR_KEYWORD
            given_as = FIELD if of_any_name else parameter.name
            by_name = by_name or of_any_name
            arity = _arity(annotation)
            parameters.append(Parameter(given_as, role, arity, by_name, optional))
    combinations = [
        {key: value for key, value in zip(choices, chosen, strict=True) if value is not LEFT_OUT}
        for chosen in itertools.product(*choices.values())
    ]
    call = Call(name, tuple(parameters), ())
    taken = []
    for settings in combinations:
        try:
            made = _try(owner, call, gc.constant(1), settings)
        except gc.GraphcoreError:
            continue
        # A recipe has to know how many streams come: the tuples of KINDS have two items.
        if not isinstance(made, tuple) or len(made) == 2:
            taken.append(settings)
    if not taken:
        raise NoStrategy(
            f"{name} refuses all values that the differential test has for "
            f"{', '.join(choices) or 'it'}; add some to SETTINGS in {__file__}"
        )
    return Call(name, call.parameters, tuple(taken))


def _without_none(annotation: Any) -> Any:
    """Return ``X`` of ``X | None``, and other annotations as they are."""
    options = [each for each in typing.get_args(annotation) if each is not type(None)]
    is_union = typing.get_origin(annotation) in (types.UnionType, typing.Union)
    return options[0] if is_union and len(options) == 1 else annotation


def _role(annotation: Any) -> str | None:
    if annotation is object:
        return "either"
    if isinstance(annotation, typing.TypeVar):
        return "value"
    origin = typing.get_origin(annotation)
    if origin in (gc.Active, gc.Passive, gc.Stream):
        return "stream"
    if origin is Mapping:
        return "mapping"
    return "function" if origin is Callable or origin is _CALLABLE else None


_CALLABLE = typing.get_origin(Callable[[], None])


def _arity(annotation: Any) -> int | None:
    if typing.get_origin(annotation) is not _CALLABLE:
        return None
    arguments = typing.get_args(annotation)[0]
    return None if arguments is ... else len(arguments)


def _values(annotation: Any, call: str, parameter: str) -> list[Any]:
    if typing.get_origin(annotation) is typing.Literal:
        return list(typing.get_args(annotation))
    for known, values in SETTINGS.items():
        if annotation == known:
            return values
    options = typing.get_args(annotation)
    if any(typing.get_origin(each) is _CALLABLE for each in options):
        return [None, str]
    if type(None) in options and typing.get_origin(options[0]) is typing.Literal:
        return list(typing.get_args(options[0]))
    raise NoStrategy(
        f"{call} takes {parameter}: {annotation}, for which the differential test knows no values; "
        f"add some to SETTINGS in {__file__}"
    )


def _try(
    owner: Any,
    call: Call,
    stream: Any,
    settings: dict[str, Any],
    either: object = 0,
    result: object = _MADE,
) -> Any:
    """Make the call with copies of this stream, functions that return `result`, and settings."""
    positional: list[Any] = []
    keywords = dict(settings)
    for parameter in call.parameters:
        if parameter.role == "streams":
            positional.append(stream)
        elif not parameter.optional:
            roles = {
                "stream": stream,
                "either": either,
                "function": lambda *values: result,
                "mapping": dict.fromkeys(KEYS, stream),
                "keywords": dict,
            }
            made = roles.get(parameter.role, 0)
            if parameter.by_name:
                keywords[parameter.name] = made
            else:
                positional.append(made)
    return operator.attrgetter(call.name)(owner)(*positional, **keywords)


def _kinds(name: str, calls: tuple[Call, ...], of_module: bool) -> dict[str, tuple[str, ...]]:
    """Find out which kinds of values an operator takes, and the kinds of its results."""
    taken: dict[str, tuple[str, ...]] = {}
    settings = list(itertools.product(*[call.settings for call in calls]))
    settings = settings[:: len(settings) // 20 + 1]
    # A statistic of a window takes the same kinds of values whatever the window.
    refused: set[str] = set()
    for (kind, values), chosen, other in itertools.product(KINDS.items(), settings, (True, False)):
        if kind not in taken and kind not in refused:
            source = gc.from_iterable([*values, *values, *values], period=2)
            made: Any = gc if of_module else source
            for call, keywords in zip(calls, chosen, strict=True):
                given = (source, source, _MADE) if other else (source.delay(1), 0, False)
                stream, either, result = given
                made = _try(made, call, stream, keywords, either, result)
            try:
                taken.update({kind: gives} if (gives := _run(made)) is not None else {})
            except Exception:  # it fails for this kind, whatever its annotation says
                if len(calls) > 1:
                    refused.add(kind)
    if not taken:
        raise NoStrategy(
            f"{name} ticks with no kind of values that the differential test tried; "
            f"add one to KINDS in {__file__}"
        )
    return taken


def _run(made: Any) -> tuple[str, ...] | None:
    streams = made if isinstance(made, tuple) else (made,)
    if isinstance(made, gc.Handle) and not isinstance(made, gc.Stream):
        made.run()
        return ()
    outs = [stream.collect() for stream in streams]
    gc.Graph(*outs).run(tier="interpreted")
    kinds = [kind_of(out.values[-1]) for out in outs if out.values]
    return tuple([*kinds, *kinds][: len(outs)]) if kinds else None


def kind_of(value: object) -> str:
    """Return the kind of a value."""
    if value is _MADE:
        return FROM_THE_FUNCTION
    if isinstance(value, bool):
        return "bool"
    known: dict[type, str] = {
        int: "number",
        float: "number",
        str: "text",
        list: "list",
        tuple: "tuple",
        dict: "dict",
        Row: "row",
    }
    return known.get(type(value), "anything")
