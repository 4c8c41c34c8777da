"""The decision, node by node, whether it is taken apart or called; and what a called one may see.

A called node, and a function that was given, look at node objects. So what they look at has to be
right there: a node whose value alone is looked at writes it through as it ticks; one of which more
may be seen is called as well, since its object is then always right.
"""

import keyword
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import FunctionType
from typing import Any

from graphcore.engine.fused.outside import letting_out, may_schedule
from graphcore.engine.fused.reach import (
    OPAQUE,
    Reached,
    nodes_reached,
    package_of,
    reaches_by_itself,
)
from graphcore.engine.fused.reading import (
    Node,
    Refused,
    kinds_of,
    node_behind,
    own_classes,
    reading_of,
    set_in_runs,
    upstreams_in,
)
from graphcore.engine.fused.returns import Form
from graphcore.engine.fused.sight import PRYING, looks_at_values_only, renaming
from graphcore.engine.fused.template import Template, template_of
from graphcore.engine.plan import Plan

_Key = tuple[int, ...]
_OWN = {"serial", "wired_at", "ticked_in", "_name", "value"}


@dataclass(slots=True)
class Part:
    """A node, and how the fused function holds it.

    Attributes:
        index: its place in the order of R2.
        node: the node.
        label: what its variables' names begin with.
        active: the indices of the upstreams that trigger it.
        passive: those of the others.
        woken: whether alarms or events run it.
        template: the text of its cycle, `None` if it is called.
        why: why it is called.
        observed: whether its value and ticks are written through to the node.
    """

    index: int
    node: Node
    label: str
    active: tuple[int, ...]
    passive: tuple[int, ...]
    woken: bool
    template: Template | None = None
    why: str = ""
    observed: bool = False

    @property
    def form(self) -> Form:
        """Where it ticks; a node that is called chooses."""
        return Form.TAIL if self.template is None else self.template.form

    def call(self, why: str) -> None:
        """Have it called, if it is not yet."""
        if self.template is not None:
            self.template = None
            self.why = why

    def upstream(self, name: str, place: int | None) -> Node:
        """Return the upstream in an attribute, or at a place in its list."""
        given = getattr(self.node, name)
        found = node_behind(given if place is None else given[place])
        assert found is not None
        return found


def parts_of(plan: Plan, to_call: dict[int, str]) -> list[Part]:
    """Return the nodes of a plan, each with the decision.

    Args:
        plan: the plan.
        to_call: nodes that have to be called, with the reason.
    """
    numbers = {node: index for index, node in enumerate(plan.nodes)}
    parts: list[Part] = []
    for index, node in enumerate(plan.nodes):
        active, passive = plan.active[index], plan.passive[index]
        label = sys.intern(f"{_identifier(node._name or node.operator)}_{index}")
        cls: Any = type(node)
        by_itself = "start" in vars(node) or "cycle" in vars(node)
        woken = not (active or passive) or by_itself or may_schedule(cls)
        part = Part(index, node, label, active, passive, woken)
        parts.append(part)
        if index in to_call:
            part.why = to_call[index]
            continue
        try:
            _take_apart(part, {plan.nodes[each] for each in active + passive})
        except Refused as reason:
            part.why = str(reason)
    _show_what_is_looked_at(parts, _call_what_functions_reach(parts, numbers))
    return parts


def _take_apart(part: Part, upstreams: set[Node]) -> None:
    cls: Any = type(part.node)
    reading = reading_of(cls)
    method = letting_out(cls)
    if method is not None:
        raise Refused(f"its {method} lets the node be looked at from elsewhere")
    kinds = kinds_of(part.node, reading, upstreams)
    if not cls.__module__.startswith("graphcore"):
        held = ((name, upstreams_in(given)) for name, given in vars(part.node).items())
        inputs = frozenset(name for name, nodes in held if not upstreams.isdisjoint(nodes))
        method = renaming(cls, inputs)
        if method is not None:
            raise Refused(f"its {method} may keep an upstream by another name")
    template = template_of(reading, tuple(kinds.items()))
    if isinstance(template, str):
        raise Refused(template)
    part.template = template


@lru_cache(1024)
def _identifier(name: str) -> str:
    name = re.sub(r"\W+", "_", name, flags=re.ASCII)
    return f"n_{name}" if name[:1].isdigit() or keyword.iskeyword(name) else name


def _call_what_functions_reach(parts: Sequence[Part], numbers: dict[Node, int]) -> set[int]:
    """Have nodes called that functions reach; return those by way of which these may reach more."""
    reached: dict[_Key, Reached | None] = {}
    knowing: dict[int, bool] = {}
    pried: set[int] = set()
    for part in parts:
        upstreams = {parts[index].node for index in (*part.active, *part.passive)}
        for key, functions, package, of_values in _functions(part.node, upstreams):
            if key not in reached:
                reached[key] = nodes_reached(functions, package, of_values, knowing)
            found = reached[key]
            if found is None:
                for each in parts:
                    each.call(f"a function of {part.label} reaches too much to look through")
                return pried
            for node in found.nodes:
                index = numbers.get(node)
                if index is not None:
                    parts[index].call(f"a function of {part.label} reaches it")
                    if not found.names.isdisjoint(PRYING | vars(node).keys() - _OWN):
                        pried.add(index)
    return pried


def _functions(node: Node, upstreams: set[Node]) -> Iterator[tuple[_Key, list[Any], str, bool]]:
    """Yield what a node's class and the node itself can run, and what else it may look at.

    Returns:
        A key, the functions, their package, and whether nothing but values is given to them.
    """
    cls: Any = type(node)
    of_graphcore = package_of(cls) == "graphcore"
    apart: set[str] = set()
    if not of_graphcore:
        own = [found for each in own_classes(cls) for found in vars(each).values()]
        yield (id(cls),), own, package_of(cls), False
        apart = {*cls._inputs, *set_in_runs(cls)}
    for name, given in vars(node).items():
        if name in _OWN or isinstance(given, type):
            continue
        other = node_behind(given)
        if other is not None:
            if other not in upstreams:
                yield (id(given),), [other], "", False
        elif callable(given):
            # Functions that differ in nothing but what they are look at the same.
            alone = isinstance(given, FunctionType) and not reaches_by_itself(given)
            key = (id(given.__code__), id(given.__globals__)) if alone else (id(given),)
            yield (*key, of_graphcore), [given], package_of(given), of_graphcore
        elif of_graphcore or name in apart or type(given) in OPAQUE:
            continue
        elif not upstreams.issuperset(upstreams_in(given)):
            yield (id(given),), [given], package_of(cls), False


def _show_what_is_looked_at(parts: Sequence[Part], pried: set[int]) -> None:
    """Have what called nodes look at written through, or called where that is not enough."""
    waiting = [part for part in parts if part.template is None]
    while waiting:
        part = waiting.pop()
        cls: Any = type(part.node)
        pries = part.index in pried or not looks_at_values_only(cls)
        for index in (*part.active, *part.passive):
            upstream = parts[index]
            if pries and index not in pried:
                # By way of one upstream it may look at those of that one.
                pried.add(index)
                upstream.call(f"{part.label}, which is called, may see more than its value")
                waiting.append(upstream)
            elif upstream.template is not None and upstream.template.value_with_tick:
                upstream.observed = True
            elif upstream.template is not None:
                upstream.call(f"{part.label}, which is called, may see its value before it ticks")
                waiting.append(upstream)
