"""Pass 10b: give branches that share a text the variables of the first of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any

from graphcore.engine.fused.analysis.alike import Alike
from graphcore.engine.fused.backend.branches import BRANCH, Branches
from graphcore.engine.fused.backend.layout import Kept, Layout
from graphcore.engine.fused.ir import Hole, Is, NodeIR, State


def share(
    layout: Layout, nodes: Sequence[NodeIR], objects: Sequence[Any], groups: Sequence[Alike]
) -> Layout:
    """Return a layout in which branches share the names of the first of them.

    Args:
        layout: a layout with names for the nodes of the first branch of each group alone.
        nodes: the nodes.
        objects: the nodes' objects.
        groups: the branches.
    """
    if not groups:
        return layout
    names, flags = list(layout.names), dict(layout.flags)
    values, working = list(layout.values), list(layout.working)
    kept = {each.node: each for each in layout.kept}
    branches: list[Branches] = []
    for variable, group in zip(layout.lists, groups, strict=True):
        first = group.members[group.first]
        of = [kept[index] for index in first]
        for index in first:
            names[index] = _inside(names[index])
        for place, members in group.members.items():
            before = f"{variable}[{place}]."
            for model, index in zip(of, members, strict=True):
                kept[index] = _kept(model, index, before)
                if model.value:
                    values[index] = working[index] = before + model.value
                if model.node in layout.flags:
                    flags[index] = before + layout.flags[model.node]
        branches.append(
            Branches(
                variable,
                layout.cases[group.owner][1],
                _places(nodes[group.owner], objects[group.owner]),
                group,
                {each.node: each.value for each in of if each.value},
                {index: layout.flags[index] for index in first if index in layout.flags},
                {each.node: each.state for each in of},
                {each.node: each.read for each in of},
            )
        )
    return replace(
        layout,
        names=names,
        values=values,
        working=working,
        flags=flags,
        kept=[each for _, each in sorted(kept.items(), key=itemgetter(0))],
        branches=tuple(branches),
        constants={**layout.constants, **{f"open_{each.variable}": each.open for each in branches}},
    )


def _inside(names: Mapping[Hole, str]) -> Mapping[Hole, str]:
    """Return the texts that fill a node's holes in the text of the branches."""
    return {
        hole: f"{BRANCH}.{name}" if isinstance(hole, State) else name
        for hole, name in names.items()
    }


def _kept(model: Kept, index: int, before: str) -> Kept:
    """Return the variables of a node, given those of the first branch's node at its place."""
    value = before + model.value if model.value else ""
    state, read = (
        tuple((attribute, before + name) for attribute, name in group)
        for group in (model.state, model.read)
    )
    return Kept(index, value, value, state, read, model.fixed)


def _places(node: NodeIR, given: Any) -> int:
    """Return how many outputs a node has to choose from."""
    assert node.cycle is not None
    [name] = [name for name, kind in node.cycle.kinds.items() if kind.of is Is.OUTPUTS]
    return len(vars(given)[name])
