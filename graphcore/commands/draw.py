"""`graphcore draw`: draw the graph of a module."""

import sys
from contextlib import redirect_stdout
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from graphcore.commands.loading import load_graph
from graphcore.errors import GraphcoreError


class _Format(Enum):
    MERMAID = "mermaid"
    DOT = "dot"
    SVG = "svg"


def draw(
    graph: Annotated[str, typer.Argument(help="The graph, as module:name or file.py:name.")],
    format: Annotated[_Format, typer.Option(help="What to print.")] = _Format.MERMAID,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A file instead: .svg, .dot, .gv or .mmd."),
    ] = None,
) -> None:
    """Draw the graph of a module: its Graph, a stream, or a function that returns one."""
    try:
        with redirect_stdout(sys.stderr):  # what the module prints is no part of the drawing
            drawing = load_graph(graph).draw()
        if output is not None:
            drawing.save(output)
            return
        text: str = getattr(drawing, format.value)
    except (GraphcoreError, OSError) as error:
        typer.echo(f"graphcore: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(text)
