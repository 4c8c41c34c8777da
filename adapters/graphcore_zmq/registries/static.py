"""`StaticRegistry`: names that stand in the program or its configuration."""

from collections.abc import Mapping
from typing import Any

from graphcore import InvalidTypeError
from graphcore_zmq.config import check_address
from graphcore_zmq.registry import NameNotFoundError, RegistryError
from graphcore_zmq.socket.security import Key, read_public_key


class StaticRegistration:
    """A name that was found to agree; there is nothing to take back."""

    def revoke(self) -> None:
        """Do nothing: the name stays where it is written."""


class StaticRegistry:
    """Names and addresses that do not change.

    A publisher may give it too: then its port must be that of the address under its name, and its
    public key the one that is written beside it, if one is. The host is not compared, as it has
    many names, and an address that a publisher binds is seldom the one that subscribers use.

    Args:
        names: the address of each name, such as ``{"quotes": "tcp://feeds:5556"}``, or the address
            and the public key of its publisher, ``("tcp://feeds:5556", Path("quotes.key"))``.

    Raises:
        InvalidTypeError, InvalidValueError: for what is no mapping of names to these.
    """

    def __init__(self, names: Mapping[str, str | tuple[str, Key]]) -> None:
        if not isinstance(names, Mapping):
            raise InvalidTypeError(f"a static registry is a mapping of names, not {names!r}")
        self._addresses: dict[str, str] = {}
        self._public_keys: dict[str, str] = {}
        for name, entry in names.items():
            if not isinstance(name, str) or not name:
                raise InvalidTypeError(f"a publisher's name is a text, not {name!r}")
            self._enter(name, entry)

    def __repr__(self) -> str:
        return f"StaticRegistry({self._addresses!r})"

    def register(
        self, name: str, address: str, public_key: str | None = None
    ) -> StaticRegistration:
        """Check that a publisher is where its name says, and has the key that is written there.

        Raises:
            NameNotFoundError: if there is no such name.
            RegistryError: if the address has another port, or is another path, or the publisher has
                another key than the one beside it, or none.
        """
        known = self.lookup(name)
        if _place(known) != _place(address):
            raise RegistryError(
                f"{name!r} is at {known} in the static registry, and this publisher at {address}: "
                "bind it to that port, or write its own there"
            )
        key = self._public_keys.get(name)
        if key is not None and key != public_key:
            own = "no key" if public_key is None else f"the key {public_key}"
            raise RegistryError(
                f"{name!r} has the public key {key} in the static registry, and this publisher "
                f"{own}: give it the pair of that one, or write its own there"
            )
        return StaticRegistration()

    def lookup(self, name: str) -> str:
        """Return the address under a name.

        Raises:
            NameNotFoundError: if there is none.
        """
        address = self._addresses.get(name)
        if address is None:
            known = ", ".join(map(repr, self._addresses)) or "nothing"
            raise NameNotFoundError(
                f"no publisher named {name!r} found in the static registry; it has {known}"
            )
        return address

    def public_key(self, name: str, address: str) -> str:
        """Return the public key that is written beside an address.

        Raises:
            NameNotFoundError: if the name has another address, or no key.
        """
        key = self._public_keys.get(name)
        if key is None or self._addresses[name] != address:
            raise NameNotFoundError(
                f"no public key of {name!r} at {address} found in the static registry"
            )
        return key

    def names(self) -> dict[str, str]:
        """Return all names and their addresses."""
        return dict(self._addresses)

    def _enter(self, name: str, entry: Any) -> None:
        address, key = entry, None
        if isinstance(entry, tuple):
            if len(entry) != 2:
                raise InvalidTypeError(
                    f"a name has an address, or an address and a public key, not {entry!r}"
                )
            address, key = entry
            self._public_keys[name] = read_public_key(key)
        check_address(address)
        self._addresses[name] = address


def _place(address: str) -> str:
    """Return what must agree of an address: the port, or the path."""
    return address.rpartition(":")[2] if address.startswith("tcp://") else address
