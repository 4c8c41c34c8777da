"""Logs the stats of a publisher or subscriber at intervals."""

import logging
import time
from collections.abc import Callable

_logger = logging.getLogger(__name__)


class StatsLog:
    """Belongs to a thread that calls `look` whenever it is awake.

    Args:
        say: returns the line to log.
        interval: between two lines, ns; 0 is never.
    """

    def __init__(self, say: Callable[[], str], interval: int) -> None:
        self._say = say
        self._seconds = interval / 1e9
        self._due = time.monotonic() + self._seconds

    def look(self) -> None:
        """Log the line if it is due."""
        if self._seconds and time.monotonic() >= self._due:
            self._due = time.monotonic() + self._seconds
            _logger.info("%s", self._say())
