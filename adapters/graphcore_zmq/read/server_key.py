"""The public key of a publisher that is found by name, where the registry is asked for it.

It is asked at each connection, so that a publisher that moves may have another key. The question is
about one address: a key never goes with an address that it was not registered with.
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, wait

from graphcore import InvalidValueError
from graphcore_zmq.config import ZmqSubConfig
from graphcore_zmq.registries.asking import answered, ask
from graphcore_zmq.registry import KeyedRegistry, NameNotFoundError, RegistryError
from graphcore_zmq.socket.security import CurveClient

_logger = logging.getLogger(__name__)

_BRIEFLY = 0.05  # s for which the receiver's thread waits for an answer
_AGAIN = 0.5  # s between two questions
_CLOSE = 0.5  # s that a question which is under way is waited for


class ServerKey:
    """Knows with which keys to connect.

    `find` is for the graph's thread, the rest for the receiver's.

    Args:
        config: the publisher's name and registry, or its address.
        security: the subscriber's, if it has any.

    Attributes:
        security: what to connect with, once the key is known.

    Raises:
        InvalidValueError: if there is nobody to ask for a key that is not given.
    """

    def __init__(self, config: ZmqSubConfig, security: CurveClient | None) -> None:
        self._name = config.name
        self._registry: KeyedRegistry | None = None
        self._given = security
        if security is not None and security.server_key is None:
            if config.registry is None:
                raise InvalidValueError(
                    "Curve.client without a server_key is for a name: at an address there is "
                    "nobody to ask for the publisher's public key"
                )
            if not isinstance(config.registry, KeyedRegistry):
                raise InvalidValueError(
                    f"{config.registry} carries no public keys: give the publisher's in "
                    "Curve.client(server_key, secret_key)"
                )
            self._registry = config.registry
        self.reset()

    def reset(self) -> None:
        """Forget the last run."""
        self.security = self._given
        self._asked = ""
        self._answer: Future[str] | None = None
        self._ask_at = 0.0
        self._said = ""

    def find(self, address: str | None, stopping: Callable[[], bool]) -> None:
        """Ask for the key once, for as long as the run is not to end.

        Raises:
            NameNotFoundError: if there is no key beside the address.
            RegistryError: if what is there is none.
            Exception: what the registry raises if it cannot be asked.
        """
        if self._registry is None or address is None:
            return
        answer = self._ask(self._registry, address)
        if answered(answer, stopping):
            self._take(answer)

    def is_known(self, address: str) -> bool:
        """Return whether `security` is what to connect to an address with; asks if it is not.

        Never blocks for longer than a moment. An answer serves for one connection.
        """
        if self._registry is None:
            return True
        if self._answer is None:
            if time.monotonic() < self._ask_at:
                return False
            self._ask(self._registry, address)
        answer = self._answer
        assert answer is not None
        if not wait([answer], timeout=_BRIEFLY).done:
            return False
        self._answer = None
        if self._asked != address:
            return False  # it has moved meanwhile
        self._ask_at = time.monotonic() + _AGAIN
        try:
            self._take(answer)
        except Exception as error:  # whatever a registry's client raises while it is down
            if self._said != str(error):
                self._said = str(error)
                _logger.warning("%r at %s is waited for: %s", self._name, address, error)
            return False
        self._said = ""
        self._ask_at = 0.0
        return True

    def close(self) -> None:
        """Ask no more; a question that the registry does not answer in time ends by itself."""
        if self._answer is not None and not wait([self._answer], timeout=_CLOSE).done:
            _logger.warning(
                "%s does not answer; the thread that asks for the key of %r ends when it does",
                self._registry,
                self._name,
            )

    def _ask(self, registry: KeyedRegistry, address: str) -> "Future[str]":
        name = self._name
        assert name is not None
        self._asked = address
        answer = ask(lambda: registry.public_key(name, address), f"graphcore-key-{name}")
        self._answer = answer
        return answer

    def _take(self, answer: "Future[str]") -> None:
        assert self._given is not None
        try:
            self.security = self._given.with_server_key(answer.result())
        except RegistryError:
            raise
        except LookupError as error:
            raise NameNotFoundError(
                f"no public key beside {self._name!r} found in {self._registry}"
            ) from error
        except InvalidValueError as error:
            raise RegistryError(f"beside {self._name!r} in {self._registry}: {error}") from None
