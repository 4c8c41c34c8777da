"""The progress line of a sweep, on standard error where that is a terminal."""

import sys
from time import monotonic

_INTERVAL = 0.1


class Line:
    """A line that says how many sets are done; it is gone when the sweep has ended.

    Args:
        wanted: whether to show it, if standard error is a terminal.
        total: how many sets there are.
    """

    def __init__(self, wanted: bool, total: int) -> None:
        self._shown = wanted and sys.stderr is not None and sys.stderr.isatty()
        self._total = total
        self._done = self._failed = self._width = 0
        self._began = monotonic()
        self._next = self._began + _INTERVAL

    def add(self, failed: bool) -> None:
        """Count a set that is done."""
        self._done += 1
        self._failed += failed
        if self._shown and monotonic() >= self._next:
            self._next = monotonic() + _INTERVAL
            self._write(self._text())

    def end(self) -> None:
        """Remove the line."""
        if self._width:
            self._write("")
            sys.stderr.write("\r")
            sys.stderr.flush()

    def _text(self) -> str:
        left = (monotonic() - self._began) / self._done * (self._total - self._done)
        failed = f", {self._failed:,} failed" if self._failed else ""
        return f"sweep: {self._done:,} of {self._total:,} sets{failed}, {left:.0f} s left"

    def _write(self, text: str) -> None:
        sys.stderr.write(f"\r{text.ljust(self._width)}")
        sys.stderr.flush()
        self._width = len(text)
