"""Which graphs have the same shape, so that they can share one compiled function.

Two graphs or sub-graphs have the same shape if their nodes, in order of construction, are of the
same classes and hold the same kinds of objects: functions of the same code, the node at the same
place, numbers where there are numbers. What may differ (parameters, the values in a function's
closure, state) becomes an argument or a global of the function.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from operator import is_
from types import BuiltinFunctionType, FunctionType
from typing import Any

from graphcore.engine.fused.frontend.attributes import node_behind
from graphcore.engine.plan import Node, Plan
from graphcore.node import MutableNode
from graphcore.subgraph import ABSENT

# Attributes that make no difference to the compiled function.
_OWN = frozenset(("serial", "ticked_in", "_name", "_in_graph"))

_ABSENT = repeat(ABSENT)


@dataclass(frozen=True, slots=True)
class _Checks:
    """How a node must agree with the node at a place: by the names of its attributes.

    Attributes:
        place: the place in the order of construction.
        cls: the node's class.
        count: how many attributes it has.
        typed: the names of attributes that hold objects of certain types.
        types: these types.
        known: the names of attributes that hold certain objects.
        objects: these objects.
        equal: equal objects.
        functions: functions of the same code.
        nodes: the node at the same place, or the same one from outside.
        lists: lists of such nodes, or dicts of them.
        named: the active and the passive upstreams, if a method of the class names them.
    """

    place: int
    cls: type[Node]
    count: int
    typed: list[str] = field(default_factory=list)
    types: list[type] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    objects: list[object] = field(default_factory=list)
    equal: list[tuple[str, object]] = field(default_factory=list)
    functions: list[tuple[str, FunctionType]] = field(default_factory=list)
    nodes: list[tuple[str, int | None]] = field(default_factory=list)
    lists: list[tuple[str, list[Any] | None]] = field(default_factory=list)
    named: list[list[int | None]] | None = None


class Shape:
    """The shape of a graph or sub-graph.

    Args:
        plan: the graph.
        made: the nodes that its build and its owner made, in order of construction.
    """

    def __init__(self, plan: Plan, made: Sequence[Node]) -> None:
        places = {id(node): place for place, node in enumerate(made)}
        self._places = [places.get(id(node), -1) for node in plan.wired]
        self._outside = {id(node) for node in plan.wired if id(node) not in places}
        self._outer = [plan.nodes[i] if place < 0 else None for i, place in enumerate(self._places)]
        self._checks = [
            self._checks_of(made[place], place, places) for place in self._places if place >= 0
        ]

    @property
    def has_outside(self) -> bool:
        """Whether a node of the graph is one that its build did not make."""
        return bool(self._outside)

    def nodes_of(self, made: Sequence[Node]) -> list[Node] | None:
        """Return the nodes of another graph in the order of the plan, if it has this shape.

        Args:
            made: the nodes that its build and its owner made, in order of construction.
        """
        places = {id(node): place for place, node in enumerate(made)}
        for checks in self._checks:
            if checks.place >= len(made) or not self._agrees(made[checks.place], checks, places):
                return None
        return [
            outer or made[place] for outer, place in zip(self._outer, self._places, strict=True)
        ]

    def _agrees(self, node: Node, checks: _Checks, places: Mapping[int, int]) -> bool:
        own = vars(node)
        if type(node) is not checks.cls or _count(own) != checks.count:
            return False
        # It runs for each attribute of each new key's nodes, so the loops are those of `map`.
        get = own.get
        types = map(type, map(get, checks.typed, _ABSENT))
        if not all(map(is_, types, checks.types)):
            return False
        if not all(map(is_, map(get, checks.known, _ABSENT), checks.objects)):
            return False
        for name, expected in checks.equal:
            if get(name, ABSENT) != expected:
                return False
        for name, function in checks.functions:
            if not _are_alike(get(name), function):
                return False
        for name, number in checks.nodes:
            if self._node(get(name), places) != number:
                return False
        for name, numbers in checks.lists:
            if self._nodes(get(name), places) != numbers:
                return False
        return checks.named is None or self._named(node, places) == checks.named

    def _checks_of(self, node: Node, place: int, places: Mapping[int, int]) -> _Checks:
        by_method = type(node).upstreams is not MutableNode.upstreams
        named = self._named(node, places) if by_method else None
        checks = _Checks(place, type(node), _count(vars(node)), named=named)
        for name, given in vars(node).items():
            if name in _OWN:
                continue
            if name == "wired_at":
                checks.equal.append((name, given))
            elif node_behind(given) is not None:
                checks.nodes.append((name, self._node(given, places)))
            elif _has_nodes(given):
                checks.lists.append((name, self._nodes(given, places)))
            elif isinstance(given, FunctionType):
                checks.functions.append((name, given))
            elif given is None or isinstance(given, bool | type | BuiltinFunctionType):
                checks.known.append(name)
                checks.objects.append(given)
            else:
                checks.typed.append(name)
                checks.types.append(type(given))
        return checks

    def _node(self, given: object, places: Mapping[int, int]) -> int | None:
        """Return the place of a node, or for one from outside a number that no other has."""
        node = given if id(given) in places else node_behind(given)
        if id(node) in places:
            return places[id(node)]
        return -id(node) if id(node) in self._outside else None

    def _nodes(self, given: object, places: Mapping[int, int]) -> list[Any] | None:
        if isinstance(given, dict):
            return [(key, self._node(each, places)) for key, each in given.items()]
        if not isinstance(given, list | tuple):
            return None
        return [self._node(each, places) for each in given]

    def _named(self, node: Node, places: Mapping[int, int]) -> list[list[int | None]]:
        given = node.upstreams()
        both = given.active, given.passive
        return [[self._node(each, places) for each in part] for part in both]


def _count(own: Mapping[str, object]) -> int:
    """Return how many attributes a node has, but for the mark that it is in a graph."""
    return len(own) - ("_in_graph" in own)


def _has_nodes(given: object) -> bool:
    if isinstance(given, dict):
        given = [*given.values()]
    return isinstance(given, list | tuple) and bool(given) and node_behind(given[0]) is not None


def _are_alike(given: object, expected: FunctionType) -> bool:
    """Return whether two functions differ at most in the values of closures and defaults."""
    return (
        type(given) is FunctionType
        and given.__code__ is expected.__code__
        and given.__globals__ is expected.__globals__
        and bool(given.__defaults__) == bool(expected.__defaults__)
        and bool(given.__kwdefaults__) == bool(expected.__kwdefaults__)
    )
