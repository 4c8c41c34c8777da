"""`StaticRegistry`: names and addresses that are written in the program or its configuration."""

from collections.abc import Mapping
from typing import Any

from graphcore import InvalidTypeError
from graphcore_zmq.config import check_address
from graphcore_zmq.registry import NameNotFoundError, Registration, RegistryError
from graphcore_zmq.socket.security import Key, read_public_key


class StaticClaim:
    """A publisher that agrees with the registry; the registry stores nothing about it."""

    def wait(self, seconds: float) -> bool:
        """Return True: the check is done."""
        return True

    def revoke(self) -> None:
        """Do nothing: the name stays as it is written."""


class StaticRegistry:
    """Names and addresses that do not change.

    A publisher may register here too. Its port must then be the port of the address under its name,
    and its public key the key beside that address, if there is one. Hosts are not compared: a host
    has many names, and publishers seldom bind the address that subscribers use.

    Args:
        names: the address of each name, such as ``{"quotes": "tcp://feeds:5556"}``, or the address
            and the public key of its publisher, ``("tcp://feeds:5556", Path("quotes.key"))``.

    Raises:
        InvalidTypeError, InvalidValueError: if `names` is not such a mapping.
    """

    def __init__(self, names: Mapping[str, str | tuple[str, Key]]) -> None:
        if not isinstance(names, Mapping):
            raise InvalidTypeError(f"a static registry is a mapping of names, not {names!r}")
        self._entries: dict[str, Registration] = {}
        for name, entry in names.items():
            if not isinstance(name, str) or not name:
                raise InvalidTypeError(f"a publisher's name is a text, not {name!r}")
            self._entries[name] = _registration(name, entry)

    def __repr__(self) -> str:
        return f"StaticRegistry({self.names()!r})"

    def register(self, name: str, address: str, public_key: str | None = None) -> StaticClaim:
        """Check that a publisher has the port and the public key that are written for its name.

        Raises:
            NameNotFoundError: if there is no such name.
            RegistryError: if the address has another port, or is another path, or the publisher has
                no key or another than the one beside the address.
        """
        return self.claim(Registration(name, address, public_key))

    def claim(self, registration: Registration) -> StaticClaim:
        """Do the same as `register`."""
        name, address = registration.name, registration.address
        known = self.find(name)
        if _place(known.address) != _place(address):
            raise RegistryError(
                f"{name!r} is at {known.address} in the static registry, and this publisher at "
                f"{address}: bind it to that port, or change the address in the registry"
            )
        if known.public_key is not None and known.public_key != registration.public_key:
            own = registration.public_key
            raise RegistryError(
                f"{name!r} has the public key {known.public_key} in the static registry, and this "
                f"publisher {'no key' if own is None else f'the key {own}'}: give it that pair of "
                "keys, or change the key in the registry"
            )
        return StaticClaim()

    def lookup(self, name: str) -> str:
        """Return the address under a name.

        Raises:
            NameNotFoundError: if there is none.
        """
        return self.find(name).address

    def find(self, name: str) -> Registration:
        """Return the address under a name, and the public key beside it.

        Raises:
            NameNotFoundError: if there is no such name.
        """
        found = self._entries.get(name)
        if found is None:
            known = ", ".join(map(repr, self._entries)) or "nothing"
            raise NameNotFoundError(
                f"no publisher named {name!r} found in the static registry; it has {known}"
            )
        return found

    def names(self) -> dict[str, str]:
        """Return all names and their addresses."""
        return {name: entry.address for name, entry in self._entries.items()}


def _registration(name: str, entry: Any) -> Registration:
    address, key = entry, None
    if isinstance(entry, tuple):
        if len(entry) != 2:
            raise InvalidTypeError(
                f"a name has an address, or an address and a public key, not {entry!r}"
            )
        address, key = entry[0], read_public_key(entry[1])
    return Registration(name, check_address(address), key)


def _place(address: str) -> str:
    """Return the part of an address that has to agree: the port, or the path."""
    return address.rpartition(":")[2] if address.startswith("tcp://") else address
