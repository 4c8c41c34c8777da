"""How many values a subscriber receives in a second, beside a bare loop and wingfoil's wheel."""

from contextlib import ExitStack
from statistics import median

from benchmarks.figures import Figure, Measured, Target
from benchmarks.wire.cells import CELLS, GRAPH, TRAILER, Cell
from benchmarks.wire.worker import Worker, working

_ROUNDS = 5
_NAMES = {"bare": "a bare loop", "wingfoil": "wingfoil's zmq_sub"}


def measure() -> Measured:
    taken: dict[str, dict[str, list[float]]] = {cell.name: {} for cell in CELLS}
    with ExitStack() as stack:
        workers = {
            name: stack.enter_context(working())
            for name in ("sender", "bare", "graphcore", "wingfoil")
        }
        for _ in range(_ROUNDS):
            for cell in CELLS:
                for receiver in cell.receivers:
                    received = _receive(cell, workers["sender"], workers[receiver], receiver)
                    for figure in ("rate", "cpu"):
                        name = f"{receiver} {figure}"
                        taken[cell.name].setdefault(name, []).append(received[figure])
    return {
        cell: {name: median(values) for name, values in figures.items()}
        for cell, figures in taken.items()
    }


def _receive(cell: Cell, sender: Worker, worker: Worker, receiver: str) -> dict[str, float]:
    function, arguments = cell.sending()
    where = sender.ask(function, **arguments)
    function, arguments = cell.receiving(receiver)
    received = worker.ask(function, **arguments, **where)
    sender.read()
    sender.tell("close")
    return received


def figures(measured: Measured) -> list[Figure]:
    found = []
    for cell in CELLS:
        if cell.name not in measured:  # measured before this cell was there
            continue
        figures = measured[cell.name]
        ours = figures["graphcore rate"]
        for peer, target in cell.targets().items():
            its = figures[f"{peer} rate"]
            found.append(
                Figure(
                    f"received: {cell.name}, beside {_NAMES[peer]}",
                    f"{ours / 1e3:,.0f} k/s, {figures['graphcore cpu'] / 1e3:.2f} µs of CPU each; "
                    f"{peer} {its / 1e3:,.0f} k/s, {figures[f'{peer} cpu'] / 1e3:.2f} µs",
                    ours / its,
                    target,
                    reason="a graph hands each value from its receiver's thread to its own, and "
                    "looks at envelope and trailer in Python",
                )
            )
    return found + [
        _beside_singles(measured, peer, target)
        for peer, target in ((TRAILER, Target("≥", 5)), (GRAPH, None))
    ]


def _beside_singles(measured: Measured, peer: str, target: Target | None) -> Figure:
    """Return how much more a subscriber receives if a frame holds a hundred."""
    (bursts,) = (c for c in CELLS if (c.payload, c.way, c.peer) == ("16 B", 100, peer))
    single = next(c for c in CELLS if (c.payload, c.way, c.peer) == ("16 B", 1, TRAILER))
    ours, bare = measured[bursts.name]["graphcore rate"], measured[single.name]["bare rate"]
    return Figure(
        f"received: {bursts.name}, beside a bare loop of single frames",
        f"{ours / 1e3:,.0f} k/s, bare {bare / 1e3:,.0f} k/s",
        ours / bare,
        target,
        reason="what is left is to make a Python object of each value and to let it go",
    )
