"""Which graphs have the same shape, so that they can share one compiled function.

Two graphs or sub-graphs have the same shape if their nodes, in order of construction, are of the
same classes and hold the same kinds of objects: functions of the same code, the node at the same
place, numbers where there are numbers. What may differ (parameters, the values in a function's
closure, state) becomes an argument or a global of the function.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from types import BuiltinFunctionType, FunctionType
from typing import Any

from graphcore.engine.fused.frontend.attributes import node_behind
from graphcore.engine.plan import Node, Plan
from graphcore.node import MutableNode

# Attributes that make no difference to the compiled function.
_OWN = frozenset(("serial", "ticked_in", "_name"))
_MARK = "_in_graph"  # and this one, which a node may have or not

# A node as another refers to it: its place in the order of construction, or a node from outside.
_Place = int | Node


@dataclass(frozen=True, slots=True)
class _Checks:
    """How a node must agree with the node at a place: by its attributes.

    All but the names and types hold the index of an attribute among the names.

    Attributes:
        place: the place in the order of construction.
        cls: the node's class.
        names: the names of its attributes, but for the mark that it is in a graph.
        types: the types of what they hold.
        known: returns the attributes that hold certain objects, given all of them.
        objects: these objects.
        classes: attributes that hold certain classes.
        functions: functions of the same code.
        nodes: the node at the same place, or the same one from outside.
        lists: lists of such nodes.
        dicts: dicts of them.
        named: the active and the passive upstreams, if a method of the class names them.
    """

    place: int
    cls: type[Node]
    names: list[str]
    types: list[type]
    known: Callable[[list[Any]], object]
    objects: object
    classes: list[tuple[int, type]] = field(default_factory=list)
    functions: list[tuple[int, FunctionType]] = field(default_factory=list)
    nodes: list[tuple[int, _Place]] = field(default_factory=list)
    lists: list[tuple[int, list[_Place]]] = field(default_factory=list)
    dicts: list[tuple[int, dict[Any, _Place]]] = field(default_factory=list)
    named: list[list[_Place]] | None = None


class Shape:
    """The shape of a graph or sub-graph.

    Args:
        plan: the graph.
        made: the nodes that its build and its owner made, in order of construction.
    """

    def __init__(self, plan: Plan, made: Sequence[Node]) -> None:
        places = {id(node): place for place, node in enumerate(made)}
        self._places = [places.get(id(node), -1) for node in plan.wired]
        self._outer = [plan.nodes[i] if place < 0 else None for i, place in enumerate(self._places)]
        self._checks = [
            _checks_of(made[place], place, places) for place in self._places if place >= 0
        ]
        self._least = max(places.values(), default=-1) + 1

    @property
    def has_outside(self) -> bool:
        """Whether a node of the graph is one that its build did not make."""
        return any(self._outer)

    def nodes_of(self, made: Sequence[Node]) -> list[Node] | None:
        """Return the nodes of another graph in the order of the plan, if it has this shape.

        Args:
            made: the nodes that its build and its owner made, in order of construction.
        """
        if len(made) < self._least:
            return None
        for checks in self._checks:
            if not _agrees(made[checks.place], checks, made):
                return None
        return [
            outer or made[place] for outer, place in zip(self._outer, self._places, strict=True)
        ]


def _agrees(node: Node, checks: _Checks, made: Sequence[Node]) -> bool:
    if type(node) is not checks.cls:
        return False
    own, names = vars(node), checks.names
    if [*own] == names:
        values = [*own.values()]
    elif len(own) - (_MARK in own) == len(names) and own.keys() >= set(names):
        values = [own[name] for name in names]
    else:
        return False
    # It runs for each attribute of each new key's nodes, so CPython has the loops.
    if [*map(type, values)] != checks.types or checks.known(values) != checks.objects:
        return False
    for index, cls in checks.classes:
        if values[index] is not cls:
            return False
    for index, function in checks.functions:
        if not _are_alike(values[index], function):
            return False
    for index, place in checks.nodes:
        if not _is_at(values[index], place, made):
            return False
    for index, several in checks.lists:
        if not _are_at(values[index], several, made):
            return False
    for index, named in checks.dicts:
        given = values[index]
        if [*given] != [*named] or not _are_at([*given.values()], [*named.values()], made):
            return False
    if checks.named is None:
        return True
    both = node.upstreams()
    active, passive = checks.named
    return _are_at(both.active, active, made) and _are_at(both.passive, passive, made)


def _is_at(given: object, place: _Place, made: Sequence[Node]) -> bool:
    """Return whether a node or a stream is the one at a place."""
    expected = made[place] if isinstance(place, int) else place
    return given is expected or node_behind(given) is expected


def _are_at(given: Sequence[object], places: Sequence[_Place], made: Sequence[Node]) -> bool:
    return len(given) == len(places) and all(
        _is_at(each, place, made) for each, place in zip(given, places, strict=True)
    )


def _checks_of(node: Node, place: int, places: Mapping[int, int]) -> _Checks:
    own = {name: given for name, given in vars(node).items() if name != _MARK}
    named: list[list[_Place]] | None = None
    if type(node).upstreams is not MutableNode.upstreams:
        both = node.upstreams()
        named = [_places_of(both.active, places), _places_of(both.passive, places)]
    names, values = [*own], [*own.values()]
    known = itemgetter(*(i for i in range(len(names)) if _is_known(names[i], values[i])))
    types = [*map(type, values)]
    checks = _Checks(place, type(node), names, types, known, known(values), named=named)
    for index, (name, given) in enumerate(own.items()):
        if name in _OWN:
            continue
        found = node_behind(given)
        if found is not None:
            checks.nodes.append((index, _place_of(found, places)))
        elif isinstance(given, list | tuple) and _may_hold_nodes(given):
            checks.lists.append((index, _places_of(given, places)))
        elif isinstance(given, dict) and _may_hold_nodes([*given.values()]):
            several = _places_of([*given.values()], places)
            checks.dicts.append((index, dict(zip(given, several, strict=True))))
        elif isinstance(given, FunctionType):
            checks.functions.append((index, given))
        elif isinstance(given, type):
            checks.classes.append((index, given))
    return checks


def _is_known(name: str, given: object) -> bool:
    """Return whether the attribute of another node has to hold the same object, or an equal one."""
    if name in _OWN:
        return False
    return name == "wired_at" or given is None or isinstance(given, bool | BuiltinFunctionType)


def _place_of(node: Node, places: Mapping[int, int]) -> _Place:
    return places.get(id(node), node)


def _places_of(given: Sequence[object], places: Mapping[int, int]) -> list[_Place]:
    found = map(node_behind, given)
    return [_place_of(node, places) for node in found if node is not None]


def _may_hold_nodes(given: Sequence[object]) -> bool:
    """Return whether a list holds nodes, or may do so in a graph of another shape: it is empty."""
    return not given or node_behind(given[0]) is not None


def _are_alike(given: object, expected: FunctionType) -> bool:
    """Return whether two functions differ at most in the values of closures and defaults."""
    return (
        type(given) is FunctionType
        and given.__code__ is expected.__code__
        and given.__globals__ is expected.__globals__
        and bool(given.__defaults__) == bool(expected.__defaults__)
        and bool(given.__kwdefaults__) == bool(expected.__kwdefaults__)
    )
