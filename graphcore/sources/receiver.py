"""`receiver`: a source for blocking code, which hands values to the graph from its own thread.

The thread's `Sender` puts values in a bounded queue and wakes the node. The node takes all waiting
values and delivers them by its policy (R6). The node owns the thread: `start` starts it and `stop`
joins it (R10).
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from time import monotonic_ns
from typing import Any, Generic, TypeVar

from graphcore.errors import RunError, Stopped
from graphcore.node import Source
from graphcore.sources.events import Delivery
from graphcore.sources.retrying import Attempts, Link, Retry, Status, delays_of
from graphcore.sources.scalars import in_python
from graphcore.state import GraphState, RunMode

T = TypeVar("T")

CAPACITY = 100_000
JOIN_SECONDS = 5.0


class _Newest(Generic[T]):
    """A waiting value that `replace` handed over, and that the next call may replace."""

    __slots__ = ("value",)

    def __init__(self, value: T) -> None:
        self.value = value


class Sender(Generic[T]):
    """Hands a receiver's values to the graph. Its methods may be called from any thread.

    Attributes:
        failed: whether `error` was called.
        has_sent: whether a value was sent; a source that begins again resets it.
    """

    def __init__(
        self, state: GraphState, capacity: float, on_room: Callable[[], None] | None = None
    ) -> None:
        self._state = state
        self._on_room = on_room
        self._has_ended = state.ended.is_set
        self._capacity = capacity
        # Always the same list: `send` appends without the lock. Only `take` removes values.
        self._waiting: list[T | _Newest[T]] = []
        self._extra = 0  # how many more the waiting values count for than there are
        self._full_at = capacity  # less what is extra
        self._newest: _Newest[T] | None = None
        self._error: BaseException | None = None
        self._closed = False
        self._woken = False
        # Re-entrant, because a finalizer that runs while it is held may send.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self.failed = False
        self.has_sent = False

    def send(self, value: T, *, size: int = 1) -> None:
        """Hand a value to the graph; block while the inbox is full.

        Several threads that send at the same instant may exceed the capacity by one value each.

        Args:
            value: what the stream will tick with, or what its burst will hold.
            size: how many values this one counts for in the bound of the inbox.

        Raises:
            Stopped: once the run has ended; the function need not catch it.
            RunError: after `close` or `error`.
        """
        # Without the lock: a thread that is suspended while it holds the lock would make the graph
        # wait for it, and the graph's thread would then compete for the GIL a second time.
        waiting = self._waiting
        if size != 1 or len(waiting) >= self._full_at or self._closed or self._has_ended():
            self._send_when_free(value, size)
            return
        self.has_sent = True
        waiting.append(value)
        if not self._woken:
            self._wake()

    def _send_when_free(self, value: T, size: int) -> None:
        with self._lock:
            self._wait_until_free()
            self.has_sent = True
            self._waiting.append(value)
            self._extra += size - 1
            self._full_at = self._capacity - self._extra
            self._wake()

    def send_many(self, values: Iterable[T]) -> None:
        """Send values one after the other; those of a list or a tuple together, as far as they fit.

        Args:
            values: the values. Those of an iterator are sent as it yields them.

        Raises:
            Stopped: once the run has ended; the function need not catch it.
            RunError: after `close` or `error`.
        """
        if not isinstance(values, list | tuple):
            for value in values:
                self.send(value)
            return
        sent = 0
        while sent < len(values):
            with self._lock:
                self._wait_until_free()
                room = int(min(len(values), max(1, self._full_at - len(self._waiting))))
                some = values[sent : sent + room]
                self.has_sent = True
                self._waiting += some
                self._wake()
            sent += len(some)

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
        with self._lock:
            self._check_open()
            newest = self._newest
            # If another thread sends after this test, its value stays behind the newer one.
            if newest is not None and self._waiting[-1] is newest:
                newest.value = value if merge is None else merge(newest.value, value)
                return True
            self.has_sent = True
            self._newest = _Newest(value)
            self._waiting.append(self._newest)
            self._wake()
            return False

    def wait_for_room(self, seconds: float) -> bool:
        """Wait until `send` would not block, but no longer than `seconds`.

        It is for threads that have other work to do while the inbox is full.

        Returns:
            Whether `send` would return at once now.
        """
        if len(self._waiting) < self._full_at:
            return True
        with self._lock:
            if self._is_full() and not self._has_ended():
                self._changed.wait(seconds)
            return not self._is_full() or self._has_ended()

    @property
    def is_open(self) -> bool:
        """Whether the run goes on, and neither `close` nor `error` was called."""
        return not (self._closed or self._has_ended())

    @property
    def waiting(self) -> int:
        """How many values wait for the graph, each counted by its `size`."""
        return len(self._waiting) + self._extra

    def error(self, error: BaseException) -> None:
        """Abort the run with an error, after the values sent before it are delivered."""
        with self._lock:
            self._closed = True
            if not self.failed:
                self._error = error
                self.failed = True
                if not self._woken:
                    self._woken = True
                    self._state.wake()

    def close(self) -> None:
        """End the source, after the values sent before are delivered."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._state.call_soon(self._state.release)

    def take(self) -> list[T]:
        """Take all waiting values; called in the graph's thread.

        Raises:
            BaseException: if none waits, the exception that `error` was given.
        """
        with self._lock:
            # First, so that a thread that sends after the values are taken wakes the graph again.
            self._woken = False
            waiting = self._waiting
            count = len(waiting)
            taken = waiting[:count]
            del waiting[:count]
            if count >= self._full_at:
                self._changed.notify_all()
            self._extra, self._full_at = 0, self._capacity
            if self._newest is not None:
                self._newest = None
                taken = [each.value if type(each) is _Newest else each for each in taken]
        if self._on_room is not None:
            self._on_room()
        if not taken:
            self.raise_error()
        return taken  # type: ignore[return-value]  # without `_Newest`, see above

    def raise_error(self) -> None:
        """Raise the exception that `error` was given, if any, and only once."""
        error, self._error = self._error, None
        if error is not None:
            raise error

    def unblock(self) -> None:
        """Wake blocked calls of `send`, so that they see that the run has ended."""
        with self._lock:
            self._changed.notify_all()

    # With the lock

    def _is_full(self) -> bool:
        return len(self._waiting) >= self._full_at

    def _wait_until_free(self) -> None:
        while self._is_full() and not self._has_ended():
            self._changed.wait()
        self._check_open()

    def _check_open(self) -> None:
        if self._has_ended():
            raise Stopped("the run has ended")
        if self._closed:
            raise RunError("this sender is closed")

    def _wake(self) -> None:
        """Wake the graph, unless it has been woken or has taken all values in the meantime."""
        with self._lock:
            if self._waiting and not self._woken:
                self._woken = True
                self._state.wake()


class ReceiverStream(Source[T]):
    """Delivers the values that a thread sends; real-time runs only.

    Args:
        run: called as `run(sender, stop)` in its own thread; `stop` is set when the run ends.
        delivery: how waiting values are delivered: one a cycle, as one list, or only the last.
        capacity: how many values may wait before `send` blocks.
        retry: the delays after which `run` is called again when it has raised.
        status: the node that ticks with what this source does; it was made before this one.
    """

    operator = "receiver"

    def __init__(
        self,
        run: Callable[[Sender[Any], threading.Event], None],
        delivery: Delivery = Delivery.BURST,
        capacity: int = CAPACITY,
        retry: Retry | None = None,
        status: Status | None = None,
    ) -> None:
        super().__init__()
        self.run = run
        self.delivery = delivery
        self.capacity = capacity
        self.retry = delays_of(retry)
        self.status = status
        if status is not None:
            status.source = self

    def start(self, state: GraphState) -> None:
        self._thread: threading.Thread | None = None
        self.refuse_history(state)
        sender = self.begin(state, self.capacity)
        self._thread = threading.Thread(
            target=self._receive, args=(sender, state), name=f"graphcore-{self.name}", daemon=True
        )
        self._thread.start()

    def refuse_history(self, state: GraphState) -> None:
        """Refuse a historical run.

        Raises:
            RunError: in a historical run.
        """
        if state.run_mode is not RunMode.REALTIME:
            raise RunError(f"{self.name} receives live events: it only supports real-time mode")

    def begin(
        self, state: GraphState, capacity: float, on_room: Callable[[], None] | None = None
    ) -> Sender[T]:
        """Begin to deliver what is sent; `Sender.close` or the end of the run ends it.

        Args:
            state: the state of this node.
            capacity: how many values may wait.
            on_room: called in the graph's thread when waiting values were taken.
        """
        self._queue: deque[T] = deque()
        self._sender: Sender[T] = Sender(state, capacity, on_room)
        self._attempts = Attempts(self.name, self.retry, self.status, self._sender)
        state.hold()
        return self._sender

    def cycle(self, state: GraphState) -> bool:
        if not self._queue:
            taken = in_python(self._sender.take())
            if not taken:
                return False
            if self.delivery is Delivery.EACH:
                self._queue = deque(taken)
            elif self.delivery is Delivery.BURST:
                self.value = taken  # type: ignore[assignment]  # T is the list
            else:
                self.value = taken[-1]
        if self._queue:
            self.value = self._queue.popleft()
        if self._queue or self._sender.failed:
            state.schedule(state.time)
        return True

    def stop(self, state: GraphState) -> None:
        if self._thread is None:
            return
        self._sender.unblock()
        self._thread.join(JOIN_SECONDS)
        if self._thread.is_alive():
            raise RunError(
                f"the thread of {self.name} did not end within {JOIN_SECONDS:.0f} s after `stop` "
                "was set"
            )
        self.end()

    def simulated(self, values: list[Any]) -> list[Any]:
        """Return what this source ticks with, cycle by cycle, when values arrive at one time."""
        if not values or self.delivery is Delivery.EACH:
            return values
        return [values] if self.delivery is Delivery.BURST else values[-1:]

    def simulated_link(self) -> Link | None:
        """Return what tells that the connection of this source breaks; `None` if nothing can."""
        if self.status is None or next(self.retry(), None) is None:
            return None
        return self.status.simulated_link()

    def end(self) -> None:
        """Raise the error that was sent too late for a cycle, if there is one."""
        self._sender.raise_error()

    def _receive(self, sender: Sender[T], state: GraphState) -> None:
        while True:
            self._attempts.begin()
            try:
                self.run(sender, state.ended)
            except Stopped:
                break
            except Exception as error:
                delay = self.delay_after(error, sender)
                if delay is None:
                    sender.error(error)  # the graph's thread raises it
                    return
                if state.ended.wait(delay / 1e9):
                    break
            except BaseException as error:
                sender.error(error)
                return
            else:
                break
        self._attempts.end()
        sender.close()

    def delay_after(self, error: Exception, sender: Sender[T]) -> int | None:
        """Return how long to wait after an error, ns; `None` if it ends the source."""
        return self._attempts.fail(error) if sender.is_open else None


class Polled(Generic[T]):
    """What a receiver's thread runs to call a function every period.

    Args:
        function: returns the value to send.
        period: the time from call to call, ns. A call that takes longer delays none of the later
            ones: those that it missed are skipped.
    """

    def __init__(self, function: Callable[[], T], period: int) -> None:
        self._function = function
        self._period = period

    def __call__(self, sender: Sender[T], stop: threading.Event) -> None:
        """Call the function at once, and then every period, until the run ends."""
        began = monotonic_ns()
        wait = 0
        while not stop.wait(wait / 1e9):
            sender.send(self._function())
            wait = self._period - (monotonic_ns() - began) % self._period


class Poll(ReceiverStream[T]):
    """Delivers the results of a function that a thread calls once a period."""

    operator = "poll"
