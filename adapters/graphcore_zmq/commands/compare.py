"""The command `graphcore compare`: where two files of values differ."""

from typing import Annotated

import typer

from graphcore.errors import GraphcoreError, shorten
from graphcore.tables.comparing import Difference, differences, sameness
from graphcore.tables.read.playback import events_of
from graphcore.tables.read.rows import Wanted
from graphcore.time import format_time


def compare(
    expected: Annotated[str, typer.Argument(help="A recording, or another Parquet file.")],
    actual: Annotated[str, typer.Argument(help="The file that is compared with it.")],
    tolerance: Annotated[
        float, typer.Option(min=0, help="How much numbers may differ, relative to the greater.")
    ] = 0.0,
    time: Annotated[str, typer.Option(help="The column of the times.")] = "time",
    show: Annotated[int, typer.Option(min=0, help="How many differences are printed.")] = 20,
) -> None:
    """Print where two files of values differ; the exit code is 0 if they do not, 1 if they do.

    At each time the values are compared one by one, in their order.
    """
    count = 0
    try:
        wanted = Wanted(time)
        found = differences(
            events_of(expected, wanted), events_of(actual, wanted), sameness(tolerance)
        )
        for difference in found:
            count += 1
            if count <= show:
                typer.echo(_line(difference))
    except GraphcoreError as error:
        typer.echo(f"graphcore: {error}", err=True)
        raise typer.Exit(2) from None
    if count > show:
        typer.echo(f"... and {count - show:,} more")
    typer.echo(f"{count:,} differences" if count != 1 else "1 difference")
    raise typer.Exit(1 if count else 0)


def _line(difference: Difference) -> str:
    at = format_time(difference.time)
    if difference.kind == "missing":
        return f"{at} missing {shorten(difference.expected)}"
    if difference.kind == "added":
        return f"{at} added {shorten(difference.actual)}"
    return f"{at} changed {shorten(difference.expected)} to {shorten(difference.actual)}"
