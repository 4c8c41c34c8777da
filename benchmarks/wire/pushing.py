"""Values that a thread hands to a graph: graphcore's `receiver` and csp's push adapter."""

import threading
from collections.abc import Callable, Iterable
from datetime import timedelta
from time import process_time_ns, thread_time_ns
from typing import Any

import csp  # type: ignore[import-untyped]  # the wheel carries no types
from csp import ts
from csp.impl.pushadapter import PushInputAdapter  # type: ignore[import-untyped]
from csp.impl.wiring import py_push_adapter_def  # type: ignore[import-untyped]
from csp.utils.datetime import utc_now  # type: ignore[import-untyped]

import graphcore as gc
from benchmarks.wire.lines import say

_BURST = 1_000  # values that `send_many` is given

Values = Callable[[], Iterable[Any]]


class _End:
    """Follows the last value."""


class _Adapter(PushInputAdapter):  # type: ignore[misc]  # the wheel carries no types
    def __init__(self, values: Values) -> None:
        self._values = values
        self._thread = threading.Thread(target=self._push)

    def start(self, starttime: object, endtime: object) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._thread.join()

    def _push(self) -> None:
        push = self.push_tick
        for value in self._values():
            push(value)
        push(_End)


_adapter = py_push_adapter_def("values", _Adapter, ts[object], values=object)


@csp.node
def _look(value: ts[object], look: object):
    if csp.ticked(value):
        if value is _End:
            csp.stop_engine()
        else:
            look(value)


@csp.node
def ends_at(value: ts[int], last: int):
    """End the run at a value."""
    if csp.ticked(value) and value == last:
        csp.stop_engine()


def pushed(values: Values, look: Callable[[Any], None]) -> None:
    """Run a graph of csp's that looks at all values, which a thread pushes."""

    def wire() -> None:
        _look(_adapter(values), look)

    csp.run(csp.graph(wire), starttime=utc_now(), endtime=timedelta(hours=1), realtime=True)


def csp_push(count: int) -> None:
    """Say the CPU time of a value, ns: of the thread that pushes it, and of the whole process."""
    began = used = 0

    def values() -> Iterable[int]:
        nonlocal began, used
        began = thread_time_ns()
        yield from range(count)
        used = thread_time_ns() - began

    before = process_time_ns()
    pushed(values, _ignore)
    say(thread=used / count, process=(process_time_ns() - before) / count)


def send(count: int) -> None:
    """Say the same of `receiver`, with `send`."""

    def run(sender: gc.Sender[int], stop: threading.Event) -> None:
        for value in range(count):
            sender.send(value)

    _receive(run, count)


def send_many(count: int) -> None:
    """Say the same of `receiver`, with `send_many` and bursts of a thousand."""

    def run(sender: gc.Sender[int], stop: threading.Event) -> None:
        for first in range(0, count, _BURST):
            sender.send_many(range(first, first + _BURST))

    _receive(run, count)


def _receive(run: Callable[[gc.Sender[int], threading.Event], None], count: int) -> None:
    used = 0

    def timed(sender: gc.Sender[int], stop: threading.Event) -> None:
        nonlocal used
        began = thread_time_ns()
        run(sender, stop)
        used = thread_time_ns() - began

    graph = gc.Graph(gc.receiver(timed).for_each(_ignore))
    before = process_time_ns()
    graph.run(realtime=True)
    say(thread=used / count, process=(process_time_ns() - before) / count)


def _ignore(value: object) -> None: ...
