"""(f) The cost of a lookup in etcd, beside a bare client's, and the duration of a failover."""

import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import perf_counter_ns

import pyetcd

import graphcore as gc
from benchmarks.figures import Figure, Measured, Target, medians
from benchmarks.processes import started
from graphcore_zmq import EtcdRegistry, raw, zmq_sub
from tests.integration.etcd_server import EtcdServer

_COUNT = 500
_CONNECTIONS = 50
_ROUNDS = 7
_TTL = 3  # s
_GRACE = 2  # s
_ADDRESS = "tcp://127.0.0.1:5556"


def measure() -> Measured:
    with _etcd() as etcd:
        etcd.ctl("put", "name", _ADDRESS)
        registry = EtcdRegistry(etcd.url)
        bare = pyetcd.client(port=etcd.port, timeout=2)
        with registry:
            kept = {
                "graphcore": partial(_time, _COUNT, lambda: registry.lookup("name")),
                "bare": partial(_time, _COUNT, lambda: bare.get("name")),
            }
            lookup = medians(_ROUNDS, kept)
        bare.close()
        new = {
            "graphcore": partial(_time, _CONNECTIONS, lambda: registry.lookup("name")),
            "bare": partial(_time, _CONNECTIONS, partial(_connect_and_get, etcd.port)),
        }
        return {
            "lookup": lookup,
            "lookup, connecting": medians(_ROUNDS, new),
            "failover": medians(_ROUNDS, {"graphcore": partial(_failover, etcd.url)}),
        }


def figures(measured: Measured) -> list[Figure]:
    def lookup(work: str, name: str) -> Figure:
        ours, bare = (measured[name][who] for who in ("graphcore", "bare"))
        return Figure(
            f"(f) lookup of a name in etcd, {work}",
            f"{ours / 1e3:,.0f} µs, bare {bare / 1e3:,.0f} µs",
            ours / bare,
            Target("≤", 2.0),
        )

    seconds = measured["failover"]["graphcore"]
    return [
        lookup("beside a bare client's get", "lookup"),
        lookup("connecting each time, beside a bare client that does", "lookup, connecting"),
        Figure(
            f"(f) SIGKILL of a publisher to the first value of its standby, ttl {_TTL} s",
            f"{seconds:.2f} s",
            target=Target("≤", _TTL + _GRACE, " s"),
            measured=seconds,
            reason="etcd looks for leases that have ended twice a second",
        ),
    ]


@contextmanager
def _etcd() -> Iterator[EtcdServer]:
    with tempfile.TemporaryDirectory() as folder:
        server = EtcdServer(Path(folder))
        try:
            server.start()
            server.await_ready()
            yield server
        finally:
            server.kill()


def _time(count: int, ask: Callable[[], object]) -> float:
    """Return the time of one call, ns."""
    began = perf_counter_ns()
    for _ in range(count):
        ask()
    return (perf_counter_ns() - began) / count


def _connect_and_get(port: int) -> None:
    client = pyetcd.client(port=port, timeout=2)
    client.get("name")
    client.close()


def _failover(url: str) -> float:
    """Return the time from the end of a publisher to the first value of its standby, s."""
    seen: dict[bytes, int] = {}
    followed = threading.Event()

    def look(burst: list[bytes]) -> None:
        for value in burst:
            seen.setdefault(value, perf_counter_ns())
        followed.set()

    data = zmq_sub(("quotes", EtcdRegistry(url)), codec=raw).data
    values = data.for_each(look)
    end = data.filter(lambda burst: b"2" in burst).limit(1)
    with (
        started("publish_by_name", 1, url, f"{_TTL}s") as active,
        started("publish_by_name", 2, url, f"{_TTL}s"),
    ):
        killed: list[int] = []

        def kill() -> None:
            followed.wait()
            killed.append(perf_counter_ns())
            active.kill()

        killer = threading.Thread(target=kill, name="killer")
        killer.start()
        gc.Graph(values, gc.Stream(_Stop(end))).run(realtime=True, duration="30s")
        killer.join()
    return (seen[b"2"] - killed[0]) / 1e9


@gc.node
class _Stop(gc.MutableNode[None]):
    source: gc.Active[object]

    def cycle(self, state: gc.GraphState) -> bool:
        state.stop()
        return False
