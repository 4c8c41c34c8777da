"""The inbox: events from other threads and from signal handlers on their way to a running graph.

Every such event is an entry in one queue. The graph's thread empties it between cycles, and waits
on it for the next event. `SimpleQueue.put` is re-entrant, so a signal handler may call it while
its own thread waits.
"""

from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import NamedTuple


class Entry(NamedTuple):
    """A node to run in the next cycle, or (with a function) a function to call between cycles."""

    node: int
    function: Callable[[], None] | None = None


class Inbox:
    """The queue between other threads and the graph's thread.

    It needs no bound of its own: a receiver has one entry in it at a time, however many values wait
    in the receiver.
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
        """Wait until there is an entry, but no longer than these seconds; `None` means no limit."""
        try:
            self._first = self._entries.get(timeout=seconds)
        except Empty:
            self._first = None

    def take(self) -> Iterator[Entry]:
        """Yield the entries that are there now."""
        if self._first is not None:
            first, self._first = self._first, None
            yield first
        for _ in range(self._entries.qsize()):
            entry = self._entries.get_nowait()
            if entry is not None:
                yield entry
