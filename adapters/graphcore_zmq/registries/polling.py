"""Following a name in a registry that can only be asked: ask it again and again."""

import logging
import threading

from graphcore_zmq.registry import ZmqRegistry

_logger = logging.getLogger(__name__)

_PERIOD = 0.25  # s between two questions
_JOIN = 0.5  # s that a question which is under way is waited for


class PollingWatch:
    """A `ZmqWatch` for any registry: a thread looks the name up, four times a second.

    Args:
        registry: what is asked.
        name: the name.
        known: the address until the registry has answered.

    Attributes:
        resting: while it is set, the registry is left alone.
    """

    def __init__(self, registry: ZmqRegistry, name: str, known: str | None = None) -> None:
        self.resting = False
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
        """What was under the name when the registry last answered."""
        return self._address

    def close(self) -> None:
        """Ask no more; a question that the registry does not answer in time ends by itself."""
        self._closed.set()
        self._thread.join(_JOIN)
        if self._thread.is_alive():
            _logger.warning(
                "%s does not answer; the thread that asks for %r ends when it does",
                self._registry,
                self._name,
            )

    def _poll(self) -> None:
        said = ""
        while not self._closed.is_set():
            if not self.resting:
                try:
                    self._address = self._registry.lookup(self._name)
                    said = ""
                except LookupError:
                    self._address = None
                    said = ""
                except Exception as error:  # whatever a registry's client raises while it is down
                    if said != str(error):
                        said = str(error)
                        _logger.warning("cannot look up %r: %s", self._name, error)
            self._closed.wait(_PERIOD)
