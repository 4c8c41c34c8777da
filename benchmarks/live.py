"""What real time costs: live cycles, values from threads, and subscribers that wait."""

from contextlib import ExitStack
from functools import partial

from benchmarks.figures import Figure, Measured, Target, medians
from benchmarks.wire.worker import Worker, working

_ROUNDS = 5
_CYCLES = 300_000
_VALUES = 200_000
_SUBSCRIBERS = 100
_SECONDS = 5
_ENGINES = ("graphcore", "csp", "wingfoil")
_SENDERS = ("send", "send_many", "csp_push")


def measure() -> Measured:
    with ExitStack() as stack:
        workers = {name: stack.enter_context(working()) for name in _ENGINES}
        cycles = medians(
            _ROUNDS,
            {
                f"{name} {mode}": partial(_cycle, workers[name], name, mode == "live")
                for name in _ENGINES
                for mode in ("live", "historical")
            },
        )
        pushes = {name: stack.enter_context(working()) for name in _SENDERS}
        values = medians(_ROUNDS, {name: partial(_push, pushes[name], name) for name in _SENDERS})
        with working() as idle:
            arguments = {"count": _SUBSCRIBERS, "seconds": _SECONDS}
            share = idle.ask("engines.idle", **arguments)
    return {"cycle": cycles, "value": values, "idle": share}


def _cycle(worker: Worker, engine: str, realtime: bool) -> float:
    cost: float = worker.ask(f"engines.{engine}", count=_CYCLES, realtime=realtime)["cost"]
    return cost


def _push(worker: Worker, function: str) -> float:
    cost: float = worker.ask(f"pushing.{function}", count=_VALUES)["thread"]
    return cost


def figures(measured: Measured) -> list[Figure]:
    cycles, values = measured["cycle"], measured["value"]
    extra = {
        name: (cycles[f"{name} live"] - cycles[f"{name} historical"]) / 1e3 for name in _ENGINES
    }
    found = [
        Figure(
            "a cycle in real time beyond the same over history, CPU",
            ", ".join(f"{name} {cost:.2f} µs" for name, cost in extra.items())
            + f"; graphcore's in all {cycles['graphcore live'] / 1e3:.2f} µs",
            target=Target("≤", 0.6, " µs"),
            measured=extra["graphcore"],
            reason="the clock is read before each cycle, which is a call of Python's",
        )
    ]
    for name in ("send", "send_many"):
        cost, peer = values[name] / 1e3, values["csp_push"] / 1e3
        found.append(
            Figure(
                f"a value through a receiver's `{name}`, CPU of the sending thread, beside csp's "
                "push adapter",
                f"{cost:.2f} µs, csp {peer:.2f} µs",
                cost / peer,
                Target("≤", 0.4, " µs"),
                measured=cost,
                reason="each value is a call of Python's, which looks for room and for the end",
            )
        )
    share = measured["idle"]["share"]
    found.append(
        Figure(
            f"{_SUBSCRIBERS} idle subscribers in one graph",
            f"{share:.2%} of a core",
            target=Target("≤", 1, " %"),
            measured=share * 100,
            reason="each subscriber's thread looks every 100 ms whether the run has ended",
        )
    )
    return found
