"""bytewax as a contender: a source with batches made beforehand, and a sink."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import DynamicSource, StatelessSourcePartition
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import run_main

from benchmarks.ticks import Prepare, Run


class _Batches(StatelessSourcePartition[Any]):
    def __init__(self, batches: Iterator[list[Any]]) -> None:
        self._batches = batches

    def next_batch(self) -> list[Any]:
        return next(self._batches)


class _Source(DynamicSource[Any]):
    def __init__(self, batches: list[list[Any]]) -> None:
        self._batches = batches

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Batches:
        return _Batches(iter(self._batches))


class _Last(StatelessSinkPartition[Any]):
    def __init__(self, into: list[Any]) -> None:
        self._into = into

    def write_batch(self, items: list[Any]) -> None:
        self._into[:] = items[-1:]


class _Sink(DynamicSink[Any]):
    def __init__(self) -> None:
        self.last: list[Any] = []

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Last:
        return _Last(self.last)


def bytewax_run(
    values: Sequence[Any], batch: int, function: Callable[[Any], Any], length: int
) -> Prepare:
    """Return a contender that runs a chain of maps over batches of this size."""
    batches = [list(values[i : i + batch]) for i in range(0, len(values), batch)]

    def prepare() -> Run:
        flow, sink = Dataflow("chain"), _Sink()
        stream = op.input("source", flow, _Source(batches))
        for number in range(length):
            stream = op.map(f"map_{number}", stream, function)
        op.output("sink", stream, sink)

        def run() -> object:
            run_main(flow)  # type: ignore[no-untyped-call]  # its parameters carry no types
            return sink.last[0]

        return run

    return prepare
