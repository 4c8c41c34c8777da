"""The example of metrics: what a scrape of the running program gives."""

import re
import signal
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import prometheus_client

import graphcore as gc
from graphcore_examples import monitored


def test_the_program_serves_the_figures_of_its_graph(example: Callable[..., Any]) -> None:
    program = example("monitored.py", "0")
    address = program.process.stdout.readline().strip()
    deadline = time.monotonic() + 30
    counted = re.compile(r'^graphcore_node_ticks_total{.*node="orders"} [1-9]', re.M)
    text = ""
    while time.monotonic() < deadline and not counted.search(text):
        with urllib.request.urlopen(address, timeout=10) as answer:
            text = answer.read().decode()
    assert counted.search(text)
    assert re.search(r'^graphcore_run_state{graph="books",state="running"} 1.0$', text, re.M)
    program.process.send_signal(signal.SIGINT)
    code, output, error = program.finish()
    assert (code, output, error) == (0, "signal\n", "")


def test_the_figures_are_served_as_long_as_the_block_runs() -> None:
    registry = prometheus_client.CollectorRegistry()
    orders = gc.from_iterable([("shares", 5.0), ("bonds", -3_000.0), ("shares", 1.0)])
    graph = monitored.wire(orders)
    with monitored.exported(graph, 0, registry) as port:
        graph.run()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
    assert 'graphcore_cycles_total{graph="books"} 3.0' in text
    assert re.search(r'graphcore_node_ticks_total{.*node="large orders"} 1\.0', text)
    assert list(registry.collect()) == []
