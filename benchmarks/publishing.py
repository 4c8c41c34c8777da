"""What a value costs its publisher: a graph beside a loop by hand and wingfoil's wheel."""

from contextlib import ExitStack
from statistics import median
from typing import Any

from benchmarks.figures import Figure, Measured, Target
from benchmarks.wire.worker import Worker, working

_ROUNDS = 5
_MANY = (10, 50)  # subscribers
_COUNT = 120_000

_NAMES = {"wingfoil": "wingfoil's zmq_pub", "by hand": "a loop by hand"}
# work -> arguments of the senders
_SINGLES: dict[str, dict[str, Any]] = {
    name: {"kind": name, "way": 1, "count": _COUNT} for name in ("16 B", "msgpack dict")
}
_FANS = {
    f"16 B, {count} subscribers": {
        "kind": "16 B",
        "way": 1,
        "count": _COUNT // count,
        "subscribers": count,
    }
    for count in _MANY
}
_BURSTS = {"16 B, bursts of 100": {"kind": "16 B", "way": 100, "count": 1_000_000}}
_WORKS = _SINGLES | _FANS | _BURSTS


def measure() -> Measured:
    taken: dict[str, dict[str, list[float]]] = {work: {} for work in _WORKS}
    with ExitStack() as stack:
        names = ("by hand", "graphcore", "wingfoil", "cycles")
        senders = {name: stack.enter_context(working()) for name in names}
        receiver = stack.enter_context(working())
        for _ in range(_ROUNDS):
            for work, arguments in _WORKS.items():
                for name, sender in senders.items():
                    if name == "wingfoil" and arguments["way"] > 1:
                        continue
                    spent = _send(name, sender, receiver, arguments)
                    for figure, value in spent.items():
                        taken[work].setdefault(f"{name} {figure}", []).append(value)
    return {
        work: {name: median(values) for name, values in figures.items()}
        for work, figures in taken.items()
    }


def _send(
    name: str, sender: Worker, receiver: Worker, arguments: dict[str, Any]
) -> dict[str, float]:
    function = f"sending.{name.replace(' ', '_')}"
    if name == "cycles":
        return sender.ask(function, **{**arguments, "subscribers": 0})
    where = sender.ask(function, **arguments)
    receiver.call(
        "receiving.swallow",
        address=where["address"],
        subscribers=arguments.get("subscribers", 1),
        lossy=name == "wingfoil",
    )
    spent = sender.read()
    sender.tell("close")
    receiver.read()
    return spent


def figures(measured: Measured) -> list[Figure]:
    found = []
    for work in [*_SINGLES, *_FANS]:
        costs = measured[work]
        target = work in _SINGLES
        # wingfoil drops what slow subscribers leave, so its rate says little if there are many.
        peer = "wingfoil" if target else "by hand"
        rates = {name: 1e6 / costs[f"{name} time"] for name in ("graphcore", "wingfoil", "by hand")}
        cpu = (costs["graphcore thread"] - costs["cycles thread"]) / 1e3
        processes = ", ".join(
            f"{name} {costs[f'{name} process'] / 1e3:.2f} µs"
            for name in ("graphcore", "wingfoil", "by hand")
        )
        found += [
            Figure(
                f"published by a graph: {work}, single, values a second, beside {_NAMES[peer]}",
                ", ".join(f"{name} {rate:,.0f} k/s" for name, rate in rates.items()),
                rates["graphcore"] / rates[peer],
                Target("≥", 0.6) if target else None,
                reason="wingfoil makes envelopes and calls libzmq in Rust, and does not wait "
                "for slow subscribers",
            ),
            Figure(
                f"published by a graph: {work}, single, CPU of its thread beyond a live cycle",
                f"{cpu:.2f} µs; the process in all {processes}",
                target=Target("≤", 1.5, " µs") if target else None,
                measured=cpu,
                reason="libzmq wakes its thread for nearly each value; a faster loop does so less "
                "often",
            ),
        ]
    costs = measured["16 B, bursts of 100"]
    found.append(
        Figure(
            "published by a graph: bursts of 100 of 16 B, beside a loop that makes and sends such "
            "frames",
            f"{1e8 / costs['graphcore time']:,.0f} k/s, {costs['graphcore process'] / 1e3:.1f} µs "
            f"of CPU a frame; by hand {1e8 / costs['by hand time']:,.0f} k/s, "
            f"{costs['by hand process'] / 1e3:.1f} µs",
            costs["by hand time"] / costs["graphcore time"],
            Target("≥", 0.6),
            reason="a live cycle and a look at each value's type, which the loop does without",
        )
    )
    return found
