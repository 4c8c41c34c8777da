"""The table of figures, as text and as a page of the docs."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version

from benchmarks.figures import Figure

_PAGE = """\
# Benchmarks

What `make bench` measures. A ratio is graphcore's figure over the peer's, both taken in one run, in
turn, on the same work; all figures are medians of 5 or 7 rounds. Publishers and subscribers are
processes of their own. The last run was on:

{machine}

{table}{missed}
Times come from `time.perf_counter_ns`, memory from `tracemalloc`. Throughput is counted from the
second burst, with back-pressure on; latency from the taking of the time in the publisher's process
to the value's arrival in the subscriber's function.
"""
_HEADINGS = ("work", "figure", "ratio", "target", "reached")


def text(figures: Sequence[Figure]) -> str:
    """Return the table for a terminal."""
    rows = [_HEADINGS, *map(_row, figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join([_machine(), "", *lines])


def page(figures: Sequence[Figure]) -> str:
    """Return the page of the docs."""
    rows = [_HEADINGS, ("---", "---", "---:", "---", "---"), *map(_row, figures)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"
    missed = "\n".join(
        f"- {figure.work}: {figure.reason}." for figure in figures if figure.reached is False
    )
    if missed:
        missed = f"\nNot reached:\n\n{missed}\n"
    return _PAGE.format(machine=_machine(), table=table, missed=missed)


def _row(figure: Figure) -> tuple[str, ...]:
    return (
        figure.work,
        figure.figure,
        "–" if figure.ratio is None else f"{figure.ratio:.2f}",  # noqa: RUF001  # a dash is meant
        str(figure.target or "reported"),
        {True: "yes", False: "no", None: ""}[figure.reached],
    )


def _machine() -> str:
    peers = ", ".join(f"{name} {version(name)}" for name in ("pyzmq", "csp", "wingfoil"))
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"{platform.python_implementation()} {platform.python_version()}, {peers}"
    )
