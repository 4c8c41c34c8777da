"""The plan: which nodes a graph has, in which order they run, and who wakes whom (R2, R3).

The order is topological, and among the possible orders the one in which the nodes were constructed.
A tier reads a plan and changes nothing in it. Nodes are told apart by identity: they are found by
their ids, since a user's class may have an `__eq__` of its own.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from graphcore.errors import InvalidTypeError, WiringError, place_text, shorten
from graphcore.node import MutableNode, Source, Upstreams, node_of
from graphcore.output import OutputNode
from graphcore.state import GraphState

if TYPE_CHECKING:
    import networkx as nx

Node = MutableNode[Any]

_NONE: Mapping[int, Node] = {}


class Outside(MutableNode[Any]):
    """Stands in a sub-graph for a node from outside, which the enclosing graph runs.

    It has ticks of its own, because a sub-graph that begins later has not seen the first ones.
    """

    def __init__(self, node: Node) -> None:
        self.node = node
        self.serial, self.wired_at, self.ticked_in = node.serial, node.wired_at, 0
        self._name = node.name

    @property
    def value(self) -> Any:
        """The present value of the node outside."""
        return self.node.value

    def reset(self) -> None:
        """Forget the ticks."""
        self.ticked_in = 0

    def cycle(self, state: GraphState) -> bool:
        """Tick, as the node outside did."""
        return True


class Plan:
    """A graph, or a sub-graph, made ready to run.

    Args:
        roots: the nodes that say which others are needed.
        outside: of a sub-graph, the nodes by id that it may read and does not run.
        oldest: of a sub-graph, the serial number from which on nodes are its own.

    Attributes:
        nodes: the nodes in the order in which they run; in place of a node from outside, an
            `Outside`.
        wired: the same nodes, with those from outside themselves.
        outside: the indices of the nodes from outside.
        active: for each node, the indices of the upstreams that trigger it.
        passive: for each node, the indices of the upstreams that it only reads.
        triggers: for each node, the indices of the nodes that its tick runs.
        gated: for each node, the indices of the nodes that wait for its first value.
        inputs: for each node, how many distinct upstreams must have a value before it may run.
        outputs: for each node with further outputs, their indices.
        subgraphs: for each node that has owned sub-graphs, some of their plans, by what they were
            for: the first of its keys, or each branch. Drawings show them.
        first: of the plan of a sub-graph that drawings do not show, the plan that they show for it.
        kept: for each node that has owned sub-graphs, what the tier that runs them keeps of them
            for later runs and, in a sub-graph, for the same node in other sub-graphs of this plan.
    """

    def __init__(
        self, roots: Iterable[Node], outside: Mapping[int, Node] = _NONE, oldest: int = 0
    ) -> None:
        found, readers = _wire(roots, outside, oldest)
        self.nodes = self.wired = _order(found, readers)
        self.outside: tuple[int, ...] = ()
        index = {id(node): i for i, node in enumerate(self.nodes)}
        shared: dict[tuple[int, ...], tuple[int, ...]] = {}
        self.triggers: list[tuple[int, ...]] = []
        self.gated: list[tuple[int, ...]] = []
        self.inputs = [0] * len(self.nodes)
        active: list[tuple[int, ...]] = [()] * len(self.nodes)
        passive = active.copy()
        for number, node in enumerate(self.nodes):
            triggered: list[int] = []
            waiting: list[int] = []
            for dependant, triggers in readers[id(node)].items():
                reader = index[dependant]
                if triggers:
                    triggered.append(reader)
                    active[reader] += (number,)
                else:
                    passive[reader] += (number,)
                if found[dependant].valid == "all":
                    waiting.append(reader)
                    self.inputs[reader] += 1
            for indices, kept in ((triggered, self.triggers), (waiting, self.gated)):
                ordered = tuple(sorted(indices))
                kept.append(shared.setdefault(ordered, ordered))
        self.active, self.passive = active, passive
        if outside:
            self.outside = tuple(i for i, node in enumerate(self.wired) if id(node) in outside)
            self.nodes = [Outside(node) if id(node) in outside else node for node in self.wired]
        self.subgraphs: dict[int, dict[tuple[str, Any], Plan]] = {}
        self.first: Plan | None = None
        self.kept: dict[tuple[int, Hashable], Any] = {}
        self.outputs: dict[int, list[int]] = {}
        for number, node in enumerate(self.nodes):
            if isinstance(node, OutputNode):
                self.outputs.setdefault(index[id(node.owner)], []).append(number)

    def names(self) -> list[str]:
        """Return the names of the nodes, no two alike: among namesakes, the later get a number.

        A default name, such as ``map_3``, never passes to another node. The nodes of a sub-graph
        that is wired like the first one, such as that of a later key, have the names of the first.
        """
        if self.first is not None and self._is_like(self.first):
            return self.first.names()
        own = [node.name for node in self.nodes]
        used = {name for name, node in zip(own, self.nodes, strict=True) if node._name is None}
        names: list[str] = []
        numbers: dict[str, int] = {}
        for name, node in zip(own, self.nodes, strict=True):
            unique = name
            if node._name is not None:
                while unique in used:
                    # The count goes on from the last number: starting over would be quadratic.
                    numbers[name] = numbers.get(name, 1) + 1
                    unique = f"{name}_{numbers[name]}"
                used.add(unique)
            names.append(unique)
        return names

    def _is_like(self, other: "Plan") -> bool:
        """Return whether another plan has the same nodes in the same places, except for numbers."""
        return [(type(node), node._name) for node in self.wired] == [
            (type(node), node._name) for node in other.wired
        ] and (self.active, self.passive) == (other.active, other.passive)

    @cached_property
    def closing(self) -> tuple[int, ...]:
        """The indices of the nodes that have a `close` method of their own (R14)."""
        inherited = MutableNode.close
        return tuple(
            index
            for index, node in enumerate(self.nodes)
            if getattr(node.close, "__func__", None) is not inherited
        )

    def with_nodes(self, nodes: Sequence[Node]) -> "Plan":
        """Return this plan for other nodes that are wired in the same way."""
        made = object.__new__(type(self))
        vars(made).update(vars(self))
        made.nodes = list(nodes)
        own = [node.node if isinstance(node, Outside) else node for node in nodes]
        made.wired = own
        return made

    def graph(self) -> "nx.DiGraph[Node]":
        """Return a new networkx graph; to keep it would double the memory that a node takes.

        Raises:
            InvalidTypeError: if networkx cannot tell the nodes apart.
        """
        import networkx as nx

        _refuse_alike(self.nodes)
        graph: nx.DiGraph[Node] = nx.DiGraph()
        graph.add_nodes_from(self.nodes)
        for sources, active in ((self.active, True), (self.passive, False)):
            for node, indices in zip(self.nodes, sources, strict=True):
                graph.add_edges_from(((self.nodes[i], node) for i in indices), active=active)
        return graph


def _refuse_alike(nodes: Iterable[Node]) -> None:
    met: dict[Node, Node] = {}
    for node in nodes:
        cls = type(node).__name__
        if type(node).__hash__ is None:
            raise InvalidTypeError(
                f"networkx needs vertices with a hash, and {node.name} has none, because {cls} "
                "defines __eq__ without __hash__"
            )
        other = met.setdefault(node, node)
        if other is not node:
            raise InvalidTypeError(
                f"networkx cannot tell {other.name} and {node.name} apart: the __eq__ of {cls} "
                "says that they are equal"
            )


def _wire(
    roots: Iterable[Node], outside: Mapping[int, Node], oldest: int
) -> tuple[dict[int, Node], dict[int, dict[int, bool]]]:
    """Return what the roots reach, by id, and for each who reads it and whether that is active.

    Args:
        roots: the roots.
        outside: the nodes at which to stop, by id.
        oldest: the serial number from which on other nodes may be used.
    """
    found = {id(root): root for root in roots}
    readers: dict[int, dict[int, bool]] = {vertex: {} for vertex in found}
    waiting = list(found.values())
    while waiting:
        node = waiting.pop()
        if id(node) in outside:
            continue
        if node.serial < oldest:
            raise WiringError(
                f"{node.name}, wired at {place_text(node.wired_at)}, is not of this "
                "sub-graph, and build does not show that it uses it: name its stream in uses="
            )
        upstreams = node.upstreams()
        if not isinstance(upstreams, Upstreams):
            raise InvalidTypeError(
                f"upstreams of {type(node).__name__} must return "
                f"gc.Upstreams(active=(...), passive=(...)), not {shorten(upstreams)}"
            )
        starts = getattr(node.start, "__func__", None) is not MutableNode.start
        by_owner = isinstance(node, OutputNode)
        if upstreams.passive and not (upstreams.active or starts or by_owner):
            raise WiringError(
                f"{node.name} never runs: all that it reads is passive, which triggers nothing, "
                "and it sets no alarm in start; make an input Active"
            )
        if not starts and _forgot_upstreams(type(node)):
            raise WiringError(
                f"{node.name} never runs: {type(node).__name__} names no upstreams and sets no "
                "alarm in start; override upstreams() to return gc.Upstreams(active=(...))"
            )
        # An upstream that is both active and passive triggers: the edge added last stays.
        edges = [(given, False) for given in upstreams.passive]
        edges += [(given, True) for given in upstreams.active]
        for given, active in edges:
            upstream = node_of(given, f"an upstream of {node.name}")
            if id(upstream) not in found:
                found[id(upstream)], readers[id(upstream)] = upstream, {}
                waiting.append(upstream)
            readers[id(upstream)][id(node)] = active
        for partner in node.partners():
            if id(partner) not in found:
                found[id(partner)], readers[id(partner)] = partner, {}
                waiting.append(partner)
    return found, readers


def _forgot_upstreams(cls: type[Node]) -> bool:
    """Return whether a class has a `cycle` that nothing can run; a source may never tick."""
    names_none = cls.upstreams is MutableNode.upstreams and not cls._inputs
    return names_none and cls.cycle is not MutableNode.cycle and not issubclass(cls, Source)


def _order(found: dict[int, Node], readers: dict[int, dict[int, bool]]) -> list[Node]:
    sorter: TopologicalSorter[int] = TopologicalSorter()
    for vertex in found:
        sorter.add(vertex)
    for vertex, dependants in readers.items():
        for dependant in dependants:
            sorter.add(dependant, vertex)
    try:
        sorter.prepare()
    except CycleError as error:
        names = " -> ".join(found[vertex].name for vertex in error.args[1])
        raise WiringError(
            f"the wiring has a cycle: {names}; "
            "close a loop with graphcore.feedback(), which delivers in the next cycle"
        ) from None
    # Nodes with the same serial number, such as copies, run in the order in which they were found.
    vertices = list(found)
    numbers = {vertex: number for number, vertex in enumerate(vertices)}
    ready: list[tuple[int, int]] = []
    order: list[Node] = []
    while sorter.is_active():
        for vertex in sorter.get_ready():
            heappush(ready, (found[vertex].serial, numbers[vertex]))
        vertex = vertices[heappop(ready)[1]]
        sorter.done(vertex)
        order.append(found[vertex])
    return order
