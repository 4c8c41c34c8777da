"""`graphcore registry`: what is registered, shown in the terminal. Needs the extra `cli`."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from graphcore import InvalidTypeError, InvalidValueError
from graphcore_zmq.etcd import EtcdRegistry
from graphcore_zmq.local import LocalRegistry
from graphcore_zmq.registry import RegistryError

_EVERY = 0.5  # s between two looks of `watch`
_WIDE = 10_000  # columns where nobody sees the end of a line

registry = typer.Typer(no_args_is_help=True, help="Show publishers that are registered by name.")

_Etcd = Annotated[
    list[str] | None,
    typer.Option(help="An endpoint of etcd, such as http://host:2379; may be given several times."),
]
_Local = Annotated[Path | None, typer.Option(help="The file of a local registry.")]
_Prefix = Annotated[str, typer.Option(help="What stands before each name in etcd.")]
_User = Annotated[str | None, typer.Option(help="Who asks etcd.")]
_Password = Annotated[
    str | None,
    typer.Option(
        envvar="GRAPHCORE_ETCD_PASSWORD", help="The password; others see what is given here."
    ),
]
_CaCert = Annotated[Path | None, typer.Option(help="Whom to trust: a certificate's file.")]
_Cert = Annotated[Path | None, typer.Option(help="The client's certificate.")]
_Key = Annotated[Path | None, typer.Option(help="The key of the client's certificate.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@registry.command("list")
def list_names(
    etcd: _Etcd = None,
    local: _Local = None,
    prefix: _Prefix = "",
    user: _User = None,
    password: _Password = None,
    ca_cert: _CaCert = None,
    cert: _Cert = None,
    key: _Key = None,
    as_json: _Json = False,
) -> None:
    """List all names with their addresses."""
    with _opened(etcd, local, prefix, user, password, ca_cert, cert, key) as opened:
        names = opened.names()
    if as_json:
        _print_json([{"name": name, "address": address} for name, address in names.items()])
        return
    table = Table("name", "address", box=None, pad_edge=False)
    for name, address in names.items():
        table.add_row(_plain(name), _plain(address))
    width = None if sys.stdout.isatty() else _WIDE
    Console(width=width, markup=False, highlight=False).print(table)


@registry.command()
def lookup(
    name: Annotated[str, typer.Argument(help="The publisher's name.")],
    etcd: _Etcd = None,
    local: _Local = None,
    prefix: _Prefix = "",
    user: _User = None,
    password: _Password = None,
    ca_cert: _CaCert = None,
    cert: _Cert = None,
    key: _Key = None,
    as_json: _Json = False,
) -> None:
    """Print the address under a name; the exit code is 1 if there is none."""
    with _opened(etcd, local, prefix, user, password, ca_cert, cert, key) as opened:
        address = opened.lookup(name)
    if as_json:
        _print_json({"name": name, "address": address})
    else:
        typer.echo(_plain(address))


@registry.command()
def watch(
    name: Annotated[str | None, typer.Argument(help="One name; by default all.")] = None,
    etcd: _Etcd = None,
    local: _Local = None,
    prefix: _Prefix = "",
    user: _User = None,
    password: _Password = None,
    ca_cert: _CaCert = None,
    cert: _Cert = None,
    key: _Key = None,
    as_json: _Json = False,
) -> None:
    """Print what is registered, and then each change, until Ctrl-C."""
    known: dict[str, str] = {}
    trouble = ""
    with _opened(etcd, local, prefix, user, password, ca_cert, cert, key) as opened:
        while True:
            try:
                names = opened.names()
            except RegistryError as error:
                # How long it was tried differs each time; the first sentence is enough.
                if not trouble:
                    trouble = str(error)
                    typer.echo(f"graphcore: {trouble}; it is tried again", err=True)
            else:
                if trouble:
                    trouble = ""
                    typer.echo("graphcore: the registry answers again", err=True)
                if name is not None:
                    names = {each: at for each, at in names.items() if each == name}
                for each in sorted({*known, *names}):
                    if known.get(each) != names.get(each):
                        _print_change(each, names.get(each), as_json)
                known = names
            time.sleep(_EVERY)


@contextmanager
def _opened(
    etcd: list[str] | None,
    local: Path | None,
    prefix: str,
    user: str | None,
    password: str | None,
    ca_cert: Path | None,
    cert: Path | None,
    key: Path | None,
) -> Iterator[EtcdRegistry | LocalRegistry]:
    """Open the registry that is meant; what it raises ends the command with one sentence."""
    if bool(etcd) == (local is not None):
        raise typer.BadParameter("give --etcd http://host:2379 or --local FILE, one of the two")
    try:
        opened: Any
        if local is not None:
            opened = LocalRegistry(local)
        else:
            opened = EtcdRegistry(
                etcd or [],
                user=user,
                # Set in the environment for whoever needs it, it is not always meant.
                password=password if user else None,
                ca_cert=ca_cert,
                cert=cert,
                key=key,
                prefix=prefix,
            )
        keeping = opened if isinstance(opened, AbstractContextManager) else nullcontext()
        with keeping:
            yield opened
    except KeyboardInterrupt:
        raise typer.Exit from None
    except (RegistryError, InvalidTypeError, InvalidValueError) as error:
        typer.echo(f"graphcore: {error}", err=True)
        raise typer.Exit(1) from None


def _print_change(name: str, address: str | None, as_json: bool) -> None:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    if as_json:
        _print_json({"time": now, "name": name, "address": address})
    else:
        typer.echo(f"{now}  {_plain(name)}  {'gone' if address is None else _plain(address)}")
    # Whoever reads it through a pipe is to see it now.
    sys.stdout.flush()


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False))


def _plain(text: str) -> str:
    """Return text without characters that a terminal would obey."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
