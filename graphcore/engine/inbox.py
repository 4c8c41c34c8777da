"""The inbox: events from other threads and from signal handlers on their way to a running graph.

Every such event is an entry in one queue. The graph's thread empties it between cycles. When it has
nothing to do, it waits in `Waiter.wait`, the only place where a run waits.
"""

from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Protocol

# A node to run in the next cycle; or, with a function, a function to call between cycles.
Entry = tuple[int, Callable[[], object] | None]


class Waiter(Protocol):
    """How the graph's thread waits while it has nothing to do."""

    def wait(self, nanoseconds: int | None) -> None:
        """Wait until `wake` is called, but no longer than this; `None` means no limit.

        Return at once if `wake` was called since the last wait. Returning early does no harm: the
        session looks again and waits for the rest.
        """

    def wake(self) -> None:
        """From any thread or signal handler: end the present wait, or the next one."""


class Sleep:
    """The default way to wait: sleep until another thread wakes the graph's thread.

    `SimpleQueue.put` is re-entrant, so a signal handler may call `wake` while its own thread waits.
    """

    def __init__(self) -> None:
        # No bound: `wait` empties it, and threads add to it only while the graph's thread waits.
        self._wakes: SimpleQueue[None] = SimpleQueue()

    def wait(self, nanoseconds: int | None) -> None:
        """Wait until `wake` is called, but no longer than this; `None` means no limit."""
        try:
            self._wakes.get(timeout=None if nanoseconds is None else nanoseconds / 1e9)
        except Empty:
            return
        for _ in range(self._wakes.qsize()):
            self._wakes.get_nowait()

    def wake(self) -> None:
        """From any thread or signal handler: end the present wait, or the next one."""
        self._wakes.put(None)


class Inbox:
    """The queue between other threads and the graph's thread.

    It needs no bound of its own: a receiver has one entry in it at a time, however many values wait
    in the receiver.

    Attributes:
        entries: the entries that the graph's thread has not taken from the left.
        waiter: how the graph's thread waits.
    """

    def __init__(self) -> None:
        self.entries: deque[Entry] = deque()
        self.waiter: Waiter = Sleep()
        self._waiting = False

    def put(self, entry: Entry) -> None:
        """From any thread: add an entry."""
        self.entries.append(entry)
        # Waking a thread costs far more than this test. The graph's thread sets the flag before it
        # looks at the entries for the last time, so it sees this entry or this thread the flag.
        if self._waiting:
            self.waiter.wake()

    def interrupt(self) -> None:
        """From any thread or signal handler: end a `wait`."""
        self.waiter.wake()

    def wait(self, nanoseconds: int | None) -> None:
        """Wait until there is an entry, but no longer than this; `None` means no limit."""
        self._waiting = True
        try:
            if not self.entries:
                self.waiter.wait(nanoseconds)
        finally:
            self._waiting = False
