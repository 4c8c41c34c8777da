"""`StaticRegistry`: names that stand in the program or its configuration."""

from collections.abc import Mapping
from types import MappingProxyType

from graphcore import InvalidTypeError
from graphcore_zmq.config import check_address
from graphcore_zmq.registry import NameNotFoundError, RegistryError


class StaticRegistration:
    """A name that was found to agree; there is nothing to take back."""

    def revoke(self) -> None:
        """Do nothing: the name stays where it is written."""


class StaticRegistry:
    """Names and addresses that do not change.

    A publisher may give it too: then its port must be that of the address under its name. The host
    is not compared, as it has many names, and an address that a publisher binds is seldom the one
    that subscribers use.

    Args:
        names: the address of each name, such as ``{"quotes": "tcp://feeds:5556"}``.

    Raises:
        InvalidTypeError, InvalidValueError: for what is no mapping of names to addresses.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        if not isinstance(names, Mapping):
            raise InvalidTypeError(f"a static registry is a mapping of names, not {names!r}")
        for name, address in names.items():
            if not isinstance(name, str) or not name:
                raise InvalidTypeError(f"a publisher's name is a text, not {name!r}")
            check_address(address)
        self._names = MappingProxyType(dict(names))

    def __repr__(self) -> str:
        return f"StaticRegistry({dict(self._names)!r})"

    def register(self, name: str, address: str) -> StaticRegistration:
        """Check that a publisher is where its name says.

        Raises:
            NameNotFoundError: if there is no such name.
            RegistryError: if the address has another port, or is another path.
        """
        known = self.lookup(name)
        if _place(known) != _place(address):
            raise RegistryError(
                f"{name!r} is at {known} in the static registry, and this publisher at {address}: "
                "bind it to that port, or write its own there"
            )
        return StaticRegistration()

    def lookup(self, name: str) -> str:
        """Return the address under a name.

        Raises:
            NameNotFoundError: if there is none.
        """
        address = self._names.get(name)
        if address is None:
            known = ", ".join(map(repr, self._names)) or "nothing"
            raise NameNotFoundError(
                f"no publisher named {name!r} found in the static registry; it has {known}"
            )
        return address

    def names(self) -> dict[str, str]:
        """Return all names and their addresses."""
        return dict(self._names)


def _place(address: str) -> str:
    """Return what must agree of an address: the port, or the path."""
    return address.rpartition(":")[2] if address.startswith("tcp://") else address
