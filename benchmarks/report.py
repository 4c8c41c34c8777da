"""The figures as text, and as a page of the docs with a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import picture
from benchmarks.figures import Figure, Measured
from benchmarks.parts import PARTS, TICKS
from benchmarks.results import Result
from benchmarks.ticks import ROUNDS, microseconds

_FOLDER = Path(__file__).parent.parent / "docs" / "benchmarks"
_NOTHING = "–"  # noqa: RUF001  # a dash is meant
_UNKNOWN = "not looked into yet"
_HEADINGS = ("work", "figure", "ratio", "target", "reached")
_PAGE = """\
# Benchmarks

What `make bench` measures. A ratio is graphcore's figure over the peer's, both taken in one run, in
turn, on the same work. The last run was on:

{machines}

## What a tick costs

In µs: medians of {rounds} rounds, in each of which all contenders take their turn. A contender is
wired, and compiled if it compiles, before it is timed, and its first run is not counted. Each must
come to the same result. Values come from a list or an array in memory, one at a time.

![What a tick costs each contender in each work](ticks.svg)

{costs}
- *hand-written* is a Python loop over the values with the work written into it; the one called
  *calling* calls the lambda in place of that. The order book's calls the example's book, the one
  of sparse graphs holds its sources in a heap. There each source has 20 events, the single one
  20,000; a run of the graph is timed whole, start and stop included.
- *csp @csp.node* has `x + 1` written into the node; *calling* calls the lambda from it. csp makes
  its engine's nodes in each run, which is in its figures.
- *wingfoil* is its `map`, for nodes of one's own its `custom_node`, for the crossover its `ewma`,
  which is not adjusted for how few values there are at first. It has no arithmetic on streams and
  no source with times of its own.
- *bytewax* and *reactivex* have no engine time, and bytewax nothing that joins branches tick by
  tick: they are where they can do the work.

The lines of *graphcore native* in the table of targets are of a million ticks of float64 from numpy
arrays, on the tier that compiles to [machine code](../native.md), medians of three rounds. csp gets
the same arrays, pandas and polars the whole column, and *numba by hand* is a loop over it.
Compiling has lines of its own.

The lines of rolling and exponentially weighted figures are of 50,000 float64 from numpy arrays, and
count the CPU time of the process.

## Over the wire

Publishers and subscribers are processes of their own, which take turns with those of the peers.
Throughput and CPU time are counted from the second burst to the last value, with back-pressure on;
the CPU time is that of the whole process, libzmq's threads included. Latency is counted from the
taking of the time in the publisher's process to the value's arrival in the subscriber's function.

- *bare* is a loop over pyzmq's `recv`. It decodes with the same codec, and leaves bytes alone.
- *wingfoil* is its wheel's `zmq_sub`, with a function in Python that decodes.
- *by hand* is a loop that makes the frames that graphcore sends, and sends each.
- *frames without trailer* are wingfoil's, *frames with trailer* graphcore's. A bare socket sends
  them, made beforehand. *from zmq_pub* they come from a graph, and *from wingfoil's zmq_pub* from
  wingfoil's, which drops frames if its subscriber is slow; all others wait for it.
- Payloads over ipc and CURVE are 16 B, because a transport does not know codecs. Large payloads are
  sent single, because they gain nothing in bursts. wingfoil has no CURVE and publishes no bursts.

## Targets

{targets}{missed}
Times come from `time.perf_counter_ns`, memory from `tracemalloc`. Wiring and compiling is measured
in a process for each graph, 7 times (graphs of 100,000 nodes 3 times). Names are in an etcd that
the benchmark starts on the same host, without its waits for the disk. The costs of a profile, of
the live view and of metrics are CPU time of the whole process, so the threads of the server and the
sampler count; another process reads the page.
"""


def text(results: Mapping[str, Result]) -> str:
    """Return the tables for a terminal."""
    parts = [_costs(results), [_HEADINGS, *map(_row, _figures(results))]]
    return "\n\n".join([_machines(results), *(_columns(rows) for rows in parts if len(rows) > 1)])


def write(results: Mapping[str, Result]) -> None:
    """Write the page of the docs and its picture."""
    figures = _figures(results)
    missed = "\n".join(
        f"- {figure.work}: {figure.reason or _UNKNOWN}."
        for figure in figures
        if figure.reached is False
    )
    page = _PAGE.format(
        machines=_machines(results),
        rounds=ROUNDS,
        costs=_markdown(_costs(results), first=1),
        targets=_markdown([_HEADINGS, *map(_row, figures)], first=2, last=3),
        missed=f"\nNot reached:\n\n{missed}\n" if missed else "",
    )
    _FOLDER.mkdir(parents=True, exist_ok=True)
    (_FOLDER / "index.md").write_text(page, encoding="utf-8")
    picture.draw(_ticks(results), _FOLDER / "ticks.svg")


def _ticks(results: Mapping[str, Result]) -> Measured:
    """Return the costs of a tick from all parts that measure them."""
    return {
        work: costs
        for part in TICKS
        if part in results
        for work, costs in results[part].measured.items()
    }


def _figures(results: Mapping[str, Result]) -> list[Figure]:
    return [
        figure
        for name, part in PARTS.items()
        if name in results
        for figure in part.figures(results[name].measured)
    ]


def _machines(results: Mapping[str, Result]) -> str:
    return "\n\n".join(dict.fromkeys(result.machine for result in results.values()))


def _costs(results: Mapping[str, Result]) -> list[tuple[str, ...]]:
    ticks = _ticks(results)
    measured = {name for costs in ticks.values() for name in costs}
    contenders = sorted(measured, key=list(picture.MARKS).index)
    rows = [
        (work, *(microseconds(costs[name]) if name in costs else _NOTHING for name in contenders))
        for work, costs in ticks.items()
    ]
    return [("work", *contenders), *rows]


def _row(figure: Figure) -> tuple[str, ...]:
    return (
        figure.work,
        figure.figure,
        _NOTHING if figure.ratio is None else f"{figure.ratio:.2f}",
        str(figure.target or "reported"),
        {True: "yes", False: "no", None: ""}[figure.reached],
    )


def _columns(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _markdown(rows: Sequence[Sequence[str]], first: int, last: int | None = None) -> str:
    """Return a table whose columns from `first` to before `last` are aligned right."""
    heading, *lines = rows
    marks = ["---"] * len(heading)
    marks[first:last] = ["---:"] * len(marks[first:last])
    return "\n".join(f"| {' | '.join(row)} |" for row in (heading, marks, *lines)) + "\n"
