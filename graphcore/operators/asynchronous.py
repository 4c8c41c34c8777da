"""`consume_async`: awaits a function for each value, in the event loop of the run.

The graph's thread appends a `_Call` for each value to `_waiting`, from which workers in the loop
take them. `_calls` holds the calls whose results are still to tick, in the order in which they
tick. Both are deques, which two threads may use at once; a side is woken only when it may sleep.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, Literal, TypeVar

from graphcore.errors import RunError, shorten
from graphcore.node import Active, QueueNode, Upstreams, node_of
from graphcore.state import GraphState, RunMode, SpawnedTask

T = TypeVar("T")
U = TypeVar("U")

OnEnd = Literal["wait", "cancel"]

_logger = logging.getLogger(__name__)

_PATIENCE = 5.0  # s; for what is in flight at the end of a run, and for what is cancelled
_STEP = 0.05  # s; after that long a wait for the loop, the graph's thread looks at stop again


class _Call:
    """A value, and then the result of the function for it, or the error."""

    __slots__ = ("done", "error", "result", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self.result: Any = None
        self.error: BaseException | None = None
        self.done = False


class ConsumeAsync(QueueNode[U]):
    """Awaits a function for each value and ticks with its results, one a cycle.

    Args:
        source: the values.
        function: returns an awaitable for a value.
        concurrency: how many calls may be in flight.
        ordered: whether results tick in the order of the values, or as they come.
        capacity: how many values may wait for a call; the graph then waits.
        on_end: what happens to calls in flight when the run ends.
    """

    def __init__(
        self,
        source: Active[T],
        function: Callable[[T], Awaitable[U]],
        concurrency: int,
        ordered: bool,
        capacity: int,
        on_end: OnEnd,
    ) -> None:
        super().__init__()
        self.source = node_of(source)
        self.function = function
        self.concurrency = concurrency
        self.ordered = ordered
        self.capacity = capacity
        self.on_end = on_end

    def upstreams(self) -> Upstreams:
        return Upstreams(active=(self.source,))

    def start(self, state: GraphState) -> None:
        self._task: SpawnedTask | None = None
        if state.run_mode is not RunMode.REALTIME:
            raise RunError(f"{self.name} awaits live calls: it only supports real-time mode")
        self._state = state
        self._waiting: deque[_Call] = deque()
        self._calls: deque[_Call] = deque()
        self._begun = self._finished = self._delivered = 0  # how many calls
        self._sleeping: deque[asyncio.Future[None]] = deque()  # workers without a call
        self._loop_is_woken = self._graph_is_woken = self._graph_waits = False
        self._progress = threading.Event()
        self._loop = state.event_loop
        self._task = self._loop.spawn(self._work(), self.name)

    def cycle(self, state: GraphState) -> bool:
        if state.ticked(self.source):
            self._submit(self.source.value, state)
        return self._deliver(state)

    def close(self, state: GraphState) -> bool:
        if self.on_end == "wait":
            self._await_all(monotonic() + _PATIENCE)
        open_calls = self._begun - self._finished
        if open_calls:
            _logger.warning("%s: calls cancelled at the end of the run: %d", self.name, open_calls)
            self._waiting.clear()
            self._calls = deque(call for call in self._calls if call.done)
        return self._deliver(state)

    def stop(self, state: GraphState) -> None:
        if self._task is not None and not self._task.end(_PATIENCE):
            raise RunError(
                f"a call of {self.name} swallows its cancellation: it did not end within "
                f"{_PATIENCE:.0f} s after the run"
            )

    def queued(self, time: int) -> int:
        return len(self._calls)

    # In the graph's thread

    def _submit(self, value: Any, state: GraphState) -> None:
        if len(self._waiting) >= self.capacity:
            self._wait_for_room(state)
        call = _Call(value)
        if self._begun == self._delivered:
            state.hold()
        self._begun += 1
        if self.ordered:
            self._calls.append(call)
        self._waiting.append(call)
        if not self._loop_is_woken:
            self._loop_is_woken = True
            self._loop.call(self._wake_workers)

    def _wait_for_room(self, state: GraphState) -> None:
        while len(self._waiting) >= self.capacity and not state.stopping:
            self._wait_for_progress(_STEP, lambda: len(self._waiting) < self.capacity)

    def _await_all(self, deadline: float) -> None:
        while self._finished < self._begun and monotonic() < deadline:
            self._wait_for_progress(_STEP, lambda: self._finished == self._begun)

    def _wait_for_progress(self, seconds: float, made: Callable[[], bool]) -> None:
        """Wait until a worker has taken or finished a call, unless what is waited for is made."""
        self._progress.clear()
        self._graph_waits = True
        if not made():
            self._progress.wait(seconds)
        self._graph_waits = False

    def _deliver(self, state: GraphState) -> bool:
        """Tick with the next result, if there is one; arrange a further cycle for the one after."""
        self._graph_is_woken = False
        calls = self._calls
        if not (calls and calls[0].done):
            return False
        call = calls.popleft()
        self._delivered += 1
        if self._begun == self._delivered:
            state.release()
        elif calls and calls[0].done:
            state.schedule(state.time)
        if call.error is not None:
            call.error.add_note(f"{self.name} was awaiting its function for {shorten(call.value)}")
            raise call.error
        self.value = call.result
        return True

    # In the event loop

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as workers:
            for _ in range(self.concurrency):
                workers.create_task(self._serve())

    async def _serve(self) -> None:
        """Take one call after the other, and await the function for it."""
        loop = asyncio.get_running_loop()
        function, waiting = self.function, self._waiting
        while True:
            if not waiting:
                sleep = loop.create_future()
                self._sleeping.append(sleep)
                await sleep
                continue
            call = waiting.popleft()
            if self._graph_waits:
                self._progress.set()
            try:
                call.result = await function(call.value)
            except asyncio.CancelledError as error:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
                call.error = RunError(f"a call of {self.name} was cancelled by its own code")
                call.error.__cause__ = error
            except BaseException as error:  # the graph's thread raises it
                call.error = error
            call.done = True
            self._finish(call)

    def _finish(self, call: _Call) -> None:
        if not self.ordered:
            self._calls.append(call)
        self._finished += 1
        if self._graph_waits:
            self._progress.set()
        try:
            ready = self._calls[0].done
        except IndexError:  # the graph's thread has taken it
            return
        if ready and not self._graph_is_woken:
            self._graph_is_woken = True
            self._state.wake()

    def _wake_workers(self) -> None:
        # First, so that a value that comes after the deque was looked at wakes the loop again.
        self._loop_is_woken = False
        for _ in range(min(len(self._waiting), len(self._sleeping))):
            sleep = self._sleeping.popleft()
            if not sleep.done():
                sleep.set_result(None)
