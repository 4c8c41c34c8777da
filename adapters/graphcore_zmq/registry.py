"""Discovery: what a registry of publishers' names must offer. Any object with these methods is one.

The methods are called from whatever thread a run uses; each call may block for as long as the
registry's own timeouts allow.
"""

import logging
import socket
from typing import Protocol, runtime_checkable

_logger = logging.getLogger(__name__)

_WILDCARDS = ("0.0.0.0", "*", "::", "[::]")


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
