"""R2: a node runs at most once in a cycle, after its upstreams, in the order of construction."""

from typing import Any

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc


class Recorder(gc.MutableNode[int]):
    """Records when it runs; reads any upstreams, actively or passively."""

    def __init__(self, number: int, active: list[Any], passive: list[Any], log: list[int]) -> None:
        super().__init__()
        self.number, self.log = number, log
        self.active, self.passive = active, passive

    def upstreams(self) -> gc.Upstreams:
        return gc.Upstreams(active=tuple(self.active), passive=tuple(self.passive))

    def start(self, state: gc.GraphState) -> None:
        self.log.append(-1 - self.number)
        if not self.active:
            state.schedule(state.time)

    def cycle(self, state: gc.GraphState) -> bool:
        self.log.append(self.number)
        self.value = self.number
        return True


# For each node: which earlier nodes it reads, and whether actively.
WIRINGS = st.lists(
    st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=4), min_size=1, max_size=30
)


def wire(wiring: list[list[tuple[int, bool]]]) -> tuple[list[Recorder], list[int]]:
    nodes: list[Recorder] = []
    log: list[int] = []
    for number, edges in enumerate(wiring):
        reads = [(nodes[to % number], active) for to, active in edges if number]
        active = [node for node, triggers in reads if triggers]
        passive = [node for node, triggers in reads if not triggers]
        nodes.append(Recorder(number, active, passive, log))
    return nodes, log


@given(WIRINGS, st.randoms())
def test_r2_each_node_runs_once_a_cycle_in_the_order_of_construction(
    wiring: list[list[tuple[int, bool]]], random: Any
) -> None:
    nodes, log = wire(wiring)
    roots = random.sample(nodes, len(nodes))
    graph = gc.Graph(*roots)
    graph.run()
    numbers = list(range(len(nodes)))
    assert log == [-1 - number for number in numbers] + numbers


@given(WIRINGS, st.randoms())
def test_r2_the_order_is_topological_also_where_nodes_were_rewired_by_hand(
    wiring: list[list[tuple[int, bool]]], random: Any
) -> None:
    nodes, log = wire(wiring)
    # Reverse the numbers: now each node reads nodes that were constructed after it.
    renamed = random.sample(nodes, len(nodes))
    oracle: nx.DiGraph[int] = nx.DiGraph()
    oracle.add_nodes_from(range(len(nodes)))
    reads = [(list(node.active), list(node.passive)) for node in nodes]
    for node, (active, passive) in zip(nodes, reads, strict=True):
        new = renamed[node.number]
        new.active = [renamed[a.number] for a in active]
        new.passive = [renamed[p.number] for p in passive]
        for upstream in new.active + new.passive:
            oracle.add_edge(upstream.number, new.number)
    gc.Graph(*nodes).run()
    ran = [number for number in log if number >= 0]
    assert ran == list(nx.lexicographical_topological_sort(oracle))


@given(WIRINGS)
def test_r2_the_networkx_graph_holds_every_edge_and_whether_it_triggers(
    wiring: list[list[tuple[int, bool]]],
) -> None:
    nodes, _ = wire(wiring)
    graph = gc.Graph(*nodes).networkx
    assert nx.is_directed_acyclic_graph(graph)
    assert set(graph.nodes) == set(nodes)
    expected = {(p, node): False for node in nodes for p in node.passive}
    expected |= {(a, node): True for node in nodes for a in node.active}
    assert {(a, b): active for a, b, active in graph.edges(data="active")} == expected


def test_r2_a_diamond_runs_its_bottom_once_with_both_new_values() -> None:
    seen = []
    top = gc.from_iterable([1, 2, 3])
    left, right = top.map(lambda n: n * 10), top.map(lambda n: n * 100)
    bottom = left.join(right, lambda a, b: seen.append((a, b)))
    bottom.run()
    assert seen == [(10, 100), (20, 200), (30, 300)]


def test_r2_a_passive_upstream_that_runs_comes_first_too() -> None:
    values = gc.from_iterable([1, 2, 3])
    late = values.map(lambda n: -n)
    assert values.with_latest(late).collect().run().cycles == 3
    out = values.with_latest(late).collect()
    out.run()
    assert out.values == [(1, -1), (2, -2), (3, -3)]


def test_r2_the_roots_and_their_order_change_nothing_in_the_order() -> None:
    tick = gc.ticker("1s")
    first, second = tick.map(lambda n: n + 1), tick.map(lambda n: n + 2)
    one, other = gc.Graph(first, second).nodes, gc.Graph(second, first, second).nodes
    assert one == other == (tick.node, first.node, second.node)
