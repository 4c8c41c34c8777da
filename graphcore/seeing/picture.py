"""A picture: what a drawing of a graph shows, as data that the formats turn into text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from graphcore.engine.plan import Outside, Plan
from graphcore.errors import place_text, shorten
from graphcore.subgraph import Inlet

Clocks = Callable[[Plan], Sequence[int]]


class Shape(Enum):
    """What a vertex is."""

    SOURCE = "reads no other node"
    NODE = "reads nodes and is read"
    SINK = "is read by no other node"


class Line(Enum):
    """What an edge is."""

    ACTIVE = "its tick triggers the reader"
    PASSIVE = "it is only read"
    FEEDS = "it delivers in a later cycle"


@dataclass(frozen=True, slots=True)
class Vertex:
    """A node as it is drawn.

    Attributes:
        id: what edges call it.
        name: its name, as in errors.
        kind: its class.
        clock: a number; vertices with the same number tick in the same cycles.
        shape: what it is.
        wired_at: the file and line that wired it.
    """

    id: str
    name: str
    kind: str
    clock: int
    shape: Shape
    wired_at: str


@dataclass(frozen=True, slots=True)
class Edge:
    """What one node has to do with another.

    Attributes:
        start: the id of the vertex that is read, or that feeds.
        end: the id of the vertex that reads, or that is fed.
        line: what the edge is.
    """

    start: str
    end: str
    line: Line


@dataclass(slots=True)
class Box:
    """The vertices of a graph, or of a sub-graph.

    Attributes:
        id: what the drawing calls the box.
        label: what it is for; empty for the graph itself.
        vertices: its vertices in the order in which they run.
        boxes: the sub-graphs within.
    """

    id: str
    label: str
    vertices: list[Vertex] = field(default_factory=list)
    boxes: "list[Box]" = field(default_factory=list)


@dataclass(slots=True)
class Picture:
    """What a drawing shows.

    Attributes:
        top: the graph.
        edges: the edges, those of sub-graphs included.
        clocks: how many clocks there are.
    """

    top: Box
    edges: list[Edge]
    clocks: int

    @property
    def size(self) -> int:
        """How many vertices there are."""
        return _size(self.top)


def picture_of(plan: Plan, clocks: Clocks) -> Picture:
    """Return the picture of a plan, and of the sub-graphs that its runs have made.

    Args:
        plan: the plan.
        clocks: returns for each node of a plan the number of its clock.
    """
    drawing = _Drawing(clocks)
    top = Box("graph", "")
    drawing.fill(top, plan, {}, "n")
    return Picture(top, drawing.edges, drawing.clocks)


class _Drawing:
    def __init__(self, clocks: Clocks) -> None:
        self._clocks_of = clocks
        self.edges: list[Edge] = []
        self.clocks = 0

    def fill(self, box: Box, plan: Plan, outer: dict[int, str], prefix: str) -> dict[int, str]:
        """Add the vertices and edges of a plan, and a box for each sub-graph.

        Args:
            box: where to add them.
            plan: the plan.
            outer: the ids of the vertices around it, by the ids of their nodes.
            prefix: the beginning of the ids.
        """
        names, clocks = plan.names(), self._clocks_of(plan)
        first, self.clocks = self.clocks, self.clocks + max(clocks, default=-1) + 1
        ids: dict[int, str] = {}
        read = {upstream for each in plan.active + plan.passive for upstream in each}
        for index, node in enumerate(plan.nodes):
            outside = node.node if isinstance(node, Outside) else None
            ids[id(plan.wired[index])] = outer.get(id(outside), f"{prefix}{index}")
            if outside is not None and id(outside) in outer:
                continue
            reads = plan.active[index] or plan.passive[index]
            shape = Shape.SOURCE if not reads else Shape.NODE if index in read else Shape.SINK
            vertex = Vertex(
                f"{prefix}{index}",
                names[index],
                type(outside or node).__name__,
                first + clocks[index],
                shape,
                place_text(node.wired_at),
            )
            box.vertices.append(vertex)
        self._connect(plan, ids)
        around = outer | ids
        for owner, made in plan.subgraphs.items():
            for number, ((kind, which), inner) in enumerate(made.items()):
                start = f"{ids[id(plan.wired[owner])]}_{number}_"
                what = f"each {kind}" if kind == "key" else f"{kind} {shorten(which)}"
                inside = Box(f"box_{start}", f"{names[owner]}: {what}")
                box.boxes.append(inside)
                found = self.fill(inside, inner, around, start)
                own = ids[id(plan.wired[owner])]
                self.edges += [
                    Edge(own, found[id(node)], Line.ACTIVE)
                    for node in inner.wired
                    if isinstance(node, Inlet)
                ]
        return ids

    def _connect(self, plan: Plan, ids: dict[int, str]) -> None:
        joined: set[tuple[int, int]] = set()
        for reader, upstreams in enumerate(plan.active):
            for upstream in upstreams:
                joined.add((upstream, reader))
        triggered = {place: owner for owner, places in plan.outputs.items() for place in places}
        for reader in range(len(plan.nodes)):
            for upstream in sorted(plan.active[reader] + plan.passive[reader]):
                # An output reads its owner passively, and yet it runs when the owner says so.
                active = (upstream, reader) in joined or triggered.get(reader) == upstream
                self._edge(plan, ids, upstream, reader, Line.ACTIVE if active else Line.PASSIVE)
        places = {id(node): index for index, node in enumerate(plan.wired)}
        for index, node in enumerate(plan.wired):
            if index in plan.outside:
                continue
            for partner in node.partners():
                other = places[id(partner)]
                # The later one in order feeds the earlier one: the end of a loop its beginning.
                if other < index and other not in plan.active[index] + plan.passive[index]:
                    self._edge(plan, ids, index, other, Line.FEEDS)

    def _edge(self, plan: Plan, ids: dict[int, str], start: int, end: int, line: Line) -> None:
        self.edges.append(Edge(ids[id(plan.wired[start])], ids[id(plan.wired[end])], line))


def _size(box: Box) -> int:
    return len(box.vertices) + sum(map(_size, box.boxes))
