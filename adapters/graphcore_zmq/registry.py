"""Discovery: a registry maps the names of publishers to their addresses.

Any object with `register` and `lookup` is a registry. Each further method is optional:

    register(name, address), lookup(name)  ZmqRegistry        finds publishers by name
    claim(registration)                    ClaimingRegistry   lets a run stop while it waits for its
                                                              name; stores the public key
    find(name)                             KeyedRegistry      tells subscribers the public key
    watch(name)                            WatchableRegistry  reports at once that a name has moved
    peer                                   RemoteRegistry     tells a publisher on all interfaces
                                                              which of its addresses to register

`register` returns a `ZmqHandle`, `claim` a `ZmqClaim` and `watch` a `ZmqWatch`. Any thread may call
these methods; `register`, `lookup` and `find` may block.
"""

import logging
import socket
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Protocol, runtime_checkable

from graphcore import GraphcoreError

_logger = logging.getLogger(__name__)

_WILDCARDS = ("0.0.0.0", "*", "::", "[::]")
_ELSEWHERE = ("192.0.2.1", 9)  # an address for documentation (RFC 5737), which no host has


class RegistryError(GraphcoreError):
    """A registry cannot be reached, or refused a request; the message says which and why."""


class NameNotFoundError(RegistryError, LookupError):
    """No publisher has registered the name."""


class NameTakenError(RegistryError):
    """Another publisher holds the name; the message contains its address."""


class Conflict(StrEnum):
    """What a publisher does if another holds its name."""

    WAIT = "wait"
    ERROR = "error"
    STANDBY = "standby"


@dataclass(frozen=True)
class Registration:
    """What a registry stores about a publisher.

    Attributes:
        name: what subscribers look up.
        address: what they connect to, such as ``"tcp://10.0.0.7:5556"``.
        public_key: the publisher's CURVE key, 40 characters; `None` if its socket is not encrypted.
    """

    name: str
    address: str
    public_key: str | None = None


@runtime_checkable
class ZmqHandle(Protocol):
    """A registered name."""

    def revoke(self) -> None:
        """Remove the name from the registry; log what goes wrong, and raise nothing."""


class ZmqClaim(ZmqHandle, Protocol):
    """A registration that has begun; `revoke` ends it at any stage, within a second."""

    def wait(self, seconds: float) -> bool:
        """Wait until the name is registered; return whether it is, or raise what `register` would.

        A claim that stands by for its name counts as registered.
        """


class ZmqWatch(Protocol):
    """Follows one name."""

    @property
    def address(self) -> str | None:
        """The address under the name; `None` if there is none, or none is known yet.

        Never blocks. While the registry does not answer, it is the last known address.
        """

    def close(self) -> None:
        """Stop following the name; returns within a second, whatever the registry does."""


@runtime_checkable
class ZmqRegistry(Protocol):
    """Finds publishers by name."""

    def register(self, name: str, address: str) -> ZmqHandle:
        """Store an address that other hosts can connect to under a name."""

    def lookup(self, name: str) -> str:
        """Return the address under a name; raise `LookupError` if there is none."""


@runtime_checkable
class ClaimingRegistry(ZmqRegistry, Protocol):
    """A registry whose `register` may take long: `claim` begins it and returns at once."""

    def claim(self, registration: Registration) -> ZmqClaim:
        """Begin to register a publisher, with its public key if it has one; returns at once."""


@runtime_checkable
class KeyedRegistry(ZmqRegistry, Protocol):
    """A registry that stores the public keys of publishers beside their addresses."""

    def find(self, name: str) -> Registration:
        """Return what is registered under a name; raise `LookupError` if nothing is.

        Address and key belong together: one publisher has registered both.
        """


@runtime_checkable
class WatchableRegistry(ZmqRegistry, Protocol):
    """A registry that reports when a name moves."""

    def watch(self, name: str) -> ZmqWatch:
        """Begin to follow a name, which need not be registered yet; returns at once."""


@runtime_checkable
class RemoteRegistry(Protocol):
    """A registry that runs on some host of the network."""

    @property
    def peer(self) -> tuple[str, int] | None:
        """Host and port of the registry; `None` if they are not known."""


def reachable_address(address: str, registry: object = None) -> str:
    """Return an address that other hosts can connect to.

    An address with a host is returned as it is. A wildcard becomes the address from which this host
    reaches the registry, or, if the registry runs on this very host, from which it reaches others.
    """
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    if host not in _WILDCARDS:
        return address
    peers = [_ELSEWHERE]
    if isinstance(registry, RemoteRegistry) and registry.peer is not None:
        peers.insert(0, registry.peer)
    families = [socket.AF_INET] if ":" not in host else [socket.AF_INET, socket.AF_INET6]
    for peer in peers:
        for family in families:
            found = _own_address(peer, family)
            if found is not None:
                return f"tcp://[{found}]:{port}" if ":" in found else f"tcp://{found}:{port}"
    _logger.warning(
        "this host has no route to other hosts: registering %s as a loopback address", address
    )
    return f"tcp://127.0.0.1:{port}"


def _own_address(peer: tuple[str, int], family: socket.AddressFamily) -> str | None:
    """Return the address from which this host sends to a peer; `None` for a loopback address."""
    try:
        place = socket.getaddrinfo(*peer, family, socket.SOCK_DGRAM)[0][4]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            # Connecting a datagram socket sends nothing: the kernel picks the source address.
            probe.connect(place)
            found: str = probe.getsockname()[0]
    except OSError:
        return None
    return None if ip_address(found).is_loopback else found
