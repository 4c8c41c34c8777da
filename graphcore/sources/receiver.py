"""`receiver`: a source for blocking code, which hands values to the graph from its own thread.

The thread's `Sender` puts values in a bounded queue and wakes the node. The node takes all waiting
values and delivers them by its policy (R6). The node owns the thread: `start` starts it and `stop`
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
    """Hands a receiver's values to the graph. Its methods may be called from any thread."""

    def __init__(self, state: GraphState, capacity: float) -> None:
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
            size: how many values this one counts for in the bound of the inbox.

        Raises:
            Stopped: once the run has ended; the function need not catch it.
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
        """Hand a value to the graph, in place of the last one if that still waits. Never blocks.

        It replaces only a value that `replace` handed over, and only while that is the newest: it
        never overtakes a value that `send` handed over later.

        Args:
            value: what the stream will tick with, or what its burst will hold.
            merge: called as ``merge(waiting, value)``; its result replaces the waiting value. By
                default the new value replaces it.

        Returns:
            Whether it replaced a value.

        Raises:
            Stopped: once the run has ended; the function need not catch it.
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
        """Wait until `send` would not block, but no longer than `seconds`.

        It is for threads that have other work to do while the inbox is full.

        Returns:
            Whether `send` would return at once now.
        """
        if self._size < self._capacity:
            return True
        with self._changed:
            if self._size >= self._capacity and not self._state.ended.is_set():
                self._changed.wait(seconds)
            return self._size < self._capacity or self._state.ended.is_set()

    @property
    def waiting(self) -> int:
        """How many values wait for the graph, each counted by its `size`."""
        return self._size

    def send_many(self, values: Iterable[T]) -> None:
        """Call `send` for each value."""
        for value in values:
            self.send(value)

    def error(self, error: BaseException) -> None:
        """Abort the run with an error, after the values sent before it are delivered."""
        with self._changed:
            self._closed = True
            if self._error is None:
                self._error = error
                self._wake()

    def close(self) -> None:
        """End the source, after the values sent before are delivered."""
        with self._changed:
            if not self._closed:
                self._closed = True
                self._state.call_soon(self._state.release)

    def take(self) -> "deque[tuple[T, int]]":
        """Take all waiting values; called in the graph's thread."""
        with self._changed:
            taken, self._waiting = self._waiting, deque()
            self._replaceable = False
            if self._size >= self._capacity:
                self._changed.notify_all()
            self._size = 0
            self._woken = False
        return taken

    def failure(self) -> BaseException | None:
        """Return the exception that `error` was given, if any."""
        return self._error

    def unblock(self) -> None:
        """Wake blocked calls of `send`, so that they see that the run has ended."""
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
    """Delivers the values that a thread sends; real-time runs only.

    Args:
        run: called as `run(sender, stop)` in its own thread; `stop` is set when the run ends.
        delivery: how waiting values are delivered: one a cycle, as one list, or only the last.
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
        sender = self.begin(state, self.capacity)
        self._thread = threading.Thread(
            target=self._receive, args=(sender, state), name=f"graphcore-{self.name}", daemon=True
        )
        self._thread.start()

    def begin(self, state: GraphState, capacity: float) -> Sender[T]:
        """Begin to deliver what is sent; `Sender.close` or the end of the run ends it."""
        self._queue: deque[tuple[T, int]] = deque()
        self._failed = False
        self._sender: Sender[T] = Sender(state, capacity)
        state.hold()
        return self._sender

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
                f"the thread of {self.name} did not end within {_JOIN_SECONDS:.0f} s after `stop` "
                "was set"
            )
        self.end()

    def end(self) -> None:
        """Raise the error that was sent too late for a cycle, if there is one."""
        if not self._failed:
            self._fail()

    def _fail(self) -> bool:
        """Raise the exception of the thread's function, if it raised one."""
        failure = self._sender.failure()
        if failure is not None:
            self._failed = True
            raise failure
        return False

    def _receive(self, sender: Sender[T], state: GraphState) -> None:
        try:
            self.run(sender, state.ended)
        except Stopped:
            sender.close()
        except BaseException as error:  # the graph's thread raises it
            sender.error(error)
        else:
            sender.close()
