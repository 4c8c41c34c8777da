"""What a publisher or subscriber has done up to now, said in the log every so often."""

import logging
import time
from collections.abc import Callable

_logger = logging.getLogger(__name__)


class StatsLog:
    """Belongs to a thread that looks at it whenever it is awake.

    Args:
        say: gives the sentence.
        interval: how often it is logged, ns; 0 is never.
    """

    def __init__(self, say: Callable[[], str], interval: int) -> None:
        self._say = say
        self._seconds = interval / 1e9
        self._due = time.monotonic() + self._seconds

    def look(self) -> None:
        """Log the sentence if it is time."""
        if self._seconds and time.monotonic() >= self._due:
            self._due = time.monotonic() + self._seconds
            _logger.info("%s", self._say())
