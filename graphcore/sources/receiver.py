"""`receiver`: the door for blocking sources; a thread of its own hands values to the graph.

The thread's `Sender` keeps values in a bounded queue and wakes the node; the node takes all that
waits and delivers it by its policy (R6). The thread belongs to the node: `start` begins it, `stop`
joins it (R10).
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from graphcore.errors import RunError, Stopped
from graphcore.node import Source
from graphcore.sources.events import Delivery
from graphcore.state import GraphState, RunMode

T = TypeVar("T")

CAPACITY = 100_000
_JOIN_SECONDS = 5.0


class Sender(Generic[T]):
    """A receiver's thread's way into the graph. Its methods may be called from any thread."""

    def __init__(self, state: GraphState, capacity: int) -> None:
        self._state = state
        self._capacity = capacity
        self._waiting: deque[tuple[T, int]] = deque()
        self._size = 0
        self._error: BaseException | None = None
        self._closed = False
        self._woken = False
        self._replaceable = False
        self._changed = threading.Condition()

    def send(self, value: T, *, size: int = 1) -> None:
        """Hand a value to the graph; block while the inbox is full.

        Args:
            value: what the stream will tick with, or what its burst will hold.
            size: for how many values this one counts in the inbox's bound.

        Raises:
            Stopped: once the run has ended; it may leave the thread's function.
            RunError: after `close` or `error`.
        """
        with self._changed:
            while self._size >= self._capacity and not self._state.ended.is_set():
                self._changed.wait()
            self._check_open()
            self._waiting.append((value, size))
            self._size += size
            self._replaceable = False
            self._wake()

    def replace(self, value: T, merge: Callable[[T, T], T] | None = None) -> bool:
        """Hand a value to the graph in place of the one before, if that waits to be taken.

        Only what was handed over by `replace` is replaced, and nothing that `send` has put behind
        it is overtaken. Never blocks.

        Args:
            value: what is handed over.
            merge: makes what takes the place of the one before, of that and the value; by default
                it is the value.

        Returns:
            Whether there was one to replace.

        Raises:
            Stopped: once the run has ended; it may leave the thread's function.
            RunError: after `close` or `error`.
        """
        with self._changed:
            self._check_open()
            replaced = self._replaceable
            if replaced:
                merged = value if merge is None else merge(self._waiting[-1][0], value)
                self._waiting[-1] = (merged, 1)
            else:
                self._waiting.append((value, 1))
                self._size += 1
                self._replaceable = True
            self._wake()
            return replaced

    def wait_for_room(self, seconds: float) -> bool:
        """Wait until `send` would not block, at most so long; for a thread with more to do.

        Returns:
            Whether `send` would not block now.
        """
        if self._size < self._capacity:
            return True
        with self._changed:
            if self._size >= self._capacity and not self._state.ended.is_set():
                self._changed.wait(seconds)
            return self._size < self._capacity or self._state.ended.is_set()

    def send_many(self, values: Iterable[T]) -> None:
        """Hand over values one after the other; as `send`."""
        for value in values:
            self.send(value)

    def error(self, error: BaseException) -> None:
        """Abort the run with an error, once the values sent before it are delivered."""
        with self._changed:
            self._closed = True
            if self._error is None:
                self._error = error
                self._wake()

    def close(self) -> None:
        """End the source, once the values sent before are delivered."""
        with self._changed:
            if not self._closed:
                self._closed = True
                self._state.call_soon(self._state.release)

    def take(self) -> "deque[tuple[T, int]]":
        """Take all that waits, in the graph's thread."""
        with self._changed:
            taken, self._waiting = self._waiting, deque()
            self._replaceable = False
            if self._size >= self._capacity:
                self._changed.notify_all()
            self._size = 0
            self._woken = False
        return taken

    def failure(self) -> BaseException | None:
        """Return what `error` was called with."""
        return self._error

    def unblock(self) -> None:
        """Have a blocked `send` look again whether the run has ended."""
        with self._changed:
            self._changed.notify_all()

    def _check_open(self) -> None:
        if self._state.ended.is_set():
            raise Stopped("the run has ended")
        if self._closed:
            raise RunError("this sender is closed")

    def _wake(self) -> None:
        if not self._woken:
            self._woken = True
            self._state.wake()


class ReceiverStream(Source[T]):
    """Delivers what a thread sends; real-time runs only.

    Args:
        run: called as `run(sender, stop)` in a thread of its own; `stop` is set when the run ends.
        delivery: whether what waits is delivered a cycle each, as one list, or the last alone.
        capacity: how many values may wait before `send` blocks.
    """

    def __init__(
        self,
        run: Callable[[Sender[Any], threading.Event], None],
        delivery: Delivery = Delivery.BURST,
        capacity: int = CAPACITY,
    ) -> None:
        super().__init__()
        self.run = run
        self.delivery = delivery
        self.capacity = capacity

    def start(self, state: GraphState) -> None:
        self._thread: threading.Thread | None = None
        if state.run_mode is not RunMode.REALTIME:
            raise RunError(f"{self.name} receives live events: it only supports real-time mode")
        self._queue: deque[tuple[T, int]] = deque()
        self._failed = False
        self._sender: Sender[T] = Sender(state, self.capacity)
        self._thread = threading.Thread(
            target=self._receive, args=(state,), name=f"graphcore-{self.name}", daemon=True
        )
        state.hold()
        self._thread.start()

    def cycle(self, state: GraphState) -> bool:
        if not self._queue:
            self._queue = self._sender.take()
        queue = self._queue
        if not queue:
            return self._fail()
        if self.delivery is Delivery.EACH:
            self.value = queue.popleft()[0]
        elif self.delivery is Delivery.BURST:
            self.value = [value for value, _ in queue]  # type: ignore[assignment]  # T is the list
            queue.clear()
        else:
            self.value = queue[-1][0]
            queue.clear()
        if queue or self._sender.failure() is not None:
            state.schedule(state.time)
        return True

    def stop(self, state: GraphState) -> None:
        if self._thread is None:
            return
        self._sender.unblock()
        self._thread.join(_JOIN_SECONDS)
        if self._thread.is_alive():
            raise RunError(
                f"the thread of {self.name} did not end within {_JOIN_SECONDS:.0f} s of `stop` "
                "being set"
            )
        if not self._failed:
            self._fail()

    def _fail(self) -> bool:
        """Raise what the thread's function raised, once; nothing if it did not."""
        failure = self._sender.failure()
        if failure is not None:
            self._failed = True
            raise failure
        return False

    def _receive(self, state: GraphState) -> None:
        try:
            self.run(self._sender, state.ended)
        except Stopped:
            self._sender.close()
        except BaseException as error:  # carried over to the graph's thread, which raises it
            self._sender.error(error)
        else:
            self._sender.close()
