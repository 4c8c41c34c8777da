"""How the graph's thread waits for sockets: one `poll` over those of all inline sources.

While a cycle takes long, nobody would read them, and the other ends would take this process for
dead. So a second thread, asleep otherwise, stands in: it reads them as long as the graph's thread
stays away. A lock passes the sockets from one thread to the other, as libzmq demands.
"""

import select
import threading
import time

from graphcore.errors import RunError
from graphcore.polling import Pollable, Waker

_LONGEST = 3_600.0  # s
AWAY = 0.05  # s; after that long a cycle, the second thread reads the sockets


class Poller:
    """The sources of one run that its own thread reads: a `Waiter`.

    Args:
        spin: how long to look without sleeping before each sleep, s.

    Raises:
        RunError: if the operating system has no `select.poll`.
    """

    def __init__(self, spin: float) -> None:
        if not hasattr(select, "poll"):  # Windows
            raise RunError(
                'receive="inline" needs select.poll, which this system lacks: use receive="thread"'
            )
        self._spin = spin
        self._poll = select.poll()
        self._waker = Waker()
        self._poll.register(self._waker.descriptor, select.POLLIN)
        self._watched: dict[Pollable, tuple[int, ...]] = {}
        self._owners: dict[int, Pollable] = {}
        self._due = 0.0
        self._woken = self._asleep = False
        self._looked_at = time.monotonic()
        self._idle = 0.0
        self._lock = threading.Lock()
        self._wanted = self._stands_in = False
        self._closed = threading.Event()
        self._second = threading.Thread(target=self._run, name="graphcore-poller", daemon=True)
        self._second.start()

    def add(self, source: Pollable) -> None:
        """Begin to read a source."""
        self._want()
        with self._lock:
            self._wanted = False
            self._watch(source)
            self._due = 0.0

    def remove(self, source: Pollable) -> bool:
        """Read a source no more; return whether it was the last one.

        Once this returns, no thread is in the source's `serve`.
        """
        self._want()
        with self._lock:
            self._wanted = False
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
        self._want()
        with self._lock:
            self._wanted = False
            self._serve(self._poll_until(0.0))

    def wait(self, nanoseconds: int | None) -> None:
        """Wait until a source has been read, or until `wake` is called, but no longer than this.

        Args:
            nanoseconds: how long; `None` is for ever.
        """
        self._want()
        with self._lock:
            self._wanted = False
            now = time.monotonic()
            until = self._due if nanoseconds is None else min(self._due, now + nanoseconds / 1e9)
            if not (self._spin and self._spin_until(min(until, now + self._spin))):
                # Whoever sets `_woken` after it was looked at sees `_asleep`, and rings.
                self._asleep = True
                try:
                    ready = [] if self._woken else self._poll_until(until)
                finally:
                    self._asleep = False
                self._serve(ready)
            self._woken = False  # the caller looks now at what `wake` was called for

    def wake(self) -> None:
        """From any thread or signal handler: end the present wait, or the next one."""
        self._woken = True
        if self._asleep:
            self._waker.ring()

    def _spin_until(self, end: float) -> bool:
        """Look again and again until this time; return whether there was anything."""
        while time.monotonic() < end:
            ready = self._poll_until(0.0)
            if ready or self._woken:
                self._serve(ready)
                return True
        return False

    def _want(self) -> None:
        """Have the second thread give up the lock, if it has it."""
        # It says that it stands in before it asks whether the sockets are wanted. So either it sees
        # this flag, or this thread sees that it stands in.
        self._wanted = True
        if self._stands_in:
            self._waker.ring()

    def _run(self) -> None:
        """Stand in for the graph's thread whenever that stays away."""
        while not self._closed.wait(AWAY):
            if self._lock.acquire(blocking=False):  # else the graph's thread reads or waits
                try:
                    self._stands_in = time.monotonic() - self._looked_at > AWAY
                    while self._stands_in and not self._wanted and not self._closed.is_set():
                        self._serve(self._poll_until(self._due))
                finally:
                    self._stands_in = False
                    self._lock.release()

    def _poll_until(self, end: float) -> list[tuple[int, int]]:
        """Wait until then for a descriptor that is ready."""
        began = time.monotonic()
        ready = self._poll.poll(1_000 * min(max(0.0, end - began), _LONGEST))
        self._looked_at = time.monotonic()
        self._idle += self._looked_at - began
        return ready

    def _serve(self, ready: list[tuple[int, int]]) -> None:
        """Serve the sources that are ready or due."""
        served = []
        for descriptor, _ in ready:
            source = self._owners.get(descriptor)
            if source is not None:
                source.serve(descriptor, self._idle)
                served.append(source)
            elif descriptor == self._waker.descriptor:
                self._waker.clear()
        if self._looked_at >= self._due:
            for source in self._watched:
                if source.due <= self._looked_at:
                    source.serve(None, self._idle)
                    served.append(source)
        for source in served:
            if source.descriptors is not self._watched[source]:
                self._forget(source)
                self._watch(source)
        if served:
            self._due = min(source.due for source in self._watched)

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
