"""Discovery: what a registry of publishers' names must offer. Any object with these methods is one.

The methods are called from whatever thread a run uses; each call may block for as long as the
registry's own timeouts allow.
"""

import logging
import socket
from enum import StrEnum
from typing import Protocol, runtime_checkable

from graphcore import GraphcoreError

_logger = logging.getLogger(__name__)

_WILDCARDS = ("0.0.0.0", "*", "::", "[::]")


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


def reachable_address(address: str) -> str:
    """Return an address that other hosts can connect to for one that was bound."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    if host not in _WILDCARDS:
        return address
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        # Connecting a datagram socket sends nothing; it asks which address has the route.
        probe.connect(("192.0.2.1", 9))
        found: str = probe.getsockname()[0]
    except OSError:
        found = "127.0.0.1"
        _logger.warning("this host has no route to others; %s is registered as loopback", address)
    finally:
        probe.close()
    return f"tcp://{found}:{port}"
