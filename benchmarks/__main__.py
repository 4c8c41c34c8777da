"""Measure all, print the table, and write it to the docs."""

import sys
from pathlib import Path

from benchmarks import chain, idle, latency, memory, report, throughput

_PAGE = Path(__file__).parent.parent / "docs" / "benchmarks" / "index.md"


def main() -> None:
    figures = []
    for benchmark in (throughput, latency, chain, idle, memory):
        name = benchmark.__name__.rpartition(".")[2]
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        figures += benchmark.measure()
    print(report.text(figures))
    _PAGE.parent.mkdir(parents=True, exist_ok=True)
    _PAGE.write_text(report.page(figures), encoding="utf-8")


main()
