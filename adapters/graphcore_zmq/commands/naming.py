"""How a command is told which registry is meant; all commands that ask one share these options."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from graphcore_zmq.registries.etcd.registry import EtcdRegistry
from graphcore_zmq.registries.local import LocalRegistry

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


@dataclass(frozen=True)
class RegistryOptions:
    """What was given on the command line."""

    etcd: _Etcd = None
    local: _Local = None
    prefix: _Prefix = ""
    user: _User = None
    password: _Password = None
    ca_cert: _CaCert = None
    cert: _Cert = None
    key: _Key = None

    @property
    def given(self) -> bool:
        """Whether there is a registry."""
        return bool(self.etcd) or self.local is not None

    @contextmanager
    def opened(self) -> Iterator[EtcdRegistry | LocalRegistry]:
        """Open the registry that the options name, and close it afterwards."""
        if bool(self.etcd) == (self.local is not None):
            raise typer.BadParameter("give --etcd http://host:2379 or --local FILE, one of the two")
        opened: Any
        if self.local is not None:
            opened = LocalRegistry(self.local)
        else:
            opened = EtcdRegistry(
                self.etcd or [],
                user=self.user,
                # The environment may hold a password that is meant for other etcds.
                password=self.password if self.user else None,
                ca_cert=self.ca_cert,
                cert=self.cert,
                key=self.key,
                prefix=self.prefix,
            )
        with opened if isinstance(opened, AbstractContextManager) else nullcontext():
            yield opened


def with_registry_options(command: Callable[..., None]) -> Callable[..., None]:
    """Have a command take the options in place of its argument `registry`, `RegistryOptions`."""
    options = inspect.signature(RegistryOptions).parameters
    own = [p for p in inspect.signature(command).parameters.values() if p.name != "registry"]
    parameters = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in (*own, *options.values())
    ]

    @wraps(command)
    def run(**given: Any) -> None:
        registry = RegistryOptions(**{name: given.pop(name) for name in options})
        command(registry=registry, **given)

    # Typer reads these.
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # it may be set
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run
