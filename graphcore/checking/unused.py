"""Nodes that were wired onto the graph's nodes and that no graph has."""

import gc
from collections.abc import Iterator

from graphcore.checking.finding import Finding, Kind
from graphcore.checking.look import Look
from graphcore.engine.plan import Node, Plan
from graphcore.errors import GraphcoreError
from graphcore.node import EffectNode, MutableNode, dropped, node_of
from graphcore.output import OutputNode
from graphcore.subgraph import Inlet

_ADVICE = "give it to Graph(...) as a further root"


def nodes_in_no_graph(look: Look) -> Iterator[Finding]:
    """Yield a finding for each chain of nodes that begins in this graph and that no graph has held.

    Of a chain, the last node is named: the one that was to be a root.
    """
    own = look.places
    gc.collect()  # what only waits to be freed is nobody's any more
    loose, used_lines = _loose_nodes()
    effects = {
        (type(node), id(getattr(node, "source", None)))
        for node in look.nodes
        if isinstance(node, EffectNode)
    }
    for gone in list(dropped):
        source = gone.source()
        if source is None or id(source) not in own or gone.wired_at in used_lines:
            continue
        if (gone.cls, id(source)) not in effects:  # else it was wired again, properly
            yield Finding(
                Kind.NOT_IN_GRAPH,
                gone.name,
                gone.wired_at,
                f"{gone.name} does nothing: it was wired to {look.names[own[id(source)]]}, and no "
                "graph has it",
                "keep what the call returns, and give it to Graph(...) as a further root",
            )
    read = {id(each) for node in loose.values() for each in _upstreams(node)}
    for key, node in loose.items():
        if key in read or node.wired_at in used_lines:
            continue
        begins = _where_it_begins(node, own, loose)
        if begins is not None:
            yield Finding(
                Kind.NOT_IN_GRAPH,
                node.name,
                node.wired_at,
                f"{node.name} never runs: it was wired to {look.names[begins]}, and no graph has "
                "it",
                _ADVICE,
            )


def _loose_nodes() -> tuple[dict[int, Node], set[tuple[str, int]]]:
    """Return the nodes of the process that no graph has, and the lines that wired others.

    Of what one line wires, such as the two streams of `zmq_sub` or a stream for each symbol, some
    may well be left unused.
    """
    nodes: list[Node] = []
    planned: set[int] = set()
    for each in gc.get_objects():
        cls = type(each)
        if issubclass(cls, MutableNode):
            nodes.append(each)
        elif cls is Plan:
            planned.update(map(id, each.wired))
    loose: dict[int, Node] = {}
    used_lines: set[tuple[str, int]] = set()
    for node in nodes:
        if "serial" not in vars(node):  # its constructor failed
            continue
        if node._in_graph or id(node) in planned:
            used_lines.add(node.wired_at)
        elif not isinstance(node, OutputNode | Inlet):
            loose[id(node)] = node
    return loose, used_lines


def _where_it_begins(node: Node, own: dict[int, int], loose: dict[int, Node]) -> int | None:
    """Return the node of the graph that a chain of loose nodes reads; `None` if it reads none."""
    seen: set[int] = set()
    waiting = [node]
    begins: int | None = None
    while waiting:
        for upstream in _upstreams(waiting.pop()):
            if isinstance(upstream, Inlet):  # part of a sub-graph
                return None
            if id(upstream) in own:
                begins = own[id(upstream)] if begins is None else begins
            elif id(upstream) in loose and id(upstream) not in seen:
                seen.add(id(upstream))
                waiting.append(upstream)
    return begins


def _upstreams(node: Node) -> list[Node]:
    try:
        given = node.upstreams()
        return [node_of(each) for each in (*given.active, *given.passive)]
    except (GraphcoreError, AttributeError):  # a feedback not bound, a constructor that failed
        return []
