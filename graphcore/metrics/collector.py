"""`GraphCollector`: what prometheus_client asks at each scrape."""

import logging
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from prometheus_client.registry import Collector

from graphcore.errors import InvalidTypeError, InvalidValueError
from graphcore.graph import Graph, views_of
from graphcore.metrics.families import Families, Family
from graphcore.metrics.runs import STATES, Reading, Runs
from graphcore.metrics.ticks import TickCount
from graphcore.node import Active, node_of
from graphcore.seeing import Measure, MeasureKind, measured
from graphcore.state import EndedBy

_logger = logging.getLogger(__name__)

_MOST_AT_ONCE = 16
_OF_GRAPH = ("graph",)
_OF_NODE = ("graph", "node", "kind")
_GAUGE, _COUNTER = MeasureKind.GAUGE, MeasureKind.COUNTER

# Each metric: its name, how it changes, its help text, its labels.
_METRICS: tuple[tuple[str, MeasureKind, str, Sequence[str]], ...] = (
    ("graphcore_nodes", _GAUGE, "Nodes by class", ("graph", "kind")),
    ("graphcore_run_state", _GAUGE, "1 for the present state of the graph", ("graph", "state")),
    ("graphcore_runs", _COUNTER, "Runs that have ended", ("graph", "ended_by")),
    ("graphcore_cycles", _COUNTER, "Cycles that have run", _OF_GRAPH),
    (
        "graphcore_waiting_seconds",
        _COUNTER,
        "Time of waiting for events",
        _OF_GRAPH,
    ),
    ("graphcore_run_start_time_seconds", _GAUGE, "When the present run began", _OF_GRAPH),
    ("graphcore_engine_time_seconds", _GAUGE, "Engine time of the last cycle", _OF_GRAPH),
    ("graphcore_schedule_lag_seconds", _GAUGE, "How late the next alarm is", _OF_GRAPH),
    ("graphcore_node_ticks", _COUNTER, "Ticks of the streams given to count_ticks", _OF_NODE),
    ("graphcore_node_ticks_per_second", _GAUGE, "Ticks a second of real time, estimated", _OF_NODE),
    ("graphcore_node_last_tick_age_seconds", _GAUGE, "Engine time since the last tick", _OF_NODE),
    ("graphcore_queue_length", _GAUGE, "Values that wait in the node", _OF_NODE),
    ("graphcore_queue_capacity", _GAUGE, "How many values may wait in the node", _OF_NODE),
    ("graphcore_dropped_values", _COUNTER, "Values dropped because too many waited", _OF_NODE),
    ("graphcore_subgraphs", _GAUGE, "Sub-graphs of the node, such as one for each key", _OF_NODE),
)


class GraphCollector(Collector):
    """A collector for prometheus_client: figures of graphs, by the names that you give them.

    ``REGISTRY.register(GraphCollector({"prices": graph}))`` and
    ``prometheus_client.start_http_server(9100)`` export them. A graph may run before or after, any
    number of times. A run pays nothing except while it is scraped.

    Nodes have figures of their own if the graph has at most `most_nodes` nodes. Of a larger graph,
    only those have them that `add` names, so that Prometheus need not keep too many series.

    Args:
        graphs: the graphs by name: the label `graph`.
        most_nodes: the largest graph of which each node has figures.

    Raises:
        InvalidTypeError, InvalidValueError: as `add` does.

    >>> import graphcore as gc
    >>> from prometheus_client import CollectorRegistry
    >>> graph = gc.Graph(gc.ticker("1s").count())
    >>> registry = CollectorRegistry()
    >>> registry.register(GraphCollector({"seconds": graph}))
    >>> graph.run(duration="9s").cycles
    10
    >>> registry.get_sample_value("graphcore_cycles_total", {"graph": "seconds"})
    10
    """

    def __init__(self, graphs: Mapping[str, Graph] | None = None, *, most_nodes: int = 100) -> None:
        if isinstance(most_nodes, bool) or not isinstance(most_nodes, int):
            raise InvalidTypeError(f"most_nodes must be a whole number, not {most_nodes!r}")
        if most_nodes < 0:
            raise InvalidValueError(f"most_nodes must be 0 or more, not {most_nodes}")
        if graphs is not None and not isinstance(graphs, Mapping):
            raise InvalidTypeError(
                f"GraphCollector takes graphs by name, such as {{'prices': graph}}, not {graphs!r}"
            )
        self._most_nodes = most_nodes
        self._lock = threading.Lock()
        self._graphs: dict[str, _Exported] = {}
        for name, graph in (graphs or {}).items():
            self.add(name, graph)

    def add(self, name: str, graph: Graph, nodes: Iterable[Active[Any]] | None = None) -> None:
        """Export a further graph.

        Args:
            name: its name, the label `graph`.
            graph: the graph.
            nodes: its streams or nodes that have figures of their own. By default all, if the graph
                has at most `most_nodes` nodes, and otherwise none.

        Raises:
            InvalidTypeError: for a name that is not text, and for anything but a graph.
            InvalidValueError: for an empty name, one that another graph has, or a node that is not
                in the graph.
        """
        if not isinstance(name, str):
            raise InvalidTypeError(f"the name of a graph must be text, not {name!r}")
        if not isinstance(graph, Graph):
            raise InvalidTypeError(f"{name!r} must be a graph, not {graph!r}")
        if not name:
            raise InvalidValueError("the name of a graph cannot be empty")
        exported = _Exported(name, graph, self._shown(name, graph, nodes))
        with self._lock:
            if name in self._graphs:
                raise InvalidValueError(
                    f"{name!r} is the name of another exported graph: give each one of its own"
                )
            self._graphs[name] = exported
        views_of(graph).add(exported.runs)

    def remove(self, name: str) -> None:
        """Export a graph no more.

        Args:
            name: its name.

        Raises:
            InvalidValueError: if no graph has this name.
        """
        with self._lock:
            exported = self._graphs.pop(name, None)
        if exported is None:
            raise InvalidValueError(f"no exported graph has the name {name!r}")
        views_of(exported.graph).remove(exported.runs)

    def describe(self) -> Iterable[Family]:
        """Return the metrics without samples: a registry compares them with those that it has."""
        return list(self._families(()))

    def collect(self) -> Iterable[Family]:
        """Return the present figures."""
        with self._lock:
            graphs = list(self._graphs.values())
        if len(graphs) < 2:
            readings = [each.runs.read() for each in graphs]
        else:  # each may have to wait for the end of a cycle
            with ThreadPoolExecutor(min(len(graphs), _MOST_AT_ONCE), "graphcore-scrape") as pool:
                readings = list(pool.map(lambda each: each.runs.read(), graphs))
        return list(self._families(zip(graphs, readings, strict=True)))

    def _shown(self, name: str, graph: Graph, nodes: Iterable[Active[Any]] | None) -> Sequence[int]:
        places = {id(node): index for index, node in enumerate(graph.nodes)}
        if nodes is None:
            if len(places) <= self._most_nodes:
                return range(len(places))
            _logger.info(
                "%s has %d nodes, more than %d, so its nodes have no metrics of their own; "
                "add(..., nodes=...) names those that have",
                *(name, len(places), self._most_nodes),
            )
            return ()
        found: list[int] = []
        for given in nodes:
            node = node_of(given, "nodes")
            if id(node) not in places:
                raise InvalidValueError(f"{node.name} is not in the graph {name!r}")
            found.append(places[id(node)])
        return sorted(set(found))

    def _families(self, found: "Iterable[tuple[_Exported, Reading]]") -> Families:
        families = Families(_OF_GRAPH + _OF_NODE[1:2])
        for metric in _METRICS:
            families.declare(*metric)
        for exported, reading in found:
            exported.write(families, reading)
        return families


class _Exported:
    """A graph that is exported.

    Args:
        name: its name.
        graph: the graph.
        shown: the indices of the nodes that have metrics of their own.

    Attributes:
        graph: the argument.
        runs: its runs.
    """

    def __init__(self, name: str, graph: Graph, shown: Sequence[int]) -> None:
        self.graph = graph
        self._name = name
        plan = views_of(graph).plan
        self._nodes = plan.nodes
        places = {id(node): index for index, node in enumerate(plan.nodes)}
        # While a graph runs, `type` is not the user's class.
        kinds = [node.__class__.__name__ for node in plan.nodes]
        self._kinds = Counter(kinds)
        self._names = plan.names()
        self._labels = [(name, *each) for each in zip(self._names, kinds, strict=True)]
        # By the index of a node that counts, the index of the one whose ticks it counts.
        self._counted = {
            index: places[id(node_of(node.source, "source"))]
            for index, node in enumerate(plan.nodes)
            if isinstance(node, TickCount)
        }
        self.runs = Runs(plan, [index for index in shown if index not in self._counted])

    def write(self, families: Families, reading: Reading) -> None:
        """Add the figures of the graph and of its nodes."""
        name = self._name
        for kind, number in self._kinds.items():
            families.sample("graphcore_nodes", (name, kind), number)
        for state in STATES:
            families.sample("graphcore_run_state", (name, state), reading.state == state)
        for ended_by in EndedBy:
            number = reading.ended.get(ended_by, 0)
            families.sample("graphcore_runs", (name, ended_by.value), number)
        for metric, value in (
            ("cycles", reading.cycles),
            ("waiting_seconds", reading.waiting),
            ("run_start_time_seconds", reading.began),
            ("engine_time_seconds", reading.time),
            ("schedule_lag_seconds", reading.lag),
        ):
            if value is not None:
                families.sample(f"graphcore_{metric}", (name,), value)
        self._write_nodes(families, reading)
        self._write_measures(families)

    def _write_nodes(self, families: Families, reading: Reading) -> None:
        labels = self._labels
        for index, count in reading.ticks.items():
            families.sample("graphcore_node_ticks", labels[self._counted[index]], count)
        for index, last in reading.nodes.items():
            families.sample("graphcore_node_ticks_per_second", labels[index], last.rate)
            families.sample("graphcore_node_last_tick_age_seconds", labels[index], last.age)
        for index, queue in reading.queues.items():
            families.sample("graphcore_queue_length", labels[index], queue.length)
            if queue.capacity is not None:
                families.sample("graphcore_queue_capacity", labels[index], queue.capacity)
        for index, count in reading.dropped.items():
            families.sample("graphcore_dropped_values", labels[index], count)
        for index, count in reading.subgraphs.items():
            families.sample("graphcore_subgraphs", labels[index], count)

    def _write_measures(self, families: Families) -> None:
        """Add what nodes tell of themselves, each once, though several may tell of one."""
        told: dict[int, tuple[bool, str, Sequence[Measure]]] = {}
        for name, node in zip(self._names, self._nodes, strict=True):
            try:
                found = measured(node)
            except Exception:  # another package's function must not fail the whole scrape
                _logger.exception("the metrics of %s cannot be read", name)
                continue
            if found is None:
                continue
            is_named = node._name is not None
            if is_named > told.get(id(found.of), (-1,))[0]:
                told[id(found.of)] = is_named, name, found.measures
        for _, name, measures in told.values():
            families.add(measures, (self._name, name))
