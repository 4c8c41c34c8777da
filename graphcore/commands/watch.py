"""`graphcore watch`: view the watchable run of another process in the browser."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from graphcore.errors import GraphcoreError, RunError
from graphcore.view.serving import need_extra
from graphcore.view.unix import connect_to, socket_of


def watch(
    pid: Annotated[int, typer.Argument(help="The process, as ps and pgrep show it.")],
    run: Annotated[
        int | None, typer.Option(help="Which of its runs, if there are several.")
    ] = None,
    port: Annotated[int, typer.Option(help="The port of the page; 0 is any that is free.")] = 0,
) -> None:
    """View a run of another process in the browser, until the run ends.

    The process must be watchable: start it with GRAPHCORE_WATCHABLE=1, or run the graph with
    watchable=True.
    """
    try:
        need_extra()
        typer.echo(asyncio.run(_watch(socket_of(pid, run), port)))
    except GraphcoreError as error:
        typer.echo(f"graphcore: {error}", err=True)
        raise typer.Exit(1) from error


async def _watch(path: Path, port: int) -> str:
    """Serve the page until the run has ended; return how it ended."""
    from graphcore.view.web import Web, listener_at

    try:
        reader, writer = await connect_to(path)
    except OSError as error:
        raise RunError(f"the run does not answer any more: {error}") from error
    try:
        listener = listener_at(port)
        web = Web(listener)
        status = "gone"
        async with web.serving(lambda: connect_to(path)):
            typer.echo(f"{web.url}  (until the run ends, or Ctrl-C)")
            while line := await reader.readline():
                message: dict[str, Any] = json.loads(line)
                if "refused" in message:
                    raise RunError(message["refused"])
                status = message.get("now", {}).get("status", status)
        return f"the run has {status}" if status.startswith("ended") else "the process has gone"
    finally:
        writer.close()
