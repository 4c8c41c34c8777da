"""What `graphcore.metrics` refuses, and what it says of measures that cannot be exported."""

import logging
import subprocess
import sys
from typing import Any

import prometheus_client
import pytest

import graphcore as gc
from graphcore.metrics import GraphCollector, count_ticks
from graphcore.seeing import Buckets, Measure, Measured, MeasureKind, measured


def graph() -> gc.Graph:
    return gc.Graph(gc.ticker("1s").count())


def test_without_prometheus_client_the_import_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['prometheus_client'] = None\n"
        "import graphcore, graphcore_zmq\n"
        "import graphcore.metrics"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == (
        "ImportError: graphcore.metrics needs prometheus_client: pip install 'graphcore[metrics]'"
    )


def test_two_graphs_cannot_have_one_name() -> None:
    collector = GraphCollector({"prices": graph()})
    with pytest.raises(gc.InvalidValueError, match="'prices' is the name of another exported gra"):
        collector.add("prices", graph())
    collector.remove("prices")
    collector.add("prices", graph())


def test_a_second_collector_in_one_registry_is_refused_by_the_registry() -> None:
    registry = prometheus_client.CollectorRegistry()
    registry.register(GraphCollector({"prices": graph()}))
    with pytest.raises(ValueError, match="graphcore_cycles"):
        registry.register(GraphCollector({"orders": graph()}))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"graphs": {"prices": 3}}, gc.InvalidTypeError, "'prices' must be a graph, not 3"),
        ({"graphs": {3: None}}, gc.InvalidTypeError, "the name of a graph must be text, not 3"),
        ({"graphs": {"": graph()}}, gc.InvalidValueError, "the name of a graph cannot be empty"),
        ({"graphs": graph()}, gc.InvalidTypeError, "GraphCollector takes graphs by name, such as"),
        ({"most_nodes": "9"}, gc.InvalidTypeError, "most_nodes must be a whole number, not '9'"),
        ({"most_nodes": True}, gc.InvalidTypeError, "most_nodes must be a whole number, not True"),
        ({"most_nodes": -1}, gc.InvalidValueError, "most_nodes must be 0 or more, not -1"),
    ],
)
def test_a_collector_names_what_is_wrong(
    given: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        GraphCollector(**given)


def test_nodes_must_be_in_the_graph() -> None:
    other = gc.ticker("1s").named("other")
    with pytest.raises(gc.InvalidValueError, match="other is not in the graph 'prices'"):
        GraphCollector().add("prices", graph(), nodes=[other])
    with pytest.raises(gc.InvalidTypeError, match="nodes"):
        GraphCollector().add("prices", graph(), nodes=[3])  # type: ignore[list-item]


def test_only_what_was_added_can_be_removed() -> None:
    with pytest.raises(gc.InvalidValueError, match="no exported graph has the name 'prices'"):
        GraphCollector().remove("prices")


def test_ticks_are_counted_of_streams() -> None:
    with pytest.raises(gc.InvalidValueError, match="count_ticks needs at least one stream"):
        count_ticks()
    with pytest.raises(gc.InvalidTypeError, match="stream 2 of count_ticks"):
        count_ticks(gc.ticker("1s"), 3)  # type: ignore[arg-type]


@gc.node
class Feed(gc.MutableNode[int]):
    source: gc.Active[int]
    told: Any

    def cycle(self, state: gc.GraphState) -> bool:
        return False


measured.register(Feed, lambda node: Measured(node, node.told(node)))


def collected(told: Any) -> list[Any]:
    graph = gc.Graph(Feed(gc.ticker("1s").count(), told))
    found: list[Any] = []
    for family in GraphCollector({"one": graph}).collect():
        found += [(each.name, each.value) for each in family.samples if "feed" in each.name]
    return found


def test_the_measures_of_a_class_are_exported_in_each_kind() -> None:
    buckets = Buckets([(0.5, 1), (float("inf"), 3)], 2.5)
    assert collected(
        lambda node: [
            Measure("feed_bytes", "size", MeasureKind.COUNTER, 7),
            Measure("feed_open", "whether it is open", MeasureKind.GAUGE, 1),
            Measure("feed_delay_seconds", "delay", MeasureKind.HISTOGRAM, buckets),
        ]
    ) == [
        ("feed_bytes_total", 7),
        ("feed_open", 1),
        ("feed_delay_seconds_bucket", 1),
        ("feed_delay_seconds_bucket", 3),
        ("feed_delay_seconds_count", 3),
        ("feed_delay_seconds_sum", 2.5),
    ]


def test_a_measure_that_raises_is_logged_and_the_other_figures_are_there(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR, logger="graphcore.metrics"):
        assert collected(lambda node: 1 / 0) == []
    assert "cannot be read" in caplog.text and "ZeroDivisionError" in caplog.text


def test_a_value_must_fit_its_kind() -> None:
    with pytest.raises(gc.InvalidTypeError, match="'feed_delay' is a histogram, which cannot have"):
        collected(lambda node: [Measure("feed_delay", "delay", MeasureKind.HISTOGRAM, 3)])
    with pytest.raises(gc.InvalidTypeError, match="'feed_bytes' is a counter, which cannot have"):
        value = Buckets([], 0)
        collected(lambda node: [Measure("feed_bytes", "size", MeasureKind.COUNTER, value)])
