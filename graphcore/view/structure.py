"""The structure of a graph as a page is shown it: nodes by name, and a node with its neighbours."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from graphcore.engine.plan import Plan
from graphcore.errors import place_text

_MOST_LISTED = 200
_MOST_DRAWN = 60
_MOST_DRAWN_BESIDE = 12
_FARTHEST = 2


class Structure:
    """What does not change while a graph runs.

    Args:
        plan: its plan.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._found: tuple[str, Sequence[int]] = "", range(len(plan.nodes))

    @property
    def count(self) -> int:
        """How many nodes there are."""
        return len(self._plan.nodes)

    @cached_property
    def names(self) -> list[str]:
        """The names of the nodes, as in errors."""
        return self._plan.names()

    @cached_property
    def _lower(self) -> list[str]:
        return [
            f"{name} {type(node).__name__}".lower()
            for name, node in zip(self.names, self._plan.nodes, strict=True)
        ]

    @cached_property
    def _readers(self) -> list[list[int]]:
        readers: list[list[int]] = [[] for _ in self._plan.nodes]
        for index in range(self.count):
            for upstream in self._reads(index):
                readers[upstream].append(index)
        return readers

    def find(self, text: str) -> Sequence[int]:
        """Return the nodes whose name or class has a text in it, in the order in which they run."""
        wanted = text.strip().lower()
        if self._found[0] != wanted:
            all_nodes: Sequence[int] = range(self.count)
            found = [i for i in all_nodes if wanted in self._lower[i]] if wanted else all_nodes
            self._found = wanted, found
        return self._found[1]

    def listed(self, text: str, first: int, count: int) -> dict[str, Any]:
        """Return a part of the list of nodes that have a text in their name."""
        found = self.find(text)
        first = max(0, min(first, len(found)))
        part = found[first : first + max(0, min(count, _MOST_LISTED))]
        kinds = (type(self._plan.nodes[index]).__name__ for index in part)
        nodes = [[index, self.names[index], kind] for index, kind in zip(part, kinds, strict=True)]
        return {"all": self.count, "found": len(found), "first": first, "nodes": nodes}

    def near(self, index: int) -> dict[str, Any]:
        """Return a node with what it reads, what reads it, and the nodes around it."""
        node = self._plan.nodes[index]
        active = set(self._plan.active[index])
        reads = [[i, self.names[i], i in active] for i in self._reads(index)[:_MOST_LISTED]]
        readers = self._readers[index][:_MOST_LISTED]
        read_by = [[i, self.names[i], index in self._plan.active[i]] for i in readers]
        places = self._places(index)
        edges = [
            [upstream, reader, upstream in self._plan.active[reader]]
            for reader in places
            for upstream in self._reads(reader)
            if upstream in places
        ]
        return {
            "id": index,
            "name": self.names[index],
            "kind": type(node).__name__,
            "wired_at": place_text(node.wired_at),
            "reads": reads,
            "read_by": read_by,
            "places": [[i, self.names[i], column] for i, column in places.items()],
            "edges": edges,
        }

    def _reads(self, index: int) -> list[int]:
        return sorted({*self._plan.active[index], *self._plan.passive[index]})

    def _places(self, index: int) -> dict[int, int]:
        """Return the nodes to draw around one, each with its column; upstreams are to the left."""
        places = {index: 0}
        for beside, direction in ((self._reads, -1), (self._readers.__getitem__, 1)):
            edge = [index]
            for distance in range(1, _FARTHEST + 1):
                around = dict.fromkeys(each for i in edge for each in beside(i))
                edge = [each for each in around if each not in places][:_MOST_DRAWN_BESIDE]
                for each in edge:
                    if len(places) < _MOST_DRAWN:
                        places[each] = direction * distance
        return places
