"""The command `graphcore`: gathers the sub-commands in the entry-point group `graphcore.commands`.

An entry point is a function, which becomes a sub-command, or a `typer.Typer`, which becomes a group
of sub-commands. Any package can add commands in this way, and the engine knows none of them. If an
entry point cannot be loaded, because an extra is missing, its command is listed with the reason and
the others work.
"""

import signal
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated

from graphcore.version import __version__

try:
    import typer
except ImportError:
    _available = False
else:
    _available = True

GROUP = "graphcore.commands"


def main() -> None:
    """Run the command `graphcore` with the arguments of this process."""
    if not _available:
        sys.exit("graphcore: this command needs typer: pip install 'graphcore[cli]'")
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    if sys._getframe(1).f_back is None:
        # Nothing but the interpreter's exit follows. A signal could no longer change how the
        # command ended; it could only change the exit code or cause a traceback.
        handlers = dict.fromkeys(handlers, signal.SIG_IGN)
    try:
        application(*sys.argv[1:2])(prog_name="graphcore")
    except KeyboardInterrupt:  # while the sub-commands were loaded
        sys.exit(130)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def application(called: str = "") -> "typer.Typer":
    """Return the command; needs typer.

    Args:
        called: the name of the sub-command that will be called. The others are not loaded, which
            would take longer than most commands. Any other text loads all of them.
    """
    app = typer.Typer(no_args_is_help=True, add_completion=False)
    app.callback()(_graphcore)
    found = sorted(entry_points(group=GROUP), key=lambda each: each.name)
    for entry_point in [each for each in found if each.name == called] or found:
        _add(app, entry_point)
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"graphcore {__version__}")
        raise typer.Exit


if _available:
    _Version = Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ]


def _graphcore(version: "_Version" = False) -> None:
    """Declare a graph of streams once, and run it over history or live."""


def _add(app: "typer.Typer", entry_point: EntryPoint) -> None:
    try:
        command = entry_point.load()
        if not callable(command):
            raise TypeError(f"{entry_point.value} is neither a function nor a typer.Typer")
    except Exception as error:  # an error in one package must not break the commands of the others
        app.command(
            entry_point.name,
            help=f"Not available: {error}",
            context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
        )(_refusal(entry_point, error))
        return
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=entry_point.name)
    else:
        app.command(entry_point.name)(command)


def _refusal(entry_point: EntryPoint, error: Exception) -> Callable[[], None]:
    """Return a command that stands in for one that cannot be loaded, and says why."""
    package = entry_point.dist.name if entry_point.dist else entry_point.module
    name = entry_point.name

    def refuse() -> None:
        typer.echo(
            f"graphcore: {name} cannot be loaded: {error}. It comes with {package}, "
            f"which may need an extra: pip install '{package}[all]'",
            err=True,
        )
        raise typer.Exit(1)

    return refuse
