"""Discovery: what a registry of publishers' names must offer. Any object with these methods is one.

The methods are called from whatever thread a run uses; each call may block for as long as the
registry's own timeouts allow.
"""

from typing import Protocol, runtime_checkable


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
