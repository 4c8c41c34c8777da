"""`LogTail`: the last lines of the log of this process, kept while somebody views them."""

import logging
from collections import deque

_MOST = 500
_LONGEST = 2_000
_FORMAT = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")


class LogTail(logging.Handler):
    """Keeps lines, numbered from 0.

    It takes what reaches the root logger, so levels and filters stay as the program has set them.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[str] = deque(maxlen=_MOST)
        self._count = 0

    def open(self) -> None:
        """Begin to keep lines."""
        logging.root.addHandler(self)

    def close(self) -> None:
        """Keep no further lines."""
        logging.root.removeHandler(self)
        super().close()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line; from any thread."""
        try:
            line = _FORMAT.format(record)
        except Exception:
            self.handleError(record)
            return
        self._lines.append(line[:_LONGEST])
        self._count += 1
        # Without this handler, logging would write warnings to standard error.
        last = logging.lastResort
        if last is not None and self._is_alone(record.name) and record.levelno >= last.level:
            last.handle(record)

    def since(self, number: int) -> tuple[list[str], int]:
        """Return the lines from a number on, and the number of the next one."""
        self.acquire()
        try:
            lines, count = list(self._lines), self._count
        finally:
            self.release()
        return lines[max(0, len(lines) - (count - number)) :] if count > number else [], count

    def _is_alone(self, name: str) -> bool:
        logger: logging.Logger | None = logging.getLogger(name)
        while logger is not None:
            if any(handler is not self for handler in logger.handlers):
                return False
            logger = logger.parent if logger.propagate else None
        return True
