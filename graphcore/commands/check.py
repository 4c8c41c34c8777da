"""`graphcore check`: say what is probably wrong with the graph of a module."""

import sys
from contextlib import redirect_stdout
from typing import Annotated

import typer

from graphcore.commands.loading import load_graph
from graphcore.errors import GraphcoreError


def check(
    graph: Annotated[str, typer.Argument(help="The graph, as module:name or file.py:name.")],
) -> None:
    """Say what is probably wrong with a graph, a line for each finding; exit with 1 if any."""
    try:
        with redirect_stdout(sys.stderr):  # what the module prints is no finding
            findings = load_graph(graph).check()
    except (GraphcoreError, OSError) as error:
        typer.echo(f"graphcore: {error}", err=True)
        raise typer.Exit(2) from error
    for finding in findings:
        typer.echo(str(finding))
    if findings:
        raise typer.Exit(1)
