"""Check that two processes that run for long lose nothing and do not grow: `make soak`.

A publisher makes values of 16 bytes at a steady rate, and catches up after a delay. It blocks when
a queue is full, so nothing may be lost. First it fills all queues of a subscriber that reads
nothing, so that the memory that a stall needs is allocated before the measurement. The figures are
those after the first tenth of the run. Memory is the private memory of a process, resident or
swapped out, as Linux reports it; mapped files depend on other work of the machine.
"""

import argparse
import multiprocessing
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

import graphcore as gc
from graphcore.graph import ReceiveName
from graphcore_zmq import ZmqSubscription, raw, zmq_sub
from graphcore_zmq.stats.latency import Latency

_FILLING = 300_000  # values, more than all queues hold
_SLICES = 10  # of the run: the first is not measured, the second is compared with the last
_LOOK = 1.0  # s between two looks at the memory
_FLAT = 4.0  # MiB by which memory may grow
_SHORTEST = 10  # s, so that each slice has a look
_PATIENCE = 300.0  # s in which a process says something, beside the length of the run


@dataclass(frozen=True)
class Outcome:
    """What was found.

    Attributes:
        values: the number of values to send.
        sent: the publisher's counts.
        received: the subscriber's counts.
        memory: the memory of both processes, MiB, at each check.
    """

    values: int
    sent: dict[str, Any]
    received: dict[str, Any]
    memory: dict[str, list[float]]

    def growth(self, name: str) -> float:
        """Return by how many MiB a process grew."""
        memory = self.memory[name]
        size = -(-len(memory) // (_SLICES - 1))
        return median(memory[-size:]) - median(memory[:size])

    def faults(self) -> list[str]:
        """Return the faults, a sentence for each."""
        sent, received = self.sent, self.received
        found = [
            f"the {name} grew by {self.growth(name):.1f} MiB; flat is {_FLAT:g} at most"
            for name in self.memory
            if self.growth(name) > _FLAT
        ]
        if (sent["sent"], sent["expired"]) != (self.values, 0):
            found.append(
                f"{sent['sent']:,} of {self.values:,} values were sent, {sent['expired']:,} expired"
            )
        if (received["received"], received["lost"]) != (self.values, 0):
            found.append(f"{received['received']:,} were received, {received['lost']:,} lost")
        if not received["in_order"]:
            found.append("values came twice or out of order")
        if received["statuses"] != ["connected", "disconnected"]:
            found.append(f"the connection did not last: {', '.join(received['statuses'])}")
        return found

    def table(self) -> str:
        """Return the figures as lines."""
        received, latency = self.received, self.received["latency"]
        middle, high = ((latency.quantile(q) or 0) / 1e6 for q in (0.5, 0.99))
        rows = [
            ("values sent", f"{self.sent['sent']:,}"),
            ("values received", f"{received['received']:,}"),
            ("frames lost", f"{received['lost']:,}"),
            ("rate", f"{received['rate']:,.0f} values/s"),
            ("one-way latency", f"p50 {middle:.2f} ms, p99 {high:.2f} ms"),
        ]
        for name, memory in self.memory.items():
            rows.append((f"memory of the {name}", f"{memory[-1]:.1f} MiB at the end"))
            rows.append(("", f"grown by {self.growth(name):+.2f} MiB, {max(memory):.1f} at most"))
        return "\n".join(f"{what:<26}{figure}" for what, figure in rows)


def soak(seconds: float, rate: int, receive: ReceiveName) -> Outcome:
    """Send for so long, at so many values a second, to a subscriber that receives in this way."""
    with _process(_publish, seconds, rate) as (publisher, publishing):
        port = _told(publishing, 0)
        with _process(_subscribe, port, seconds, rate, receive) as (subscriber, subscribing):
            _told(subscribing, seconds)  # that it is warm
            processes = {"publisher": publisher, "subscriber": subscriber}
            memory: dict[str, list[float]] = {name: [] for name in processes}
            until = time.monotonic() + seconds + _PATIENCE
            while not memory["subscriber"] or not publishing.poll(_LOOK):
                for name, process in processes.items():
                    memory[name].append(_memory(process.pid))
                if time.monotonic() > until:
                    raise TimeoutError("the publisher did not come to its end")
            return Outcome(
                _FILLING + round(seconds * rate), publishing.recv(), _told(subscribing, 0), memory
            )


@contextmanager
def _process(function: Any, *arguments: Any) -> Iterator[tuple[Any, Connection]]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=function, args=(theirs, *arguments))
    process.start()
    theirs.close()
    try:
        yield process, ours
    finally:
        process.kill()
        process.join()
        ours.close()


def _told(process: Connection, seconds: float) -> Any:
    if not process.poll(seconds + _PATIENCE):
        raise TimeoutError("a process does not say what it should")
    return process.recv()


def _memory(pid: int) -> float:
    """Return how many MiB a process has for itself."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return sum(int(fields[name].split()[0]) for name in ("RssAnon", "VmSwap")) / 1024


# In the publisher's process


class _Pace:
    """Yields the values that are due."""

    def __init__(self, seconds: float, rate: int) -> None:
        self._rate = rate
        self._values = round(seconds * rate)
        self._made = -_FILLING
        self._begun: float | None = None

    def __call__(self, _: object) -> list[int]:
        now, due = time.monotonic(), 0
        if self._made >= 0:
            self._begun = now if self._begun is None else self._begun
            due = min(int((now - self._begun) * self._rate), self._values)
        made, self._made = self._made, due
        return list(range(_FILLING + made, _FILLING + due))


@gc.node
class _StopAt(gc.MutableNode[None]):
    source: gc.Active[int]
    last: int

    def cycle(self, state: gc.GraphState) -> bool:
        if self.source.value == self.last:
            state.stop()
        return False


def _publish(parent: Connection, seconds: float, rate: int) -> None:
    numbers = gc.ticker("1ms").map(_Pace(seconds, rate)).unroll()
    ready = gc.constant(None).for_each(lambda _: parent.send(publisher.port))
    publisher = numbers.map(lambda n: b"%016d" % n).zmq_pub(
        0, codec=raw, bind="127.0.0.1", on_full="block"
    )
    end = gc.Stream(_StopAt(numbers, _FILLING + round(seconds * rate) - 1))
    gc.Graph(ready, publisher, end).run(realtime=True)
    stats = publisher.stats()
    parent.send({"sent": stats.sent, "expired": stats.expired})


# In the subscriber's process


def _subscribe(
    parent: Connection, port: int, seconds: float, rate: int, receive: ReceiveName
) -> None:
    warm = _FILLING + round(seconds * rate / _SLICES)
    count, in_order = 0, True
    warm_at, last_at, warm_count, before = 0.0, 0.0, 0, Latency()

    def look(burst: list[bytes]) -> None:
        nonlocal count, in_order, warm_at, last_at, warm_count, before
        if not count:
            _let_fill(subscription)
        numbers = [int(value) for value in burst]
        in_order = in_order and numbers == list(range(count, count + len(numbers)))
        count += len(numbers)
        last_at = time.monotonic()
        if not warm_count and count >= warm:
            warm_at, warm_count, before = last_at, count, subscription.stats().latency
            parent.send("warm")

    subscription = zmq_sub(port, codec=raw)
    statuses = subscription.status.collect()
    gc.Graph(subscription.data.for_each(look), statuses).run(realtime=True, receive=receive)
    stats = subscription.stats()
    counts = map(int.__sub__, stats.latency.counts, before.counts)
    parent.send(
        {
            "received": count,
            "lost": stats.lost,
            "in_order": in_order,
            "statuses": [str(status) for status in statuses.values],
            "rate": (count - warm_count) / (last_at - warm_at),
            "latency": Latency(tuple(counts), stats.latency.total - before.total),
        }
    )


def _let_fill(subscription: ZmqSubscription[bytes]) -> None:
    """Hold the graph until no frame has come for a second, when all queues are full."""
    received = -1
    while received != (now := subscription.stats().received):
        received = now
        time.sleep(1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3_600, help="how long, %(default)s")
    parser.add_argument("--rate", type=int, default=20_000, help="values a second, %(default)s")
    parser.add_argument(
        "--receive",
        choices=["thread", "inline"],
        default="thread",
        help="which thread of the subscriber receives, %(default)s",
    )
    arguments = parser.parse_args()
    if arguments.seconds < _SHORTEST or arguments.rate < 1:
        parser.error(f"at least {_SHORTEST} seconds, and a value in each")
    outcome = soak(arguments.seconds, arguments.rate, arguments.receive)
    print(outcome.table())
    for fault in outcome.faults():
        print(f"not as it should be: {fault}", file=sys.stderr)
    sys.exit(bool(outcome.faults()))


if __name__ == "__main__":
    main()
