"""Everything visible of a run: its ticks, states, calls, output and errors, as text to compare.

Text, because `1 == 1.0 == True` and `nan != nan`, though a user sees a difference between the
former and none between the latter. Two runs agree if their texts are equal.
"""

import dataclasses
import io
import itertools
import logging
import re
import types
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

import graphcore as gc
from graphcore.operators.keyed import KeyedSubgraphs
from tests.differential.judge import Alarm, Judge, State

_PLAIN = (int, float, bool, complex, str, bytes, type(None), type(...), type(NotImplemented))
_CODE = (types.FunctionType, types.BuiltinFunctionType, type)
_OF_THE_JUDGE = {Alarm: gc.Alarm, State: gc.GraphState}
_ADDRESS = re.compile(r"0x[0-9a-f]+")

_calls: list[str] = []
_restores: list[Callable[[], None]] = []


def record(function: str, *values: object) -> None:
    """Record that a user's function was called with these values, as they are now."""
    _calls.append(f"{function}({', '.join(map(show, values))})")


def restored_before_each_run(restore: Callable[[], None]) -> Callable[[], None]:
    """Register a function that restores globals and class attributes before a run."""
    _restores.append(restore)
    return restore


def show(value: object) -> str:
    """Return a value as text that distinguishes types, signs of zero and shared objects."""
    return _Shower([]).show(value)


class _Shower:
    """Turns a group of objects into text; an object met again is shown by its number."""

    def __init__(self, nodes: "list[gc.MutableNode[Any]]") -> None:
        self._places = {id(node): f"node {i}" for i, node in enumerate(nodes)}
        self._met: dict[int, int] = {}
        self._kept: list[object] = []

    def show(self, value: Any) -> str:
        kind = type(value)
        if kind is int and value.bit_length() > 10_000:  # Python refuses to print longer ones
            return hex(value)
        if kind in _PLAIN:
            return _ADDRESS.sub("0x", repr(value)) if kind is str else repr(value)
        if isinstance(value, gc.MutableNode):
            return f"<{self._places.get(id(value), kind.__name__)}>"
        if isinstance(value, tuple):  # which object it is, the native tier does not keep
            name = "" if kind is tuple else kind.__name__
            return f"{name}({', '.join([self.show(item) for item in value])})"
        about = vars(kind).get("__dataclass_params__")
        if about is not None and about.frozen:
            items = [self.show(getattr(value, field.name)) for field in dataclasses.fields(value)]
            return f"{kind.__name__}({', '.join(items)})"
        if isinstance(value, _CODE):
            return f"<{getattr(value, '__qualname__', value)}>"
        if isinstance(value, types.MethodType):
            return f"<{value.__func__.__qualname__} of {self.show(value.__self__)}>"
        if kind is dict and len(value) == 1:  # the same goes for what a keyed stream ticks
            return f"dict{self._inside(value)}"
        if isinstance(value, KeyedSubgraphs):  # the rest is the engine's
            keys = [*value._keys.values()], [*value._leaving], value._held
            return f"{kind.__name__}({', '.join(map(self.show, keys))})"
        if id(value) in self._met:
            return f"<{kind.__name__} #{self._met[id(value)]}>"
        self._met[id(value)] = len(self._met)
        self._kept.append(value)  # an id is valid only while its object is alive
        # A fused node's `__dict__` during a run is a dict that writes through to the node.
        plain = dict if isinstance(value, dict) else kind
        name = _OF_THE_JUDGE.get(kind, plain).__name__
        return f"{name}{self._inside(value)}"

    def _inside(self, value: Any) -> str:
        if isinstance(value, list | deque):
            return f"[{', '.join(map(self.show, value))}]"
        if isinstance(value, set | frozenset):
            return f"{{{', '.join(sorted(map(self.show, value)))}}}"
        if isinstance(value, dict):
            return f"{{{', '.join(f'{self.show(k)}: {self.show(v)}' for k, v in value.items())}}}"
        if isinstance(value, gc.Handle):
            return f"({self.show(value.node)})"
        if isinstance(value, gc.Alarm | Alarm | gc.GraphState | State):
            return ""
        if isinstance(value, BaseException):
            return self.show(value.args)
        if isinstance(value, Iterator) or not hasattr(value, "__dict__"):
            return ""
        return self.attributes(value)

    def attributes(self, value: object) -> str:
        names = sorted(vars(value))
        return f"({', '.join(f'{name}={self.show(vars(value)[name])}' for name in names)})"


def show_error(error: BaseException | None) -> list[str]:
    """Return type, text, notes and causes of an error, those of a group's members included."""
    return _lines_of(error, lambda note: note)


def show_raised(error: BaseException | None) -> list[str]:
    """Return the same, but of each note only the node's name."""
    return _lines_of(error, lambda note: note.partition(", wired at")[0])


def _lines_of(error: BaseException | None, of_note: Callable[[str], str]) -> list[str]:
    if error is None:
        return []
    lines = [f"{type(error).__name__}: {error}", *map(of_note, getattr(error, "__notes__", ()))]
    for relation, other in (("cause", error.__cause__), ("context", error.__context__)):
        lines += [f"{relation}: {line}" for line in _lines_of(other, of_note)]
    for i, member in enumerate(getattr(error, "exceptions", ())):
        lines += [f"member {i}: {line}" for line in _lines_of(member, of_note)]
    return [_ADDRESS.sub("0x", line) for line in lines]


@contextmanager
def _logged() -> Iterator[list[str]]:
    """Capture the package's log at every level."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda entry: lines.append(entry.getMessage())
    logger = logging.getLogger("graphcore")
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(1)
    logger.propagate = False
    try:
        yield lines
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate


Outcome = dict[str, Any]


def run(graph: gc.Graph, raising: type[BaseException] = Exception, **options: Any) -> Outcome:
    """Run a graph; return everything visible of the run as text, by name.

    Args:
        graph: the graph.
        raising: the types of errors that are part of the outcome.
        options: those of `Graph.run`.
    """
    return _seen(graph, lambda: dataclasses.asdict(graph.run(**options)), raising)


def run_by_judge(graph: gc.Graph, judge: Judge, **options: Any) -> Outcome:
    """Run a graph with the judge; return the same."""
    return _seen(graph, lambda: judge.run(**options), Exception)


def _seen(
    graph: gc.Graph, run: Callable[[], dict[str, Any]], raising: type[BaseException]
) -> Outcome:
    for restore in _restores:
        restore()
    _calls.clear()
    output = io.StringIO()
    error: BaseException | None = None
    report: dict[str, object] = {}
    with redirect_stdout(output), _logged() as log:
        try:
            report = run()
        except raising as raised:
            error = raised
    for name in ("wall_time", "profile"):  # the judge measures nothing
        report.pop(name, None)
    shower = _Shower(list(graph.nodes))
    outcome: Outcome = {"raised": "\n".join(show_raised(error))}
    outcome |= {"error": "\n".join(show_error(error)), "report": str(report)}
    outcome["calls"] = list(_calls)
    outcome["output"] = _ADDRESS.sub("0x", output.getvalue())
    outcome["log"] = [_ADDRESS.sub("0x", line) for line in log]
    for i, node in enumerate(graph.nodes):
        outcome[f"node {i}, {node.name}"] = {
            name: shower.show(value) for name, value in sorted(_state_of(node).items())
        }
    return outcome


def difference_from_judge(judged: Outcome, other: Outcome) -> str | None:
    """Return where a tier's outcome differs from the judge's, whose notes have one line."""
    return difference(judged | {"error": other["error"]}, other)


def _state_of(node: "gc.MutableNode[Any]") -> dict[str, object]:
    slots = itertools.chain.from_iterable(
        vars(cls).get("__slots__", ()) for cls in type(node).mro()
    )
    return vars(node) | {name: getattr(node, name) for name in slots if hasattr(node, name)}


def difference(one: Any, other: Any, place: str = "") -> str | None:
    """Return the first difference between two outcomes; `None` if they agree."""
    if one == other:
        return None
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one | other:
            found = difference(one.get(key), other.get(key), f"{place}, {key}".lstrip(", "))
            if found:
                return found
    if isinstance(one, list) and isinstance(other, list):
        for i, (a, b) in enumerate(itertools.zip_longest(one, other)):
            if a != b:
                return f"{place}, {i}:\n  {a}\n  {b}"
    return f"{place}:\n  {one}\n  {other}"
