"""`graphcore registry`: shows registered publishers in a terminal. Needs the extra `cli`."""

import json
import select
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from graphcore_zmq.commands.ending import ending_in_one_sentence, say
from graphcore_zmq.commands.naming import RegistryOptions, with_registry_options
from graphcore_zmq.commands.terminal import encode_output, plain
from graphcore_zmq.registries.etcd.registry import EtcdRegistry
from graphcore_zmq.registries.local import LocalRegistry
from graphcore_zmq.registry import RegistryError

_EVERY = 500  # ms between two polls of `watch`
_WIDE = 10_000  # columns of a table that goes to a file or a pipe

app = typer.Typer(no_args_is_help=True, help="Show registered publishers.")

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
@with_registry_options
def list_names(
    registry: RegistryOptions,
    as_json: _Json = False,
) -> None:
    """List all names with their addresses."""
    with ending_in_one_sentence():
        encode_output(as_json)
        with registry.opened() as opened:
            names = opened.names()
        if as_json:
            _print_json([{"name": name, "address": address} for name, address in names.items()])
            return
        table = Table("name", "address", box=None, pad_edge=False)
        for name, address in names.items():
            table.add_row(plain(name), plain(address))
        width = None if sys.stdout.isatty() else _WIDE
        console = Console(width=width, markup=False, highlight=False)
        # Captured, because rich exits with 1 when the reader of a pipe has gone.
        with console.capture() as text:
            console.print(table)
        typer.echo(text.get(), nl=False)


@app.command()
@with_registry_options
def lookup(
    registry: RegistryOptions,
    name: Annotated[str, typer.Argument(help="The publisher's name.")],
    as_json: _Json = False,
) -> None:
    """Print the address of a name; exit with 1 if nobody has registered it."""
    with ending_in_one_sentence():
        encode_output(as_json)
        with registry.opened() as opened:
            address = opened.lookup(name)
        if as_json:
            _print_json({"name": name, "address": address})
        else:
            typer.echo(plain(address))


@app.command()
@with_registry_options
def watch(
    registry: RegistryOptions,
    name: Annotated[str | None, typer.Argument(help="One name; by default all.")] = None,
    as_json: _Json = False,
) -> None:
    """Print all names with their addresses, then changes, until Ctrl-C or SIGTERM.

    It looks twice a second: of several changes in between it prints the last.
    """
    encode_output(as_json)
    with ending_in_one_sentence(), suppress(KeyboardInterrupt), registry.opened() as opened:
        # The loop is in a function of its own: in CPython 3.13 a `with` around a loop may not see
        # Ctrl-C at the loop's jump back, if it is in the same function (cpython issue 130279).
        _print_changes(opened, name, as_json)


def _print_changes(opened: EtcdRegistry | LocalRegistry, name: str | None, as_json: bool) -> None:
    known: dict[str, str] = {}
    trouble = ""
    reader = select.poll()
    reader.register(sys.stdout, 0)  # `poll` always reports errors
    while True:
        try:
            names = opened.names()
        except RegistryError as error:
            # Later errors differ only in how long the registry has not answered.
            if not trouble:
                trouble = str(error)
                say(f"{trouble}; trying again")
        else:
            if trouble:
                trouble = ""
                say("the registry answers again")
            if name is not None:
                names = {each: at for each, at in names.items() if each == name}
            for each in sorted({*known, *names}):
                if known.get(each) != names.get(each):
                    _print_change(each, names.get(each), as_json)
            known = names
        if reader.poll(_EVERY):  # nobody reads the output any more
            return


def _print_change(name: str, address: str | None, as_json: bool) -> None:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    if as_json:
        _print_json({"time": now, "name": name, "address": address})
    else:
        typer.echo(f"{now}  {plain(name)}  {'gone' if address is None else plain(address)}")
    # The reader of a pipe sees the change now.
    sys.stdout.flush()


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False))
