"""`consume_async`: awaits a function for each value, in the event loop of the run.

`Calls` stands between two threads. The graph's appends a `_Call` for each value to `_waiting`, from
which workers in the loop take them; `_calls` holds the calls whose results are still to tick, in
the order in which they tick. Both are deques, which two threads may use at once. A thread is woken
only when it may sleep, and the graph's goes on when half of a full queue is free: each switch
between the threads costs as much as several calls.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, Generic, TypeVar

from graphcore.declare import node, state
from graphcore.errors import InvalidTypeError, RunError, shorten
from graphcore.node import Active, EffectNode, QueueNode
from graphcore.state import GraphState, RunMode

T = TypeVar("T")
U = TypeVar("U")

_logger = logging.getLogger(__name__)

_PATIENCE = 5.0  # s; for what is in flight at the end of a run, and for what is cancelled
_STEP = 0.05  # s; after that long a wait for the loop, the graph's thread looks at stop again


@node
class ConsumeAsync(EffectNode[U], QueueNode[U], Generic[T, U]):
    """Awaits a function for each value and ticks with its results, one a cycle.

    Attributes:
        concurrency: how many calls may be in flight.
        ordered: whether results tick in the order of the values, or as they come.
        capacity: how many values may wait for a call; the graph then waits.
        waits_at_end: whether the calls in flight are awaited when the run ends.
    """

    live_only = True
    source: Active[T]
    function: Callable[[T], Awaitable[U]]
    concurrency: int
    ordered: bool
    capacity: int
    waits_at_end: bool
    calls: Any = state(None)

    def start(self, state: GraphState) -> None:
        if state.run_mode is not RunMode.REALTIME:
            raise RunError(f"{self.name} awaits live calls: it only supports real-time mode")
        self.calls = Calls(
            self.name, self.function, self.concurrency, self.ordered, self.capacity, state
        )

    def cycle(self, state: GraphState) -> bool:
        if state.ticked(self.source):
            self.calls.submit(self.source.value)
        if not self.calls.advance():
            return False
        if self.calls.is_ready():
            state.schedule(state.time)
        self.value = self.calls.result
        return True

    def close(self, state: GraphState) -> bool:
        self.calls.finish(self.waits_at_end)
        if not self.calls.advance():
            return False
        if self.calls.is_ready():
            state.schedule(state.time)
        self.value = self.calls.result
        return True

    def stop(self, state: GraphState) -> None:
        if self.calls is not None:
            self.calls.end()

    def queued(self, time: int) -> int:
        return len(self.calls)


class _Call:
    """A value, and then the result of the function for it, or the error."""

    __slots__ = ("done", "error", "result", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self.result: Any = None
        self.error: BaseException | None = None
        self.done = False


class Calls:
    """The calls of a function in an event loop.

    Args:
        name: the node's name, for errors.
        function: returns an awaitable for a value.
        concurrency: how many calls may be in flight.
        ordered: whether results are given in the order of the values, or as they come.
        capacity: how many values may wait for a call.
        state: the node's state.

    Attributes:
        result: the result to which `advance` went on last.
    """

    def __init__(
        self,
        name: str,
        function: Callable[[Any], Awaitable[Any]],
        concurrency: int,
        ordered: bool,
        capacity: int,
        state: GraphState,
    ) -> None:
        self.result: Any = None
        self._name = name
        self._function = function
        self._concurrency = concurrency
        self._ordered = ordered
        self._capacity = capacity
        self._state = state
        self._waiting: deque[_Call] = deque()
        self._calls: deque[_Call] = deque()
        self._submitted = self._finished = self._given = 0  # how many calls
        self._sleeping: deque[asyncio.Future[None]] = deque()  # workers without a call
        self._loop_is_woken = self._graph_is_woken = False
        # Until this many values wait, or calls are open, the graph's thread waits, if it waits.
        self._awaited_waiting = self._awaited_open = -1
        self._graph_waits = False
        self._progress = threading.Event()
        self._loop = state.event_loop
        self._task = self._loop.spawn(self._work(), name)

    def __len__(self) -> int:
        """Return how many results are still to be given."""
        return len(self._calls)

    # In the graph's thread

    def submit(self, value: Any) -> None:
        """Have the function called for a value; wait while too many values wait for a call."""
        if len(self._waiting) >= self._capacity:
            self._wait_for_room()
        call = _Call(value)
        if self._submitted == self._given:
            self._state.hold()
        self._submitted += 1
        if self._ordered:
            self._calls.append(call)
        self._waiting.append(call)
        if not self._loop_is_woken:
            self._loop_is_woken = True
            self._loop.call(self._wake_workers)

    def is_ready(self) -> bool:
        """Return whether `advance` has a call to go on to."""
        calls = self._calls
        return bool(calls) and calls[0].done

    def advance(self) -> bool:
        """Go on to the next call that has ended; return whether there is one.

        Raises:
            BaseException: what the call raised.
        """
        self._graph_is_woken = False  # first, so that a call that ends after the test wakes it
        calls = self._calls
        if not (calls and calls[0].done):
            return False
        call = calls.popleft()
        self._given += 1
        if self._submitted == self._given:
            self._state.release()
        if call.error is not None:
            call.error.add_note(f"{self._name} was awaiting its function for {shorten(call.value)}")
            raise call.error
        self.result = call.result
        return True

    def finish(self, wait: bool) -> None:
        """Give up the calls that have not ended; wait for them before, if wanted, some seconds."""
        deadline = monotonic() + _PATIENCE
        while wait and self._finished < self._submitted and monotonic() < deadline:
            self._awaited_open = 0
            self._wait()
        given_up = self._submitted - self._finished
        if given_up:
            _logger.warning("%s: calls cancelled at the end of the run: %d", self._name, given_up)
            self._waiting.clear()
            done = [call for call in self._calls if call.done]
            self._calls.clear()
            self._calls.extend(done)

    def end(self) -> None:
        """Cancel what is left.

        Raises:
            RunError: for a call that does not end.
        """
        if not self._task.end(_PATIENCE):
            raise RunError(
                f"a call of {self._name} swallows its cancellation: it did not end within "
                f"{_PATIENCE:.0f} s after the run"
            )

    def _wait_for_room(self) -> None:
        while len(self._waiting) > self._capacity // 2 and not self._state.stopping:
            self._awaited_waiting = self._capacity // 2
            self._wait()

    def _wait(self) -> None:
        """Wait until a worker sees what is awaited, but no longer than a step."""
        self._progress.clear()
        self._graph_waits = True
        if not self._has_come():
            self._progress.wait(_STEP)
        self._graph_waits = False
        self._awaited_waiting = self._awaited_open = -1

    def _has_come(self) -> bool:
        """Return whether what the graph's thread awaits has come."""
        return (
            len(self._waiting) <= self._awaited_waiting
            or self._submitted - self._finished <= self._awaited_open
        )

    # In the event loop

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as workers:
            for _ in range(self._concurrency):
                workers.create_task(self._serve())

    async def _serve(self) -> None:
        """Take one call after the other, and await the function for it."""
        loop = asyncio.get_running_loop()
        function, waiting, calls, ordered = (
            self._function,
            self._waiting,
            self._calls,
            self._ordered,
        )
        while True:
            if not waiting:
                sleep = loop.create_future()
                self._sleeping.append(sleep)
                await sleep
                continue
            call = waiting.popleft()
            try:
                awaitable = function(call.value)
                if not isinstance(awaitable, Awaitable):
                    raise InvalidTypeError(
                        f"{self._name} needs a function that returns an awaitable, as an async def "
                        f"does; it returned {shorten(awaitable)}"
                    )
                call.result = await awaitable
            except asyncio.CancelledError as error:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
                call.error = RunError(f"a call of {self._name} was cancelled by its own code")
                call.error.__cause__ = error
            except BaseException as error:  # the graph's thread raises it
                call.error = error
            call.done = True
            self._finished += 1
            if not ordered:
                calls.append(call)
            # Of the calls whose results wait for that of an earlier one, none wakes the graph.
            if not self._graph_is_woken and (not ordered or call is self._first()):
                self._graph_is_woken = True
                self._state.wake()
            if self._graph_waits and self._has_come():
                self._progress.set()

    def _first(self) -> _Call | None:
        """Return the call whose result is the next to tick."""
        try:
            return self._calls[0]
        except IndexError:  # the graph's thread has taken it
            return None

    def _wake_workers(self) -> None:
        # First, so that a value that comes after the deque was looked at wakes the loop again.
        self._loop_is_woken = False
        for _ in range(min(len(self._waiting), len(self._sleeping))):
            sleep = self._sleeping.popleft()
            if not sleep.done():
                sleep.set_result(None)
