"""Which sub-graphs have the same shape, so that they can share one compiled function.

Two sub-graphs have the same shape if their nodes, in order of construction, are of the same classes
and hold the same kinds of objects: functions of the same code, the node at the same place, numbers
where there are numbers. What may differ (parameters, the values in a function's closure, state)
becomes an argument of the function.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import BuiltinFunctionType, FunctionType

from graphcore.engine.fused.frontend.attributes import node_behind
from graphcore.engine.plan import Node, Plan
from graphcore.subgraph import ABSENT

# Attributes that make no difference to the compiled function.
_OWN = frozenset(("serial", "ticked_in", "_name"))


@dataclass(frozen=True, slots=True)
class _Checks:
    """How a node must agree with the node at a place: by the names of its attributes.

    Attributes:
        place: the place in the order of construction.
        cls: the node's class.
        count: how many attributes it has.
        types: objects of the same type.
        same: the same object.
        equal: equal objects.
        functions: functions of the same code.
        nodes: the node at the same place, or the same one from outside.
        lists: lists of such nodes.
    """

    place: int
    cls: type[Node]
    count: int
    types: list[tuple[str, type]] = field(default_factory=list)
    same: list[tuple[str, object]] = field(default_factory=list)
    equal: list[tuple[str, object]] = field(default_factory=list)
    functions: list[tuple[str, FunctionType]] = field(default_factory=list)
    nodes: list[tuple[str, int | None]] = field(default_factory=list)
    lists: list[tuple[str, list[int | None] | None]] = field(default_factory=list)


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
            self._checks_of(made[place], place, places) for place in self._places if place >= 0
        ]

    def nodes_of(self, made: Sequence[Node]) -> list[Node] | None:
        """Return the nodes of another sub-graph in the order of the plan, if it has this shape.

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
        # Loops and comparisons in the open: it runs for each attribute of each new key's nodes.
        own = vars(node)
        if type(node) is not checks.cls or len(own) != checks.count:
            return False
        get = own.get
        for name, cls in checks.types:
            if type(get(name, ABSENT)) is not cls:
                return False
        for name, expected in checks.same:
            if get(name, ABSENT) is not expected:
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
        return all(self._nodes(get(name), places) == numbers for name, numbers in checks.lists)

    def _checks_of(self, node: Node, place: int, places: Mapping[int, int]) -> _Checks:
        checks = _Checks(place, type(node), len(vars(node)))
        for name, given in vars(node).items():
            if name in _OWN:
                continue
            if name == "wired_at":
                checks.equal.append((name, given))
            elif node_behind(given) is not None:
                checks.nodes.append((name, self._node(given, places)))
            elif isinstance(given, list | tuple) and given and node_behind(given[0]) is not None:
                checks.lists.append((name, self._nodes(given, places)))
            elif isinstance(given, FunctionType):
                checks.functions.append((name, given))
            elif given is None or isinstance(given, bool | type | BuiltinFunctionType):
                checks.same.append((name, given))
            else:
                checks.types.append((name, type(given)))
        return checks

    def _node(self, given: object, places: Mapping[int, int]) -> int | None:
        """Return the place of a node, or for one from outside a number that no other has."""
        node = given if id(given) in places else node_behind(given)
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
