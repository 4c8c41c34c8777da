"""(b) How long a value takes from one process to the other at 1 kHz."""

from statistics import median

from benchmarks.figures import Figure, Measured, Target
from benchmarks.processes import measure_pair

_COUNT = 1_100
_ROUNDS = 7
_PAIRS = {
    "bare": ("publish_slowly", "bare_latency"),
    "subscriber": ("publish_slowly", "graphcore_latency"),
    "both": ("graphcore_slowly", "graphcore_latency"),
}


def measure() -> Measured:
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in _PAIRS}
    for _ in range(_ROUNDS):
        for name, (publisher, subscriber) in _PAIRS.items():
            taken[name].append(measure_pair(publisher, subscriber, _COUNT))
    return {
        name: {percentile: median(line[percentile] for line in lines) for percentile in lines[0]}
        for name, lines in taken.items()
    }


def figures(measured: Measured) -> list[Figure]:
    def figure(work: str, name: str, percentile: str, target: Target | None) -> Figure:
        ours, bare = (measured[n][percentile] for n in (name, "bare"))
        return Figure(
            f"(b) one-way latency at 1 kHz, {work}, {percentile}",
            f"{ours / 1e3:,.0f} µs, bare {bare / 1e3:,.0f} µs",
            ours / bare,
            target,
            reason="a value goes through two threads, the receiver's and the graph's, which wake "
            "one after the other",
        )

    target = Target("≤", 1.6)
    return [
        figure("zmq_sub behind a bare publisher", "subscriber", "p50", target),
        figure("zmq_sub behind a bare publisher", "subscriber", "p99", None),
        figure("from zmq_pub's graph to zmq_sub's", "both", "p50", target),
        figure("from zmq_pub's graph to zmq_sub's", "both", "p99", None),
    ]
