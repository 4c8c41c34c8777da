"""A live graph that Prometheus scrapes, with figures of its nodes.

Random orders come from a thread, one every few milliseconds; the graph keeps the value of each
book, and an alarm of books that are silent. The figures are at http://127.0.0.1:9100/metrics:

    python docs/examples/monitored.py 9100

`docs/grafana/graphcore.json` is a dashboard of them. Ctrl-C ends the program.
"""

import random
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import REGISTRY, CollectorRegistry, start_http_server

import graphcore as gc
from graphcore.metrics import GraphCollector, count_ticks

BOOKS = ("bonds", "energy", "metals", "shares")


def receive(sender: gc.Sender[tuple[str, float]], stop: threading.Event) -> None:
    """Send random orders, (book, value), until the run ends."""
    chance = random.Random(1)
    while not stop.wait(chance.expovariate(500)):
        sender.send((chance.choice(BOOKS), chance.gauss(0, 1_000)))


def wire(orders: gc.Stream[tuple[str, float]]) -> gc.Graph:
    """Wire the graph over a stream of orders."""
    orders = orders.named("orders")
    books = orders.group_by(
        lambda order: order[0], lambda each, book: each.map(lambda order: order[1]).sum()
    )
    values = books.latest.named("values of books")
    total = values.map(lambda all_books: sum(all_books.values())).named("total")
    large = orders.filter(lambda order: abs(order[1]) > 2_500).named("large orders")
    # The exact number of ticks is wanted of these two; of all others an estimate is enough.
    return gc.Graph(total, large, *count_ticks(orders, large))


@contextmanager
def exported(graph: gc.Graph, port: int, registry: CollectorRegistry = REGISTRY) -> Iterator[int]:
    """Serve the figures of a graph at a port of this machine while the block runs."""
    collector = GraphCollector({"books": graph})
    registry.register(collector)
    server, thread = start_http_server(port, "127.0.0.1", registry)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        registry.unregister(collector)


if __name__ == "__main__":
    live = wire(gc.receiver(receive, delivery="each"))
    with exported(live, int(sys.argv[1]) if sys.argv[1:] else 9100) as bound:
        print(f"http://127.0.0.1:{bound}/metrics", flush=True)
        print(live.run(realtime=True).ended_by)
