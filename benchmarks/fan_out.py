"""The cost of a value for a publisher with fifty subscribers, beside one."""

from functools import partial

from benchmarks.figures import Figure, Measured, Target, medians
from benchmarks.processes import measure_publisher

_COUNT = 3_000
_MANY = 50
_ROUNDS = 5


def measure() -> Measured:
    measures = {str(count): partial(_cost, count) for count in (1, _MANY)}
    return {"cost": medians(_ROUNDS, measures)}


def figures(measured: Measured) -> list[Figure]:
    costs = measured["cost"]
    one, many = costs["1"], costs[str(_MANY)]
    return [
        Figure(
            f"a value published at 1 kHz to {_MANY} subscribers, in the graph's thread, beside one",
            f"{many / 1e3:.1f} µs, one {one / 1e3:.1f} µs",
            many / one,
            Target("≤", 3),
            reason="libzmq puts each frame in the queue of each subscriber in turn",
        )
    ]


def _cost(subscribers: int) -> float:
    cost: float = measure_publisher("graphcore_fan_out", "swallow", _COUNT, subscribers)["cost"]
    return cost
