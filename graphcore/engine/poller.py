"""How the graph's thread waits for sockets: one `poll` over those of all inline sources.

While a cycle takes long, nobody would read them, and the other ends would take this process for
dead. So a second thread, asleep otherwise, stands in: it reads them as long as the graph's thread
stays away. A lock passes the sockets from one thread to the other, as libzmq demands.
"""

import math
import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from graphcore.polling import Pollable, Waker

_LONGEST = 3_600.0  # s
AWAY = 0.05  # s; after that long a cycle, the second thread reads the sockets


class Poller:
    """The sources of one run that its own thread reads: a `Waiter`.

    Args:
        spin: how long to look without sleeping before each sleep, s.
    """

    def __init__(self, spin: float) -> None:
        self._spin = spin
        self._poll = select.poll()
        self._waker = Waker()
        self._poll.register(self._waker.descriptor, select.POLLIN)
        self._watched: dict[Pollable, tuple[int, ...]] = {}
        self._owners: dict[int, Pollable] = {}
        self._due = 0.0
        self._woken = False
        self._looked_at = time.monotonic()
        self._lock = threading.Lock()
        self._wanted = self._stands_in = False
        self._closed = threading.Event()
        self._second = threading.Thread(target=self._run, name="graphcore-poller", daemon=True)
        self._second.start()

    def add(self, source: Pollable) -> None:
        """Begin to read a source."""
        with self._sockets():
            self._watch(source)
            self._due = 0.0

    def remove(self, source: Pollable) -> bool:
        """Read a source no more; return whether it was the last one.

        Once this returns, no thread is in the source's `serve`.
        """
        with self._sockets():
            known = source in self._watched
            self._forget(source)
            return known and not self._watched

    def close(self) -> None:
        """End the second thread."""
        self._closed.set()
        self._waker.ring()
        self._second.join()
        self._waker.close()

    def look(self) -> None:
        """Read what is there now."""
        with self._sockets():
            self._serve(0)

    def wait(self, nanoseconds: int | None) -> None:
        """Wait until a source has been read, or until `wake` is called, but no longer than this.

        Args:
            nanoseconds: how long; `None` is for ever.
        """
        with self._sockets():
            if self._woken:  # the second thread may have read the waker
                self._woken = False
                return
            now = time.monotonic()
            longest = math.inf if nanoseconds is None else nanoseconds / 1e9
            until = min(self._due, now + longest)
            asleep_at = min(until, now + self._spin)
            while now < asleep_at:
                if self._serve(0):
                    return
                now = time.monotonic()
            self._serve(max(0.0, until - now))

    def wake(self) -> None:
        """From any thread or signal handler: end the present wait, or the next one."""
        self._woken = True
        self._waker.ring()

    @contextmanager
    def _sockets(self) -> Iterator[None]:
        """Take the sockets from the second thread, if it has them."""
        # It says that it stands in before it asks whether they are wanted; so one sees the other.
        self._wanted = True
        if self._stands_in:
            self._waker.ring()
        with self._lock:
            self._wanted = False
            yield

    def _run(self) -> None:
        """Stand in for the graph's thread whenever that stays away."""
        while not self._closed.wait(AWAY):
            if self._lock.acquire(blocking=False):  # else the graph's thread reads or waits
                try:
                    self._stands_in = time.monotonic() - self._looked_at > AWAY
                    while self._stands_in and not self._wanted and not self._closed.is_set():
                        self._serve(max(0.0, self._due - time.monotonic()))
                finally:
                    self._stands_in = False
                    self._lock.release()

    def _serve(self, seconds: float) -> bool:
        """Wait for so long, and serve what is ready or due; return whether there was anything."""
        ready = self._poll.poll(1_000 * min(seconds, _LONGEST))
        self._looked_at = time.monotonic()
        served = []
        for descriptor, _ in ready:
            source = self._owners.get(descriptor)
            if source is not None:
                source.serve(descriptor)
                served.append(source)
            elif descriptor == self._waker.descriptor:
                self._waker.clear()
        if self._looked_at >= self._due:
            for source in self._watched:
                if source.due <= self._looked_at:
                    source.serve(None)
                    served.append(source)
        for source in served:
            if source.descriptors is not self._watched[source]:
                self._forget(source)
                self._watch(source)
        if served:
            self._due = min(source.due for source in self._watched)
        return bool(ready or served)

    def _watch(self, source: Pollable) -> None:
        self._watched[source] = source.descriptors
        for descriptor in source.descriptors:
            self._owners[descriptor] = source
            self._poll.register(descriptor, select.POLLIN)

    def _forget(self, source: Pollable) -> None:
        for descriptor in self._watched.pop(source, ()):
            # A closed descriptor may be another source's by now.
            if self._owners.get(descriptor) is source:
                del self._owners[descriptor]
                self._poll.unregister(descriptor)
