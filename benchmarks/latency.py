"""How long a value takes from one process to the other at 1 kHz."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any

from benchmarks.figures import Figure, Measured, Target
from benchmarks.wire.worker import Worker, working

_COUNT = 1_600
_WARM_UP = 100  # values whose delay is not counted
_ROUNDS = 5


@dataclass(frozen=True)
class Row:
    """A publisher and a subscriber.

    Attributes:
        work: what the table says of it.
        sender: in `delays`.
        receiver: in `delays`.
        options: of the receiver; for graphcore those of `run`.
        targets: for percentiles over those of the bare pair, at most.
        wheel: the limit of p50 over that of wingfoil's wheel, at most.
    """

    work: str
    sender: str
    receiver: str
    options: dict[str, Any] = field(default_factory=dict)
    targets: dict[str, float] = field(default_factory=dict)
    wheel: float | None = None


_BARE = Row("bare pyzmq", "bare", "bare")
_WHEEL = Row("wingfoil's zmq_sub behind a bare publisher", "bare", "wingfoil")
# For another way to receive, add a line with the options of `run`.
_INLINE = {"receive": "inline"}
_ROWS = [
    Row(
        "zmq_sub behind a bare publisher, in a thread of its own",
        "bare",
        "graphcore",
        {"receive": "thread"},
        {"p50": 1.6},
    ),
    Row("zmq_pub's graph to zmq_sub's, in a thread", "graph", "graphcore", {"receive": "thread"}),
    Row(
        "zmq_sub behind a bare publisher, inline",
        "bare",
        "graphcore",
        _INLINE,
        {"p50": 1.25, "p99": 1.5},
        wheel=1.0,
    ),
    Row("zmq_pub's graph to zmq_sub's, inline", "graph", "graphcore", _INLINE, {"p50": 1.4}),
    Row(
        "zmq_sub behind a bare publisher, with a spin longer than the gap",
        "bare",
        "graphcore",
        _INLINE | {"spin": "2ms"},
        {"p50": 0.9},
    ),
    _WHEEL,
    Row("csp's push adapter behind a bare publisher", "bare", "csp"),
]
_REASONS = {
    "thread": "a value goes through two threads, the receiver's and the graph's, which wake one "
    "after the other",
    "inline": "between socket and function there is a cycle of the graph, in Python",
}
_PERCENTILES = {"p50": 500, "p99": 990, "p99.9": 999}  # in thousandths


def measure() -> Measured:
    rows = [_BARE, *_ROWS]
    taken: dict[str, list[list[int]]] = {row.work: [] for row in rows}
    with ExitStack() as stack:
        # Workers of their own, because threads of one library could disturb another.
        pairs = {
            row.work: (stack.enter_context(working()), stack.enter_context(working()))
            for row in rows
        }
        for _ in range(_ROUNDS):
            for row in rows:
                taken[row.work].append(_delays(row, *pairs[row.work]))
    return {work: _percentiles(rounds) for work, rounds in taken.items()}


def _delays(row: Row, sender: Worker, receiver: Worker) -> list[int]:
    where = sender.ask(f"delays.{row.sender}", count=_COUNT)
    function = f"delays.receive_{row.receiver}"
    delays: list[int] = receiver.ask(function, **where, **row.options)["delays"]
    sender.tell("close")
    return delays[_WARM_UP:]


def _percentiles(rounds: list[list[int]]) -> dict[str, float]:
    """Return the median over the rounds of each percentile."""
    thousandths = [quantiles(delays, n=1_000) for delays in rounds]
    return {
        name: median(each[number - 1] for each in thousandths)
        for name, number in _PERCENTILES.items()
    }


def figures(measured: Measured) -> list[Figure]:
    bare, wheel = measured[_BARE.work], measured[_WHEEL.work]
    found = []
    for row in _ROWS:
        delays = measured[row.work]
        for name in _PERCENTILES:
            limit = row.targets.get(name)
            found.append(
                Figure(
                    f"one-way latency at 1 kHz: {row.work}, {name}",
                    f"{delays[name] / 1e3:,.0f} µs, bare {bare[name] / 1e3:,.0f} µs, "
                    f"wingfoil {wheel[name] / 1e3:,.0f} µs",
                    delays[name] / bare[name],
                    None if limit is None else Target("≤", limit),
                    reason=_REASONS[row.options.get("receive", "thread")],
                )
            )
        if row.wheel is not None:
            found.append(
                Figure(
                    f"one-way latency at 1 kHz: {row.work}, p50, beside wingfoil's zmq_sub",
                    f"{delays['p50'] / 1e3:,.0f} µs, wingfoil {wheel['p50'] / 1e3:,.0f} µs",
                    delays["p50"] / wheel["p50"],
                    Target("≤", row.wheel),
                    reason=_REASONS["inline"],
                )
            )
    return found
