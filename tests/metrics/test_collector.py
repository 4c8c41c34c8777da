"""`GraphCollector`: what a scrape tells of graphs that run, have run, or never ran."""

import itertools
import threading
from collections.abc import Iterator
from typing import Any

import prometheus_client
import pytest

import graphcore as gc
from graphcore.engine.fused import Fused
from graphcore.metrics import GraphCollector, count_ticks
from graphcore.testing import wait_until
from graphcore_zmq import zmq_pub, zmq_sub

TIERS = ["fused", "interpreted", "native"]


class Scraped:
    """A registry with one collector, of which samples are read by name."""

    def __init__(self, collector: GraphCollector) -> None:
        self.registry = prometheus_client.CollectorRegistry()
        self.registry.register(collector)

    def __call__(self, name: str, graph: str = "one", **labels: str) -> float | None:
        """Scrape, and return the one sample that has these labels among its own."""
        found = [
            sample.value
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == f"graphcore_{name}"
            and {"graph": graph, **labels}.items() <= sample.labels.items()
        ]
        assert len(found) < 2
        return found[0] if found else None

    def state(self) -> str:
        (state,) = [
            sample.labels["state"]
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == "graphcore_run_state" and sample.value == 1
        ]
        return state

    def nodes_of(self, name: str) -> set[str]:
        """Scrape, and return the nodes that have a metric."""
        return {
            sample.labels["node"]
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == f"graphcore_{name}"
        }


def scraped(graph: gc.Graph, **options: Any) -> Scraped:
    return Scraped(GraphCollector({"one": graph}, **options))


def without_end() -> Iterator[tuple[int, int]]:
    return ((n, n) for n in itertools.count())


@pytest.mark.parametrize("tier", TIERS)
def test_cycles_runs_and_counted_ticks_are_exact_on_each_tier(tier: Any) -> None:
    values = gc.replay(range(1_000), range(1_000))
    odd = values.filter(lambda n: n % 2 == 1).named("odd")
    graph = gc.Graph(odd, *count_ticks(values, odd))
    figure = scraped(graph)
    assert figure("cycles_total") == 0
    assert figure("node_ticks_total", node="odd") == 0
    first, second = graph.run(tier=tier), graph.run(tier=tier, cycles=301)
    assert figure("cycles_total") == first.cycles + second.cycles == 1_301
    assert figure("runs_total", ended_by="sources") == figure("runs_total", ended_by="cycles") == 1
    # Those of the last run, as the counts of ZeroMQ are.
    assert figure("node_ticks_total", node="odd", kind="Filter") == 150
    assert figure("node_ticks_total", kind="Replay") == 301


@pytest.mark.parametrize("tier", TIERS)
def test_a_run_that_fails_is_counted_as_an_error_with_its_cycles(tier: Any) -> None:
    graph = gc.Graph(gc.replay([1, 2, 3], [1, 1, 0]).map(lambda n: 1 // n))
    figure = scraped(graph)
    with pytest.raises(ZeroDivisionError):
        graph.run(tier=tier)
    assert figure("runs_total", ended_by="error") == 1
    assert figure("cycles_total") == 3
    assert figure.state() == "idle"


@pytest.mark.parametrize("tier", ["fused", "interpreted"])
@pytest.mark.parametrize("mode", ["history", "live"])
def test_counts_grow_during_a_run_and_never_fall(tier: Any, mode: str) -> None:
    numbers = gc.replay(without_end).named("numbers")
    graph = gc.Graph(*count_ticks(numbers))
    figure = scraped(graph)
    seen: list[float] = []
    for _ in range(2):
        options: Any = {"realtime": mode == "live", "cycles": 10**12, "tier": tier}
        with graph.running(**options) as run:
            assert figure.state() == "running"
            for _ in range(10):
                seen.append(figure("cycles_total") or 0)
            run.stop()
        seen.append(figure("cycles_total") or 0)
    assert seen == sorted(seen)
    assert seen[0] < seen[9] < seen[-1]


def test_a_graph_that_never_ran_has_figures_of_the_graph_alone() -> None:
    figure = scraped(gc.Graph(gc.ticker("1s").count().named("seconds")))
    assert figure.state() == "idle"
    assert figure("cycles_total") == figure("waiting_seconds_total") == 0
    assert figure("nodes", kind="Count") == figure("nodes", kind="Ticker") == 1
    for name in ("engine_time_seconds", "schedule_lag_seconds", "run_start_time_seconds"):
        assert figure(name) is None
    assert figure.nodes_of("node_ticks_per_second") == set()


def test_the_figures_of_nodes_end_with_the_run() -> None:
    graph = gc.Graph(gc.ticker("1ms").count().named("count"))
    figure = scraped(graph)
    with graph.running():
        assert "count" in figure.nodes_of("node_last_tick_age_seconds")
        assert figure("run_start_time_seconds") is not None
    assert figure.nodes_of("node_last_tick_age_seconds") == set()
    assert figure("run_start_time_seconds") is None


def test_ages_tell_the_nodes_that_tick_from_those_that_do_not() -> None:
    often = gc.ticker("1ms").count().named("often")
    once = often.limit(1).named("once")
    never = often.filter(lambda n: False).named("never")
    graph = gc.Graph(once, never)
    figure = scraped(graph)
    with graph.running():

        def age(node: str) -> float:
            return figure("node_last_tick_age_seconds", node=node) or 0.0

        wait_until(lambda: age("once") > 0.3 and age("never") > 0.3)
        assert age("often") < 0.3
        assert figure("node_ticks_per_second", node="never") == 0


def test_rates_of_nodes_have_the_shares_of_their_ticks() -> None:
    numbers = gc.replay(without_end).named("numbers")
    tenths = numbers.filter(lambda n: n % 10 == 0).named("tenths")
    graph = gc.Graph(tenths)
    figure = scraped(graph)
    with graph.running(realtime=False, cycles=10**12):
        wait_until(lambda: (figure("node_ticks_per_second", node="tenths") or 0.0) > 0)
        for _ in range(20):
            figure("cycles_total")
        everything = figure("node_ticks_per_second", node="numbers")
        some = figure("node_ticks_per_second", node="tenths")
        assert everything is not None and some is not None
        # An estimate: of a node that ticks like clockwork, up to twice too high.
        assert everything / 30 < some < everything / 3


def test_queues_and_drops_are_those_of_the_nodes() -> None:
    numbers = gc.from_iterable(range(50)).named("numbers")
    begun, go_on = threading.Event(), threading.Event()

    def send(sender: gc.Sender[int], stop: threading.Event) -> None:
        sender.send_many(range(10))
        begun.set()
        stop.wait()

    hourly = gc.ticker("1h").count()
    numbers = gc.receiver(send, delivery="each").named("numbers")
    seen = numbers.for_each(lambda n: n == 0 and go_on.wait(20)).named("seen")
    graph = gc.Graph(
        seen,
        numbers.delay("1h").named("delayed"),
        numbers.pace("1h", capacity=2, on_full="drop_oldest").named("paced"),
        gc.zip(numbers, hourly.skip(1), capacity=3).named("zipped"),
    )
    figure = scraped(graph)
    with graph.running():
        assert begun.wait(20)
        go_on.set()
        wait_until(lambda: figure("queue_length", node="delayed") == 10)
        assert figure("queue_length", node="numbers", kind="ReceiverStream") == 0
        assert figure("queue_capacity", node="numbers") == 100_000
        assert figure("queue_capacity", node="delayed") is None
        assert figure("queue_length", node="paced") == figure("queue_capacity", node="paced") == 2
        assert figure("queue_length", node="zipped") == figure("queue_capacity", node="zipped") == 3
        # One of the ten has ticked, and two wait.
        assert figure("dropped_values_total", node="paced") == 7
        assert figure("dropped_values_total", node="zipped") == 7
    assert figure("dropped_values_total", node="paced") == 7
    assert figure("queue_length", node="paced") is None


def test_what_a_receiver_has_taken_and_not_delivered_still_waits() -> None:
    entered, go_on = threading.Event(), threading.Event()

    def wait(n: int) -> None:
        entered.set()
        assert go_on.wait(20)

    def send(sender: gc.Sender[int], stop: threading.Event) -> None:
        sender.send_many(range(10))

    numbers = gc.receiver(send, delivery="each").named("numbers")
    graph = gc.Graph(numbers.for_each(wait))
    figure = scraped(graph)
    with graph.running():
        assert entered.wait(20)
        # The cycle does not end, so the scrape looks at it after a second.
        assert figure("queue_length", node="numbers") == 9
        assert figure.state() == "running"
        go_on.set()


def test_the_sub_graphs_of_a_node_are_counted() -> None:
    keys = gc.ticker("1ms").count().group_by(lambda n: n % 7, lambda each, key: each.count())
    graph = gc.Graph(keys.changes.named("keys"))
    figure = scraped(graph)
    with graph.running():
        wait_until(lambda: figure("subgraphs", node="keys") == 7)


def test_a_sub_graph_in_a_thread_of_its_own_counts_until_it_ends() -> None:
    counts = gc.ticker("1ms").count()
    apart = gc.threaded(lambda each: each.map(lambda n: -n), counts).named("apart")
    graph = gc.Graph(apart)
    figure = scraped(graph)
    with graph.running():
        wait_until(lambda: figure("subgraphs", node="apart") == 1)


def test_the_lag_is_how_late_the_next_alarm_is() -> None:
    entered, go_on = threading.Event(), threading.Event()

    def wait(n: int) -> None:
        if n == 2:
            entered.set()
            assert go_on.wait(20)

    graph = gc.Graph(gc.ticker("10ms").count().for_each(wait))
    figure = scraped(graph)
    with graph.running():
        assert entered.wait(20)
        # The scrape waits for a second for the end of the cycle, so the next alarm is as late.
        assert 0.5 < (figure("schedule_lag_seconds") or 0.0) < 20
        go_on.set()
        wait_until(lambda: (figure("schedule_lag_seconds") or 0.0) < 0.5)


def test_a_paused_run_is_told_from_a_running_one() -> None:
    from tests.view.pages import page_of

    graph = gc.Graph(gc.replay(without_end).count())
    figure = scraped(graph)
    with (
        graph.serve(paused=True) as view,
        graph.running(realtime=False, cycles=10**12),
        page_of(view) as page,
    ):
        page.ask(rows={"search": "", "first": 0, "count": 10})
        page.until(lambda now: now["status"] == "paused")
        assert figure.state() == "paused"
        assert figure("cycles_total") == figure("cycles_total")
        page.ask(pause=False)
        wait_until(lambda: figure.state() == "running")


def test_a_graph_is_added_during_a_run_and_removed() -> None:
    graph = gc.Graph(gc.ticker("1ms").count())
    collector = GraphCollector()
    figure = Scraped(collector)
    assert figure("cycles_total") is None
    with graph.running():
        collector.add("one", graph)
        assert figure.state() == "running"
        wait_until(lambda: (figure("cycles_total") or 0) > 10)
        collector.remove("one")
        assert figure("cycles_total") is None
        collector.add("one", graph)
    assert figure("runs_total", ended_by="stop") == 1


def test_several_graphs_share_the_metrics() -> None:
    graphs = {f"graph {n}": gc.Graph(gc.ticker("1ms").count().named("count")) for n in range(3)}
    figure = Scraped(GraphCollector(graphs))
    runs = [each.running() for each in graphs.values()]
    with runs[0], runs[1], runs[2]:
        for name in graphs:
            wait_until(lambda name=name: (figure("cycles_total", graph=name) or 0) > 10)
    names = [family.name for family in figure.registry.collect()]
    assert len(names) == len(set(names))


def test_nodes_of_a_large_graph_have_figures_if_they_are_named() -> None:
    numbers = gc.ticker("1ms").count().named("numbers")
    nodes = [numbers.map(lambda n: n).named(f"node {k}") for k in range(200)]
    graph = gc.Graph(*nodes)
    all_of_them, few = GraphCollector(most_nodes=1_000), GraphCollector()
    all_of_them.add("one", graph)
    few.add("one", graph, nodes=[numbers, nodes[7]])
    with graph.running():
        assert scraped(graph).nodes_of("node_last_tick_age_seconds") == set()
        assert Scraped(few).nodes_of("node_last_tick_age_seconds") == {"numbers", "node 7"}
        assert len(Scraped(all_of_them).nodes_of("node_last_tick_age_seconds")) == 202


def test_a_run_that_nobody_scrapes_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[object] = []
    look = Fused.look

    def counted(tier: Fused, *given: Any) -> Any:
        looks.append(given)
        return look(tier, *given)

    monkeypatch.setattr(Fused, "look", counted)
    graph = gc.Graph(gc.from_iterable(range(1_000)).count())
    before = graph.fused_source()
    figure = scraped(graph)
    graph.run()
    graph.run(realtime=True)
    assert looks == []
    assert graph.fused_source() == before
    assert figure("cycles_total") == 2_000


def test_scrapes_from_many_threads_see_counts_that_never_fall() -> None:
    graph = gc.Graph(gc.replay(range(2_000), range(2_000)).count())
    figure = scraped(graph)
    done = threading.Event()
    wrong: list[list[float]] = []

    def scrape() -> None:
        seen = [0.0]
        while not done.is_set():
            seen.append(figure("cycles_total") or 0.0)
        if seen != sorted(seen):
            wrong.append(seen)

    scrapers = [threading.Thread(target=scrape) for _ in range(3)]
    for each in scrapers:
        each.start()
    for n in range(30):
        graph.run(realtime=n % 2 == 1)
    done.set()
    for each in scrapers:
        each.join(20)
    assert wrong == []
    assert figure("cycles_total") == 60_000


@pytest.mark.zmq
def test_publishers_and_subscribers_are_exported_with_their_graph() -> None:
    publisher = zmq_pub(gc.ticker("1ms").count(), 0, bind="127.0.0.1")
    sending = gc.Graph(publisher)
    with sending.running():
        data, status = zmq_sub(publisher.node.port)
        graph = gc.Graph(status, data.named("quotes"))
        figure = Scraped(GraphCollector({"one": graph, "sending": sending}))
        with graph.running():
            values = "zmq_subscriber_values_total"
            wait_until(lambda: (figure(values, node="quotes") or 0) > 10)
            assert figure.nodes_of(values) == {"quotes"}
            assert (figure("zmq_subscriber_latency_seconds_count", node="quotes") or 0) > 10
            name = publisher.node.name
            assert figure("zmq_publisher_peers", graph="sending", node=name) == 1
