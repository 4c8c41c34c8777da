"""Follows a name in a registry that cannot report changes, by looking it up again and again."""

import logging
import threading

from graphcore_zmq.registries.forking import Owner
from graphcore_zmq.registry import ZmqRegistry

_logger = logging.getLogger(__name__)

_PERIOD = 0.25  # s between two lookups
_JOIN = 0.5  # s that `close` waits for a lookup that is under way


class PollingWatch:
    """A `ZmqWatch` for any registry: a thread looks the name up four times a second.

    Args:
        registry: where the thread looks.
        name: what it looks up.
        known: the address until the registry has answered.

    Attributes:
        resting: set it to pause the lookups.
    """

    def __init__(self, registry: ZmqRegistry, name: str, known: str | None = None) -> None:
        self.resting = False
        self._owner = Owner()
        self._registry = registry
        self._name = name
        self._address = known
        self._closed = threading.Event()
        self._thread = threading.Thread(
            target=self._poll, name=f"graphcore-watch-{name}", daemon=True
        )
        self._thread.start()

    @property
    def address(self) -> str | None:
        """The address at the last lookup that was answered; `None` if there was none.

        Raises:
            RegistryError: in a forked child of the process that began the watch.
        """
        self._owner.check(f"this watch of {self._name!r}", "begin another one here")
        return self._address

    def close(self) -> None:
        """Stop looking; in a forked child, do nothing."""
        if not self._owner.is_here:
            return
        self._closed.set()
        self._thread.join(_JOIN)
        if self._thread.is_alive():
            _logger.warning(
                "%s does not answer: the thread that looks up %r ends when it does",
                self._registry,
                self._name,
            )

    def _poll(self) -> None:
        told = ""
        while not self._closed.is_set():
            if not self.resting:
                try:
                    self._address = self._registry.lookup(self._name)
                    told = ""
                except LookupError:
                    self._address = None
                    told = ""
                except Exception as error:  # a client may raise anything while it is down
                    if told != str(error):
                        told = str(error)
                        _logger.warning("cannot look up %r: %s", self._name, error)
            self._closed.wait(_PERIOD)
