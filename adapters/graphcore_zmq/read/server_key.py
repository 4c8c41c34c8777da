"""Finds the public key of a publisher in the registry that stores its name.

The subscriber asks before each connection, because a publisher that moves may have another key. It
uses a key only with the address that was registered together with it.
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, wait

from graphcore import InvalidValueError
from graphcore_zmq.config import ZmqSubConfig
from graphcore_zmq.registries.asking import answered, ask
from graphcore_zmq.registry import (
    KeyedRegistry,
    NameNotFoundError,
    Registration,
    RegistryError,
)
from graphcore_zmq.socket.security import CurveClient

_logger = logging.getLogger(__name__)

_BRIEFLY = 0.05  # s that the reader's thread waits for an answer
_AGAIN = 0.5  # s between two requests
_CLOSE = 0.5  # s that `close` waits for a request that is under way


class ServerKey:
    """Finds the keys that a subscriber connects with.

    The graph's thread calls `find`; the reader's thread calls the other methods.

    Args:
        config: the publisher's name and registry, or its address.
        security: the subscriber's keys; `None` if it does not encrypt.

    Attributes:
        security: the keys to connect with, once the publisher's is known.

    Raises:
        InvalidValueError: if the publisher's key is not given, and no registry can tell it.
    """

    def __init__(self, config: ZmqSubConfig, security: CurveClient | None) -> None:
        self._name = config.name
        self._registry: KeyedRegistry | None = None
        self._given = security
        if security is not None and security.server_key is None:
            if config.registry is None:
                raise InvalidValueError(
                    "Curve.client without a server_key needs a name: for an address, no registry "
                    "can be asked for the publisher's public key"
                )
            if not isinstance(config.registry, KeyedRegistry):
                raise InvalidValueError(
                    f"{config.registry} holds no public keys: give the publisher's in "
                    "Curve.client(server_key, secret_key)"
                )
            self._registry = config.registry
        self.security = security
        self._answer: Future[Registration] | None = None
        self._ask_at = 0.0
        self._said = ""

    def find(self, address: str | None, stopping: Callable[[], bool]) -> None:
        """Ask for the key once; give up when the run is stopping.

        Raises:
            NameNotFoundError: if no key is registered with the address.
            RegistryError: if the registered key is invalid.
            Exception: what the registry raises if it does not answer.
        """
        if self._registry is None or address is None:
            return
        answer = self._ask(self._registry)
        if answered(answer, stopping):
            self._take(answer, address)

    def is_known(self, address: str) -> bool:
        """Return whether `security` has the key for an address; ask the registry if it has not.

        Blocks for 50 ms at most. One answer serves for one connection.
        """
        if self._registry is None:
            return True
        if self._answer is None:
            if time.monotonic() < self._ask_at:
                return False
            self._ask(self._registry)
        answer = self._answer
        assert answer is not None
        if not wait([answer], timeout=_BRIEFLY).done:
            return False
        self._answer = None
        self._ask_at = time.monotonic() + _AGAIN
        try:
            self._take(answer, address)
        except Exception as error:  # a registry's client may raise anything while it is down
            if self._said != str(error):
                self._said = str(error)
                _logger.warning(
                    "waiting for the public key of %r at %s: %s", self._name, address, error
                )
            return False
        self._said = ""
        self._ask_at = 0.0
        return True

    def close(self) -> None:
        """Ask no more; wait 0.5 s at most for a request that is under way."""
        if self._answer is not None and not wait([self._answer], timeout=_CLOSE).done:
            _logger.warning(
                "%s does not answer; the thread that asks for the key of %r ends when it does",
                self._registry,
                self._name,
            )

    def _ask(self, registry: KeyedRegistry) -> "Future[Registration]":
        name = self._name
        assert name is not None
        answer = ask(lambda: registry.find(name), f"graphcore-key-{name}")
        self._answer = answer
        return answer

    def _take(self, answer: "Future[Registration]", address: str) -> None:
        assert self._given is not None
        try:
            found = answer.result()
        except RegistryError:
            raise
        except LookupError as error:
            raise NameNotFoundError(
                f"no publisher named {self._name!r} found in {self._registry}"
            ) from error
        if found.address != address:
            raise NameNotFoundError(
                f"{self._name!r} has moved from {address} to {found.address} in {self._registry}"
            )
        if found.public_key is None:
            raise NameNotFoundError(
                f"no public key of {self._name!r} at {address} found in {self._registry}"
            )
        try:
            self.security = self._given.with_server_key(found.public_key)
        except InvalidValueError as error:
            raise RegistryError(
                f"the public key of {self._name!r} in {self._registry} is invalid: {error}"
            ) from None
