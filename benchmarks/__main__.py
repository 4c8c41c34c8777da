"""Measure, print the tables, and write the page of the docs.

Without arguments, all parts are measured. If only some parts are measured, results.json supplies
the last results of the others.
"""

import argparse
import sys

from benchmarks import report, results
from benchmarks.parts import PARTS


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--print", action="store_true", dest="only_print", help="write nothing")
    parser.add_argument("--page", action="store_true", help="measure nothing, write the page anew")
    arguments = parser.parse_args()
    for name in arguments.parts:
        if name not in PARTS:
            parser.error(f"there is no part {name!r}; parts: {', '.join(PARTS)}")
    kept = results.load()
    measured: dict[str, results.Result] = {}
    for name in [] if arguments.page else arguments.parts or PARTS:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        measured[name] = results.Result(results.machine(), PARTS[name].measure())
        if not arguments.only_print:
            results.save(kept | measured)
    print(report.text(measured or kept))
    if not arguments.only_print:
        report.write(kept | measured)


main()
