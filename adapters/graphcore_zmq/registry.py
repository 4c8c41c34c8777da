"""Discovery: what a registry of publishers' names must offer. Any object with these methods is one.

The methods are called from whatever thread a run uses; each call may block for as long as the
registry's own timeouts allow.
"""

import logging
import socket
from enum import StrEnum
from ipaddress import ip_address
from typing import Protocol, runtime_checkable

from graphcore import GraphcoreError

_logger = logging.getLogger(__name__)

_WILDCARDS = ("0.0.0.0", "*", "::", "[::]")
_ELSEWHERE = ("192.0.2.1", 9)  # an address that documents use, and nobody has


class RegistryError(GraphcoreError):
    """A registry that cannot be asked, or did not do what it was asked; says which and why."""


class NameNotFoundError(RegistryError, LookupError):
    """No publisher has registered the name."""


class NameTakenError(RegistryError):
    """Another publisher holds the name; the message holds its address."""


class Conflict(StrEnum):
    """What a registry does if another holds the name that a publisher registers."""

    WAIT = "wait"
    ERROR = "error"
    STANDBY = "standby"


@runtime_checkable
class ZmqHandle(Protocol):
    """A registration."""

    def revoke(self) -> None:
        """Take the name back; best effort, errors are logged."""


@runtime_checkable
class ZmqRegistry(Protocol):
    """Where publishers are found by name."""

    def register(self, name: str, address: str) -> ZmqHandle:
        """Enter an address that others can reach under a name."""

    def lookup(self, name: str) -> str:
        """Return the address under a name; raise `LookupError` if there is none."""


class ZmqClaim(ZmqHandle, Protocol):
    """A registration that has begun; `revoke` ends it at any stage, within a second."""

    def wait(self, seconds: float) -> bool:
        """Wait until it is done; return whether it is, and raise what `register` would."""


@runtime_checkable
class ClaimingRegistry(ZmqRegistry, Protocol):
    """A registry whose `register` may wait for long: it can begin, and be left off."""

    def claim(self, name: str, address: str) -> ZmqClaim:
        """Begin to register; returns at once."""


@runtime_checkable
class KeyedRegistry(ZmqRegistry, Protocol):
    """A registry that can carry a publisher's public key beside its address.

    One that has `claim` takes the key there as well. The address that others read under the name is
    the same with a key as without.
    """

    def register(self, name: str, address: str, public_key: str | None = None) -> ZmqHandle:
        """Enter an address under a name, and the key with it: both are there, or neither."""

    def public_key(self, name: str, address: str) -> str:
        """Return the key of the publisher that is registered under the name with this address.

        Raises:
            LookupError: if there is no such publisher, or it has no key.
        """


@runtime_checkable
class KeyedClaimingRegistry(KeyedRegistry, ClaimingRegistry, Protocol):
    """Both: a `register` that may wait for long, and public keys."""

    def claim(self, name: str, address: str, public_key: str | None = None) -> ZmqClaim:
        """Begin to register; returns at once."""


class ZmqWatch(Protocol):
    """Follows one name, in a thread of the registry's own."""

    @property
    def address(self) -> str | None:
        """What is known to be under the name now; `None` if nothing is, or nothing is known yet.

        Never blocks. While the registry cannot be asked, it is what was known last.
        """

    def close(self) -> None:
        """Follow no more; returns within a second, whatever the registry does."""


@runtime_checkable
class WatchableRegistry(ZmqRegistry, Protocol):
    """A registry that can also tell when a name moves; the others are asked again and again."""

    def watch(self, name: str) -> ZmqWatch:
        """Begin to follow a name, which need not be there yet; returns at once."""


@runtime_checkable
class RemoteRegistry(Protocol):
    """A registry that runs somewhere, towards which a publisher finds its own address."""

    @property
    def peer(self) -> tuple[str, int] | None:
        """Host and port of the registry; `None` if they are not known."""


def reachable_address(address: str, registry: object = None) -> str:
    """Return an address that other hosts can connect to for one that was bound.

    For a wildcard it is this host's address towards the registry; if the registry is on this very
    host, towards other hosts.
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
    _logger.warning("this host has no route to others; %s is registered as loopback", address)
    return f"tcp://127.0.0.1:{port}"


def _own_address(peer: tuple[str, int], family: socket.AddressFamily) -> str | None:
    """Return the address from which this host would send to a peer, if it is no loopback's."""
    try:
        place = socket.getaddrinfo(*peer, family, socket.SOCK_DGRAM)[0][4]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            # Connecting a datagram socket sends nothing; it asks which address has the route.
            probe.connect(place)
            found: str = probe.getsockname()[0]
    except OSError:
        return None
    return None if ip_address(found).is_loopback else found
