"""(d) The cost of a real-time graph in which nothing happens."""

from time import perf_counter_ns, process_time_ns

import zmq

import graphcore as gc
from benchmarks.figures import Figure, Measured, Target, medians
from graphcore_zmq import raw, zmq_sub

_ROUNDS = 5


def measure() -> Measured:
    return {"idle": medians(_ROUNDS, {"share": _share})}


def figures(measured: Measured) -> list[Figure]:
    share = measured["idle"]["share"]
    return [
        Figure(
            "(d) idle real-time graph: a zmq_sub with a silent publisher, and a ticker of 1 s",
            f"{share:.2%} of a core",
            target=Target("<", 1, " %"),
            measured=share * 100,
            reason="the receiver's thread looks every 100 ms whether the run has ended",
        )
    ]


def _share() -> float:
    """Return the CPU time of all threads, start and stop included, as a share of a core."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    silent = context.socket(zmq.XPUB)
    port = silent.bind_to_random_port("tcp://127.0.0.1")
    data = zmq_sub(f"tcp://127.0.0.1:{port}", codec=raw).data.collect()
    graph = gc.Graph(data, gc.ticker("1s").count())
    graph.run(realtime=True, duration="100ms")  # compiles it
    used, began = process_time_ns(), perf_counter_ns()
    graph.run(realtime=True, duration="3s")
    share = (process_time_ns() - used) / (perf_counter_ns() - began)
    context.destroy(linger=0)
    return share
