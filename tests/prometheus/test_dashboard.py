"""A real Prometheus scrapes running graphs, and each panel of the docs' dashboard has data."""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import prometheus_client
import pytest

import graphcore as gc
from graphcore.metrics import GraphCollector, count_ticks
from graphcore_zmq import zmq_pub, zmq_sub
from tests.prometheus.conftest import Prometheus

pytestmark = pytest.mark.zmq
DASHBOARD = json.loads(
    (Path(__file__).parents[2] / "docs" / "grafana" / "graphcore.json").read_text()
)


@contextmanager
def served(collector: GraphCollector) -> Iterator[int]:
    """Serve a collector, and yield the port."""
    registry = prometheus_client.CollectorRegistry()
    registry.register(collector)
    server, thread = prometheus_client.start_http_server(0, "127.0.0.1", registry)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def receiving(port: int) -> gc.Graph:
    """A graph in which each metric of nodes has something to tell."""
    data, status = zmq_sub(port)
    values = data.unroll().named("values")
    hourly = gc.ticker("1h").count()
    return gc.Graph(
        status,
        values.pace("1h", capacity=5, on_full="drop_oldest").named("paced"),
        gc.zip(values, hourly, capacity=100_000).named("zipped"),
        values.group_by(lambda n: n % 3, lambda each, key: each.sum()).changes.named("by key"),
        *count_ticks(values),
    )


def expressions() -> list[str]:
    """Return the queries of all panels, as Grafana sends them."""
    return [
        target["expr"].replace("$graph", ".*").replace("$__rate_interval", "10s")
        for panel in DASHBOARD["panels"]
        for target in panel["targets"]
    ]


def test_each_panel_of_the_dashboard_has_data(
    scraping: Callable[[int], Prometheus],
) -> None:
    publisher = zmq_pub(gc.ticker("1ms").count(), 0, bind="127.0.0.1")
    sending = gc.Graph(publisher)
    with sending.running():
        graph = receiving(publisher.node.port)
        collector = GraphCollector({"sending": sending, "receiving": graph})
        with served(collector) as port, graph.running():
            prometheus = scraping(port)
            assert len(expressions()) > 20
            for expression in expressions():
                found = prometheus.until_data(expression)
                values = [float(each["value"][1]) for each in found]
                assert all(math.isfinite(value) and value >= 0 for value in values), expression
            by_graph = prometheus.get("/api/v1/label/graph/values")
            assert by_graph == ["receiving", "sending"]


def test_the_figures_of_prometheus_are_those_of_the_graph(
    scraping: Callable[[int], Prometheus],
) -> None:
    thirds = gc.ticker("1ms").count().filter(lambda n: n % 3 == 0).named("thirds")
    graph = gc.Graph(*count_ticks(thirds))
    with served(GraphCollector({"one": graph})) as port:
        prometheus = scraping(port)

        def figure(expression: str) -> float:
            (found,) = prometheus.until_data(expression)
            return float(found["value"][1])

        assert figure('graphcore_run_state{state="idle"} == 1') == 1
        report = graph.run(realtime=True, cycles=3_000)
        assert figure("graphcore_cycles_total == 3000") == report.cycles
        assert figure('graphcore_runs_total{ended_by="cycles"} == 1') == 1
        assert figure('graphcore_node_ticks_total{node="thirds"} == 1000') == 1_000
        with graph.running():
            # Of an estimate one can ask that it is near.
            rate = figure('graphcore_node_ticks_per_second{node="thirds"} > 100')
            assert rate < 1_000
            assert figure("changes(graphcore_cycles_total[10s]) > 2") > 2
