"""The parts of the benchmark, in the order in which they are measured and shown."""

from typing import Protocol

from benchmarks import (
    allocation,
    arrays,
    arrow_rows,
    awaiting,
    book,
    branches,
    chain,
    crossover,
    demux,
    discovery,
    fan_out,
    idle,
    joins,
    keyed,
    latency,
    live,
    memory,
    native,
    profiled,
    publishing,
    sparse,
    statistics,
    sweeps,
    tables,
    throughput,
    viewed,
    wiring,
)
from benchmarks.figures import Figure, Measured


class Part(Protocol):
    """The interface of a benchmark module."""

    def measure(self) -> Measured: ...

    def figures(self, measured: Measured) -> list[Figure]: ...


# Parts that measure the cost of a tick, ns, for each contender: for the picture and its table.
TICKS: dict[str, Part] = {
    "chain": chain,
    "branches": branches,
    "crossover": crossover,
    "book": book,
    "sparse": sparse,
    "demux": demux,
    "arrays": arrays,
}
PARTS: dict[str, Part] = TICKS | {
    "native": native,
    "statistics": statistics,
    "sweeps": sweeps,
    "keyed": keyed,
    "joins": joins,
    "tables": tables,
    "wiring": wiring,
    "allocation": allocation,
    "throughput": throughput,
    "publishing": publishing,
    "arrow_rows": arrow_rows,
    "fan_out": fan_out,
    "latency": latency,
    "live": live,
    "awaiting": awaiting,
    "discovery": discovery,
    "idle": idle,
    "memory": memory,
    "profiled": profiled,
    "viewed": viewed,
}
