"""What reaches a running graph from other threads and from signal handlers.

The one idea: everything that comes from outside is an entry in one queue, which the graph's thread
empties between cycles; waiting for the next event is waiting on that queue. `SimpleQueue.put` is
re-entrant, so that a signal handler may use it while the same thread waits.
"""

from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import NamedTuple


class Entry(NamedTuple):
    """A node to run in a cycle, or (with a function) a call to be made for it between cycles."""

    node: int
    function: Callable[[], None] | None = None


class Inbox:
    """The queue between the outside and the graph's thread.

    It needs no bound of its own: a receiver has one entry in it at a time, whatever it holds.
    """

    def __init__(self) -> None:
        self._entries: SimpleQueue[Entry | None] = SimpleQueue()
        self._first: Entry | None = None

    def put(self, entry: Entry) -> None:
        """From any thread: add an entry."""
        self._entries.put(entry)

    def interrupt(self) -> None:
        """From any thread or signal handler: end a `wait`."""
        self._entries.put(None)

    def wait(self, seconds: float | None) -> None:
        """Wait until there is an entry, at most so long; `None` is without limit."""
        try:
            self._first = self._entries.get(timeout=seconds)
        except Empty:
            self._first = None

    def take(self) -> Iterator[Entry]:
        """Yield what has come up to now."""
        if self._first is not None:
            first, self._first = self._first, None
            yield first
        for _ in range(self._entries.qsize()):
            entry = self._entries.get_nowait()
            if entry is not None:
                yield entry
