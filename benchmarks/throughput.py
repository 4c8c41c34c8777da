"""(a) How many values a subscriber receives in a second, beside a bare loop and wingfoil."""

from functools import partial

from benchmarks.figures import Figure, Measured, Target, medians
from benchmarks.processes import measure_pair

_COUNT = 300_000
_ROUNDS = 7


def measure() -> Measured:
    names = ("bare", "graphcore", "wingfoil")
    return {"rate": medians(_ROUNDS, {name: partial(_rate, f"{name}_rate") for name in names})}


def figures(measured: Measured) -> list[Figure]:
    rates = measured["rate"]
    ours = rates["graphcore"]
    work = "(a) subscriber throughput, 16-byte raw payloads"
    figure = "{:,.0f} k/s, {} {:,.0f} k/s"
    return [
        Figure(
            f"{work}, beside a bare pyzmq receive loop",
            figure.format(ours / 1e3, "bare", rates["bare"] / 1e3),
            ours / rates["bare"],
            Target("≥", 0.8),
            reason="each frame's envelope, sequence and payload are taken apart in Python",
        ),
        Figure(
            f"{work}, beside wingfoil's zmq_sub",
            figure.format(ours / 1e3, "wingfoil", rates["wingfoil"] / 1e3),
            ours / rates["wingfoil"],
            Target("≥", 1.5),
            reason="wingfoil takes frames apart in Rust; both wait for the same libzmq",
        ),
    ]


def _rate(subscriber: str) -> float:
    rate: float = measure_pair("publish_burst", subscriber, _COUNT)["rate"]
    return rate
