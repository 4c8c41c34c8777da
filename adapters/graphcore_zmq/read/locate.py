"""Where a subscriber connects: to its address, or to the present address of its name.

A registry with `watch` is watched for the whole run. Any other registry is asked again and again
while there is no connection. Neither blocks the reader's thread or the end of a run.
"""

import logging
import time
from collections.abc import Callable
from enum import StrEnum

from graphcore import InvalidValueError
from graphcore_zmq.config import ZmqSubConfig, check_address
from graphcore_zmq.registries.asking import answered, ask
from graphcore_zmq.registries.polling import PollingWatch
from graphcore_zmq.registry import (
    NameNotFoundError,
    RegistryError,
    WatchableRegistry,
    ZmqRegistry,
    ZmqWatch,
)

_logger = logging.getLogger(__name__)

_AT_FIRST = 0.5  # s of waiting until the log says so for the first time
_SAY_EVERY = 10.0  # s between two lines in the log while it goes on


class Missing(StrEnum):
    """What a subscriber does when nobody has registered its name."""

    WAIT = "wait"
    ERROR = "error"


class Locator:
    """Knows where the publisher is. `find` belongs to the graph's thread, the rest to the reader's.

    Args:
        config: the publisher's address, or its name and registry.
    """

    def __init__(self, config: ZmqSubConfig) -> None:
        self._config = config
        self._found: str | None = None
        self._watch: ZmqWatch | None = None
        self._polling: PollingWatch | None = None
        self._answered = False
        self._refused: object = None
        self._waiting_since = self._say_at = 0.0

    def find(self, stopping: Callable[[], bool]) -> str | None:
        """Look the name up once; return its address, or `None` if the run is stopped meanwhile.

        Args:
            stopping: whether the run is being stopped.

        Raises:
            NameNotFoundError: if nobody has registered the name.
            RegistryError: if the registered address is invalid.
            Exception: whatever the registry raises if it cannot be asked.
        """
        name, registry = self._config.name, self._config.registry
        if name is None or registry is None:
            return None
        answer = ask(lambda: registry.lookup(name), f"graphcore-lookup-{name}")
        if not answered(answer, stopping):
            return None
        try:
            self._found = check_address(answer.result())
        except RegistryError:
            raise
        except LookupError as error:
            raise NameNotFoundError(f"no publisher named {name!r} found in {registry}") from error
        except InvalidValueError as error:
            raise RegistryError(
                f"the address registered for {name!r} in {registry} is invalid: {error}"
            ) from None
        return self._found

    def look(self, connected: bool) -> str | None:
        """Return where to connect, or `None` if that is not known. Never blocks.

        Args:
            connected: whether there is a connection now.
        """
        if self._config.registry is None:
            return self._config.address
        said = self._ask(self._config.registry, connected)
        address = None
        if said is not None and said != self._refused:
            try:
                address = check_address(said)
            except InvalidValueError as error:
                self.refuse(said, str(error))
        if connected or address is not None:
            self._waiting_since = 0.0
        else:
            self._say_waiting()
        return address

    def refuse(self, said: object, reason: str) -> None:
        """Ignore an address that the registry gives, until it gives another."""
        self._refused = said
        _logger.error(
            "ignoring the invalid address for %r in %s until it changes: %s",
            self._config.name,
            self._config.registry,
            reason,
        )

    def close(self) -> None:
        """Stop following the name."""
        if self._watch is not None:
            self._watch.close()

    def _ask(self, registry: ZmqRegistry, connected: bool) -> str | None:
        if self._watch is None:
            self._watch = self._make_watch(registry)
        if self._polling is not None:
            self._polling.resting = connected
        address = self._watch.address
        if address is None and not self._answered:
            return self._found  # the watch knows nothing yet
        self._answered = True
        return address

    def _make_watch(self, registry: ZmqRegistry) -> ZmqWatch:
        name = self._config.name
        assert name is not None
        if isinstance(registry, WatchableRegistry):
            return registry.watch(name)
        self._polling = PollingWatch(registry, name, self._found)
        return self._polling

    def _say_waiting(self) -> None:
        now = time.monotonic()
        if not self._waiting_since:
            self._waiting_since, self._say_at = now, now + _AT_FIRST
        if now >= self._say_at:
            self._say_at = now + _SAY_EVERY
            _logger.warning(
                "waiting for a publisher named %r in %s (%.0f s)",
                self._config.name,
                self._config.registry,
                now - self._waiting_since,
            )
