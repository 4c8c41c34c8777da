"""The command `graphcore keys`: writes pairs of keys for publishers and subscribers."""

from pathlib import Path
from typing import Annotated

import typer

from graphcore_zmq.commands.ending import ending_in_one_sentence
from graphcore_zmq.commands.terminal import encode_output
from graphcore_zmq.socket.security import write_keys

app = typer.Typer(no_args_is_help=True, help="Keys for encrypted publishers and subscribers.")


@app.callback()
def _keys() -> None:
    """Keys for encrypted publishers and subscribers."""


@app.command()
def new(
    name: Annotated[Path, typer.Argument(help="The name of both files, without .key.")],
) -> None:
    """Write a new pair of keys, NAME.key and NAME.key_secret.

    NAME.key is the public key: give it to the other side. NAME.key_secret holds the secret key:
    only you can read the file, and nobody else may ever read it.
    """
    with ending_in_one_sentence():
        encode_output(in_json=False)
        public, secret = write_keys(name)
        typer.echo(f"{public}: the public key\n{secret}: the secret key; share it with nobody")
