"""How many values a subscriber receives in a second if a frame holds a hundred."""

from functools import partial

from benchmarks.figures import Figure, Measured, Target, medians
from benchmarks.processes import measure_pair

_COUNT = 300_000
_MANY = 3_000_000
_ROUNDS = 7


def measure() -> Measured:
    measures = {
        "bare": partial(_rate, "publish_burst", "bare_rate", _COUNT),
        "graphcore": partial(_rate, "publish_bursts", "graphcore_rate", _MANY),
        "both ends": partial(_rate, "graphcore_bursts", "graphcore_rate", _MANY),
    }
    return {"rate": medians(_ROUNDS, measures)}


def figures(measured: Measured) -> list[Figure]:
    rates = measured["rate"]
    bare = rates["bare"]
    work = (
        "bursts of 100 16-byte raw payloads in a frame, {}, beside a bare loop of single messages"
    )
    figure = "{:,.0f} k/s, bare {:,.0f} k/s"
    return [
        Figure(
            work.format("received"),
            figure.format(rates["graphcore"] / 1e3, bare / 1e3),
            rates["graphcore"] / bare,
            Target("≥", 5),
            reason="what is left is to make a Python object of each value and to let it go",
        ),
        Figure(
            work.format("published by a graph and received"),
            figure.format(rates["both ends"] / 1e3, bare / 1e3),
            rates["both ends"] / bare,
        ),
    ]


def _rate(publisher: str, subscriber: str, count: int) -> float:
    rate: float = measure_pair(publisher, subscriber, count)["rate"]
    return rate
