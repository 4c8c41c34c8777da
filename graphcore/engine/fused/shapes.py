"""Which sub-graphs have the same shape, so that they can share one compiled function.

Two sub-graphs have the same shape if their nodes, in order of construction, are of the same classes
and hold the same kinds of objects: functions of the same code, the node at the same place, numbers
where there are numbers. What may differ (parameters, the values in a function's closure, state)
becomes an argument of the function.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from types import BuiltinFunctionType, FunctionType
from typing import Any

from graphcore.engine.fused.frontend.attributes import node_behind
from graphcore.engine.plan import Node, Plan

# Attributes that make no difference to the compiled function.
_OWN = frozenset(("serial", "ticked_in", "_name"))


class _Same(Enum):
    """How an attribute of two nodes must agree."""

    TYPE = "objects of the same type"
    OBJECT = "the same object"
    EQUAL = "equal objects"
    CODE = "functions of the same code"
    NODE = "nodes at the same place, or the same node from outside"
    NODES = "lists of such nodes"


class Shape:
    """The shape of a sub-graph.

    Args:
        plan: the sub-graph.
        made: the nodes that its build and its owner made, in order of construction.
    """

    def __init__(self, plan: Plan, made: Sequence[Node]) -> None:
        places = {id(node): place for place, node in enumerate(made)}
        self._outside = {id(plan.wired[index]) for index in plan.outside}
        self._places = [places.get(id(node), -1) for node in plan.wired]
        self._outer = [plan.nodes[i] if place < 0 else None for i, place in enumerate(self._places)]
        self._checks = [
            (place, type(made[place]), self._checks_of(made[place], places))
            for place in self._places
            if place >= 0
        ]

    def nodes_of(self, made: Sequence[Node]) -> list[Node] | None:
        """Return the nodes of another sub-graph in the order of the plan, if it has this shape.

        Args:
            made: the nodes that its build and its owner made, in order of construction.
        """
        places: dict[int, int] | None = None
        for place, cls, checks in self._checks:
            if place >= len(made):
                return None
            node = made[place]
            own = vars(node)
            if type(node) is not cls or len(own) != len(checks):
                return None
            for name, (same, expected) in checks.items():
                if name in _OWN:
                    continue
                if name not in own:
                    return None
                given = own[name]
                if same is _Same.TYPE:
                    if type(given) is not expected:
                        return None
                elif same is _Same.OBJECT:
                    if given is not expected:
                        return None
                elif same is _Same.EQUAL:
                    if given != expected:
                        return None
                elif same is _Same.CODE:
                    if not _are_alike(given, expected):
                        return None
                else:
                    if places is None:
                        places = {id(each): number for number, each in enumerate(made)}
                    found = (
                        self._node(given, places)
                        if same is _Same.NODE
                        else self._nodes(given, places)
                    )
                    if found != expected:
                        return None
        return [
            outer or made[place] for outer, place in zip(self._outer, self._places, strict=True)
        ]

    def _checks_of(self, node: Node, places: Mapping[int, int]) -> dict[str, tuple[_Same, Any]]:
        return {name: self._check(name, given, places) for name, given in vars(node).items()}

    def _check(self, name: str, given: object, places: Mapping[int, int]) -> tuple[_Same, Any]:
        if name == "wired_at":
            return _Same.EQUAL, given
        if node_behind(given) is not None:
            return _Same.NODE, self._node(given, places)
        if isinstance(given, list | tuple) and given and node_behind(given[0]) is not None:
            return _Same.NODES, self._nodes(given, places)
        if isinstance(given, FunctionType):
            return _Same.CODE, given
        if given is None or isinstance(given, bool | type | BuiltinFunctionType):
            return _Same.OBJECT, given
        return _Same.TYPE, type(given)

    def _node(self, given: object, places: Mapping[int, int]) -> int | None:
        """Return the place of a node, or for one from outside a number that no other has."""
        node = node_behind(given)
        if id(node) in places:
            return places[id(node)]
        return -id(node) if id(node) in self._outside else None

    def _nodes(self, given: object, places: Mapping[int, int]) -> list[int | None] | None:
        if not isinstance(given, list | tuple):
            return None
        return [self._node(each, places) for each in given]


def _are_alike(given: object, expected: FunctionType) -> bool:
    """Return whether two functions differ at most in the values of closures and defaults."""
    return (
        type(given) is FunctionType
        and given.__code__ is expected.__code__
        and given.__globals__ is expected.__globals__
        and bool(given.__defaults__) == bool(expected.__defaults__)
        and bool(given.__kwdefaults__) == bool(expected.__kwdefaults__)
    )
