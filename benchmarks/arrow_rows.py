"""How many rows of four columns a subscriber receives in a second, in batches and one by one."""

from functools import partial

from benchmarks.figures import Figure, Measured, Target, medians
from benchmarks.processes import measure_pair

_COUNT = 200_000
_MANY = 4_000_000
_ROUNDS = 5


def measure() -> Measured:
    measures = {
        "msgpack": partial(_rate, "publish_rows", "rows_rate", _COUNT),
        "arrow": partial(_rate, "publish_batches", "batches_rate", _MANY),
    }
    return {"rate": medians(_ROUNDS, measures)}


def figures(measured: Measured) -> list[Figure]:
    rates = measured["rate"]
    return [
        Figure(
            "Arrow batches of 1,000 rows of 4 columns received, rows, beside msgpack row by row",
            f"{rates['arrow'] / 1e3:,.0f} k/s, msgpack {rates['msgpack'] / 1e3:,.0f} k/s",
            rates["arrow"] / rates["msgpack"],
            Target("≥", 10),
            reason="a batch is validated in whole before anything is made of it",
        )
    ]


def _rate(publisher: str, subscriber: str, count: int) -> float:
    rate: float = measure_pair(publisher, subscriber, count)["rate"]
    return rate
