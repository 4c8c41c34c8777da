"""How much longer a run takes with a live view or metrics, attached and after they are detached."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from time import process_time_ns

from prometheus_client import CollectorRegistry

import graphcore as gc
from benchmarks.figures import Figure, Measured, Target, medians
from benchmarks.processes import started
from benchmarks.shapes import chain
from graphcore.metrics import GraphCollector
from graphcore.testing import wait_until
from graphcore.view.logs import LogTail

_NODES = 51
_ROWS = 20
_TICKS = 1_000_000
_ROUNDS = 7
_PERIOD = 1.0  # s from scrape to scrape

_LIMITS = {
    "a live view that no page has open": 1.03,
    f"a page open, {_ROWS} nodes in sight": 1.15,
    "a live view after its page was closed": 1.03,
    "metrics that nobody scrapes": 1.03,
    f"metrics, a scrape every {_PERIOD:.0f} s": 1.05,
}
_ALONE = "alone"

Around = Callable[[gc.Graph], AbstractContextManager[object]]


@contextmanager
def _open(graph: gc.Graph) -> Iterator[None]:
    with graph.serve() as view, started("page", _ROWS, view.url):
        yield


@contextmanager
def _closed(graph: gc.Graph) -> Iterator[None]:
    with graph.serve() as view:
        with started("page", _ROWS, view.url):
            pass
        # The server keeps the log as long as somebody views it.
        wait_until(lambda: not any(isinstance(each, LogTail) for each in logging.root.handlers))
        yield


@contextmanager
def _registered(graph: gc.Graph) -> Iterator[CollectorRegistry]:
    registry, collector = CollectorRegistry(), GraphCollector({"chain": graph})
    registry.register(collector)
    yield registry
    collector.remove("chain")


@contextmanager
def _scraped(graph: gc.Graph) -> Iterator[None]:
    done = threading.Event()

    def scrape() -> None:
        while not done.wait(_PERIOD):
            list(registry.collect())

    with _registered(graph) as registry:
        thread = threading.Thread(target=scrape)
        thread.start()
        yield
        done.set()
        thread.join()


_WAYS: dict[str, Around] = {
    _ALONE: lambda graph: nullcontext(),
    **dict(
        zip(
            _LIMITS,
            (lambda graph: graph.serve(), _open, _closed, _registered, _scraped),
            strict=True,
        )
    ),
}


def measure() -> Measured:
    graph = gc.Graph(chain(gc.from_iterable(range(_TICKS)), _NODES))
    graph.run()

    def time(around: Around) -> float:
        with around(graph):
            began = process_time_ns()
            graph.run()
            return process_time_ns() - began

    return {
        "run": medians(_ROUNDS, {name: partial(time, around) for name, around in _WAYS.items()})
    }


def figures(measured: Measured) -> list[Figure]:
    times = measured["run"]
    return [
        Figure(
            f"a run of {_NODES} nodes with {name}, beside the same run alone",
            f"{times[name] / 1e6:,.0f} ms",
            times[name] / times[_ALONE],
            Target("≤", limit),
        )
        for name, limit in _LIMITS.items()
    ]
