"""How a node class uses its `GraphState` in `start`, `cycle`, `close` and `stop`.

The engine passes the state to these methods only, so reading them is enough. Branches for
real time do not count: real-time runs use the session's driver, which supports every use.
"""

import ast
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import FunctionType
from typing import Any

from graphcore.engine.fused.frontend.source import file_of
from graphcore.engine.fused.frontend.subset import attribute_of, found_in
from graphcore.node import MutableNode, Source
from graphcore.parsing import copied, walk
from graphcore.state import RunMode

# Attributes of a state that cannot make a node run again.
_ASKED = frozenset(
    (
        *("time", "start_time", "elapsed", "run_mode", "ticked", "valid"),
        *("stopping", "closing", "ended_by", "live"),
    )
)
# Attributes that only a session can answer while no cycle runs.
_OF_A_CYCLE = frozenset(("due", "cycle_at_time"))
_QUIET = _ASKED | _OF_A_CYCLE | {"stop"}


def may_schedule(cls: type[Any]) -> bool:
    """Return whether alarms or events from threads may run nodes of a class."""
    start, cycle = _method(cls, "start"), _method(cls, "cycle")
    return _uses_more_than(start, _QUIET) or _uses_more_than(cycle, _QUIET)


def keeps_alarms(cls: type[Any]) -> bool:
    """Return whether a class's `start` may keep an alarm to cancel it later."""
    return _keeps_alarms(*_method(cls, "start"))


def asks_between_cycles(cls: type[Any]) -> bool:
    """Return whether a class may use, outside a cycle, what only a session can answer.

    Code of a node runs outside a cycle in `stop`, and in functions that `start` made. In the
    closing instant, the session knows all but which cycle was the first at the present time.
    """
    asking = _QUIET - _OF_A_CYCLE
    return (
        _leaves_its_state(*_method(cls, "start"))
        or _uses_more_than(_method(cls, "stop"), asking)
        or _uses_more_than(_method(cls, "close"), asking | _METHODS | {"due"})
    )


def has_plain_alarms(cls: type[Any]) -> bool:
    """Return whether a class calls no `schedule_last`, and `schedule` with a time alone."""
    return not any(_sets_others(*_method(cls, name)) for name in ("start", "cycle"))


def starts_quietly(cls: type[Any]) -> bool:
    """Return whether a class's `start` cannot make a node run."""
    return not _uses_more_than(_method(cls, "start"), _QUIET)


def is_recorded(node: MutableNode[Any]) -> bool:
    """Return whether a source's `chunks` delivers the same events as its `start` and `cycle`."""
    if not (isinstance(node, Source) and node.recorded):
        return False
    told = {"start", "cycle", "chunks"}
    return "chunks" in next(vars(cls) for cls in type(node).__mro__ if told & vars(cls).keys())


_Method = tuple[object, object]  # a function and its code, which autoreload may replace


def _method(cls: type[Any], name: str) -> _Method:
    found = found_in(cls, name)
    return found, getattr(found, "__code__", None)


def _uses_more_than(method: _Method, asking: frozenset[str]) -> bool:
    return _uses_more(*method, asking)


@lru_cache(1024)
def _leaves_its_state(start: object, code: object) -> bool:
    if start in _DO_NOTHING:
        return False
    tree, state = _historical_tree(start)
    if tree is None:
        return False  # it may keep an alarm as well, which needs the session's driver
    inside = (node for each in _functions_in(tree) for node in walk(each))
    left = any(isinstance(node, ast.Name) and node.id == state for node in inside)
    return left or "" in _uses(tree, state)


def _uses_more(function: object, code: object, asking: frozenset[str]) -> bool:
    if function in _DO_NOTHING:
        return False
    used = _used(function, code)
    return used is None or not asking.issuperset(used)


@lru_cache(1024)
def _used(function: object, code: object) -> set[str] | None:
    """Return the attributes of its state that a method uses, `None` if that is unknown."""
    tree, state = _tree_with_state(function)
    return None if tree is None else _uses(tree, state)


@lru_cache(1024)
def _keeps_alarms(start: object, code: object) -> bool:
    if start in _DO_NOTHING:
        return False
    tree, state = _historical_tree(start)
    if tree is None or "" in _uses(tree, state):
        return True
    dropped = {
        node.value.func
        for node in walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    }
    return any(
        attribute_of(node, state) in ("schedule", "schedule_last") and node not in dropped
        for node in walk(tree)
    )


@lru_cache(1024)
def _sets_others(function: object, code: object) -> bool:
    if function in _DO_NOTHING:
        return False
    tree, state = _tree_with_state(function)
    if tree is None:
        return False  # such a node is called, or its alarms are taken for kept ones
    return any(
        attribute_of(node, state) == "schedule_last"
        or (
            isinstance(node, ast.Call)
            and attribute_of(node.func, state) == "schedule"
            and (len(node.args) != 1 or bool(node.keywords))
        )
        for node in walk(tree)
    )


_DO_NOTHING = (MutableNode.start, MutableNode.cycle, MutableNode.close, MutableNode.stop)


def _tree_with_state(function: object) -> tuple[ast.FunctionDef | None, str]:
    """Return a method's tree, if its source is available, and the name of its state parameter."""
    file = file_of(function) if isinstance(function, FunctionType) else None
    tree = None if file is None else file.find(function.__code__)  # type: ignore[attr-defined]  # a function, as above
    if not isinstance(tree, ast.FunctionDef):
        return None, ""
    arguments = [*tree.args.posonlyargs, *tree.args.args]
    if len(arguments) != 2 or tree.decorator_list:
        return None, ""
    return tree, arguments[1].arg


def _historical_tree(function: object) -> tuple[ast.FunctionDef | None, str]:
    """Return the same, without the branches of `if state.run_mode is RunMode.REALTIME`."""
    tree, state = _tree_with_state(function)
    if tree is None:
        return None, ""
    assert isinstance(function, FunctionType)
    return _Historical(state, function.__globals__).visit(copied(tree)), state


class _Historical(ast.NodeTransformer):
    def __init__(self, state: str, names: Mapping[str, Any]) -> None:
        self._state = state
        self._names = names

    def visit_If(self, node: ast.If) -> Any:
        self.generic_visit(node)
        match node.test:
            case ast.Compare(
                left=ast.Attribute(attr="run_mode", value=ast.Name(id=self._state)),
                ops=[ast.Is()],
                comparators=[ast.Attribute(attr="REALTIME", value=ast.Name(id=kind))],
            ) if self._names.get(kind) is RunMode:
                return node.orelse
        return node


_METHODS = frozenset(["schedule_last"]) | frozenset(
    ("ticked", "valid", "stop", "schedule", "hold", "release", "wake", "call_soon", "moment")
)


def _uses(tree: ast.AST, state: str) -> set[str]:
    """Return the attributes of a state that a function uses, and "" if the state escapes.

    The state also escapes if one of its methods is used without being called: a bound method holds
    the state.
    """
    nodes = walk(tree)
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    plain: set[int] = set()
    found: set[str] = set()
    for node in nodes:
        name = attribute_of(node, state)
        if isinstance(node, ast.Attribute) and name is not None:
            handed_on = name in _METHODS and id(node) not in called
            found.add("" if handed_on else name)
            plain.add(id(node.value))
    for node in nodes:
        if isinstance(node, ast.Name) and node.id == state and id(node) not in plain:
            found.add("")
    return found


_INSIDE = (ast.Lambda, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.GeneratorExp)


def _functions_in(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the functions and classes defined inside a function, which may run later."""
    return (node for node in walk(tree) if isinstance(node, _INSIDE) and node is not tree)
