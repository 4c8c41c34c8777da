"""The options that name a registry, shared by all commands that use one."""

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
_Prefix = Annotated[str, typer.Option(help="Text before each name in etcd.")]
_User = Annotated[str | None, typer.Option(help="The user name at etcd.")]
_Password = Annotated[
    str | None,
    typer.Option(
        envvar="GRAPHCORE_ETCD_PASSWORD",
        help="The password at etcd; other users of this host can see it on the command line.",
    ),
]
_CaCert = Annotated[
    Path | None,
    typer.Option(help="The file of the certificate authority that signed etcd's certificate."),
]
_Cert = Annotated[Path | None, typer.Option(help="The file of the client's certificate.")]
_Key = Annotated[Path | None, typer.Option(help="The file of the key of the client's certificate.")]


@dataclass(frozen=True)
class RegistryOptions:
    """The registry that the command line names."""

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
        """Whether the command line names a registry."""
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
    """Replace the parameter `registry` of a command by the options of `RegistryOptions`."""
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

    # Typer reads the options from these.
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # functions take it
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run
