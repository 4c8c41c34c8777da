"""Tables for notebooks: ticks with a line of their values, rows, and the report of a run."""

import html
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from graphcore.errors import shorten
from graphcore.time import format_time

_SHOWN = 5
_WIDTH, _HEIGHT = 240, 32
_MOST_POINTS = 240
_LARGEST = 1e300  # differences of larger numbers may be infinite


def report_table(fields: Iterable[tuple[str, str]]) -> str:
    """Return a table of names and values as HTML."""
    rows = "".join(_row((name, value)) for name, value in fields)
    return f"<table>{rows}</table>"


def ticks_table(name: str, times: Sequence[int], values: Sequence[Any]) -> str:
    """Return a stream's ticks as HTML: how many, the first and the last, and a line of the values.

    Args:
        name: the name of the stream.
        times: engine times, ns.
        values: as many values.
    """
    head = f"<b>{html.escape(name)}</b>: {_number(len(values), 'tick')}"
    return _table(head, times, {"value": values}, sparkline(times, values))


def rows_table(times: Sequence[int], columns: Mapping[str, Sequence[Any]]) -> str:
    """Return the rows of a frame as HTML: how many, the first and the last.

    Args:
        times: engine times, ns.
        columns: as many values for each name.
    """
    return _table(_number(len(times), "row"), times, columns, "")


def columns_table(
    head: str,
    columns: Mapping[str, Sequence[Any]],
    texts: Mapping[str, Callable[[Any], str]],
    line: str = "",
) -> str:
    """Return columns as HTML, with the first rows and the last.

    Args:
        head: what stands above, as HTML.
        columns: the values of each column, as many in each.
        texts: for some columns, what returns the text of a value; by default its shortened repr.
        line: a drawing between the two, as HTML.
    """
    count = len(next(iter(columns.values()), ()))
    if not count:
        return f"<div>{head}</div>"
    places: list[int | None] = list(range(count))
    if count > 2 * _SHOWN:
        places[_SHOWN:-_SHOWN] = [None]
    rows = [
        _row(
            "…" if place is None else texts.get(name, shorten)(values[place])
            for name, values in columns.items()
        )
        for place in places
    ]
    header = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    return f"<div>{head}<br/>{line}<table><tr>{header}</tr>{''.join(rows)}</table></div>"


def _table(head: str, times: Sequence[int], columns: Mapping[str, Sequence[Any]], line: str) -> str:
    return columns_table(head, {"time": times, **columns}, {"time": format_time}, line)


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def sparkline(times: Sequence[int], values: Sequence[Any]) -> str:
    """Return a line of the values over time as SVG; empty if they are not numbers.

    Of many values, every n-th is drawn, and the last.
    """
    step = max(1, math.ceil(len(values) / _MOST_POINTS))
    places = [*range(0, len(values) - 1, step), len(values) - 1] if len(values) else []
    if not all(isinstance(values[i], int | float) for i in places):
        return ""
    finite = [(times[i], float(values[i])) for i in places if abs(values[i]) < _LARGEST]
    if len(finite) < 2:
        return ""
    first, last = finite[0][0], finite[-1][0]
    low, high = min(v for _, v in finite), max(v for _, v in finite)
    drawn = " ".join(
        f"{_share(time, first, last) * _WIDTH:.1f},{(1 - _share(value, low, high)) * _HEIGHT:.1f}"
        for time, value in finite
    )
    return (
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" viewBox="-2 -2 {_WIDTH + 4} {_HEIGHT + 4}">'
        f'<polyline points="{drawn}" fill="none" stroke="#0072b2" stroke-width="1.5"/></svg><br/>'
    )


def _share(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low) if high > low else 0.5


def _row(cells: Iterable[str]) -> str:
    return f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>"
