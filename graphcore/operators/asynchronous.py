"""`consume_async`: awaits a function for each value, in the event loop of the run.

Two deques stand between the graph's thread and the loop's: `waiting` holds the values for which no
call has begun, `results` what is still to tick, in the order in which it ticks. Workers in the loop
take values from the one and append to the other. A thread is woken only when it may sleep, and a
graph that is held up goes on when half of the full queue is free: each switch between the threads
costs as much as several calls.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic
from types import CoroutineType
from typing import Any, Final, Generic, TypeVar

from graphcore.declare import node, state
from graphcore.errors import InvalidTypeError, RunError, shorten
from graphcore.node import Active, EffectNode, QueueNode
from graphcore.state import GraphState, RunMode

T = TypeVar("T")
U = TypeVar("U")

_logger = logging.getLogger(__name__)

_NOTHING: Final = object()
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
        open: how many values have come whose results have not ticked.
    """

    live_only = True
    source: Active[T]
    function: Callable[[T], Awaitable[U]]
    concurrency: int
    ordered: bool
    capacity: int
    waits_at_end: bool
    open: int = state(0)
    calls: Any = state(None)
    waiting: deque[T] = state(factory=deque)
    results: deque[Any] = state(factory=deque)

    def start(self, state: GraphState) -> None:
        if state.run_mode is not RunMode.REALTIME:
            raise RunError(f"{self.name} awaits live calls: it only supports real-time mode")
        self.calls = Calls(self.name, self.function, self.concurrency, self.ordered, state)
        self.waiting, self.results = self.calls.waiting, self.calls.results

    def cycle(self, state: GraphState) -> bool:
        if state.ticked(self.source):
            if len(self.waiting) >= self.capacity:
                self.calls.wait_for_room(self.capacity // 2)
            if self.open == 0:
                state.hold()
            self.open += 1
            self.waiting.append(self.source.value)
            if not self.calls.loop_is_woken:
                self.calls.wake_loop()
        if not self.results:
            self.calls.graph_is_woken = False
        # Once more, because a call that ended before that line did not wake this node.
        if not self.results:
            return False
        result = self._take(state)
        self.value = result
        return True

    def close(self, state: GraphState) -> bool:
        self.results = self.calls.finish(self.open if self.waits_at_end else 0)
        if len(self.results) < self.open:
            given_up = self.open - len(self.results)
            _logger.warning("%s: calls cancelled at the end of the run: %d", self.name, given_up)
            self.open = len(self.results)
        if not self.results:
            return False
        result = self._take(state)
        self.value = result
        return True

    def stop(self, state: GraphState) -> None:
        if self.calls is not None:
            self.calls.end()

    def queued(self, time: int) -> int:
        return len(self.results)

    def _take(self, state: GraphState) -> Any:
        """Take the next result."""
        result = self.results.popleft()
        self.open -= 1
        if self.open == 0:
            state.release()
        if type(result) is _Failed:
            self.calls.fail(result)
        if not self.results:
            self.calls.graph_is_woken = False
        if self.results:
            # At the present time this would come before the clock and the inbox are read again, and
            # in a cycle of its own: a late source ticks a nanosecond from now.
            state.schedule(state.time + (not state.closing))
        return result


class _Failed:
    """Stands for the result of a call that raised an error.

    Attributes:
        value: the argument of the call.
        error: what it raised.
    """

    def __init__(self, value: Any, error: BaseException) -> None:
        self.value = value
        self.error = error


class Calls:
    """The calls of a function in an event loop.

    Args:
        name: the node's name, for errors.
        function: returns an awaitable for a value.
        concurrency: how many calls may be in flight.
        ordered: whether results come in the order of the values, or as the calls end.
        state: the node's state.

    Attributes:
        waiting: the values for which no call has begun; the graph's thread appends to it.
        results: the results of the calls, taken by the graph's thread; for an error, a `_Failed`.
        loop_is_woken: whether workers are still to look at `waiting`.
        graph_is_woken: whether the node is still to look at `results`.
    """

    def __init__(
        self,
        name: str,
        function: Callable[[Any], Awaitable[Any]],
        concurrency: int,
        ordered: bool,
        state: GraphState,
    ) -> None:
        self.waiting: deque[Any] = deque()
        self.results: deque[Any] = deque()
        self.loop_is_woken = self.graph_is_woken = False
        self._name = name
        self._function = function
        self._concurrency = concurrency
        self._state = state
        # A list for each call whose result is not in `results`, in the order of the values: empty
        # until the call has ended, then with the result. `None` if the order does not matter.
        self._unfinished: deque[list[Any]] | None = deque() if ordered else None
        self._sleeping: deque[asyncio.Future[None]] = deque()  # workers without a value
        # What the graph's thread waits for, while it waits.
        self._until: Callable[[], bool] | None = None
        self._progress = threading.Event()
        self._loop = state.event_loop
        self._task = self._loop.spawn(self._work(), name)

    # In the graph's thread

    def wake_loop(self) -> None:
        """Have workers look at `waiting`."""
        self.loop_is_woken = True
        self._loop.call(self._wake_workers)

    def wait_for_room(self, left: int) -> None:
        """Wait until no more values wait for a call than this, or the run is told to end."""
        while len(self.waiting) > left and not self._state.stopping:
            self._wait(lambda: len(self.waiting) <= left)

    def fail(self, failed: _Failed) -> None:
        """Raise what a call raised."""
        failed.error.add_note(f"{self._name} was awaiting its function for {shorten(failed.value)}")
        raise failed.error

    def finish(self, awaited: int) -> deque[Any]:
        """Begin no further calls, and return the results of those that have ended.

        Args:
            awaited: for how many results in all to wait first, for some seconds.
        """
        deadline = monotonic() + _PATIENCE
        while len(self.results) < awaited and monotonic() < deadline:
            self._wait(lambda: len(self.results) >= awaited)
        self.waiting.clear()
        return deque(self.results.popleft() for _ in range(len(self.results)))

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

    def _wait(self, until: Callable[[], bool]) -> None:
        """Wait until a worker sees that this has come, but no longer than a step."""
        self._progress.clear()
        self._until = until
        if not until():
            self._progress.wait(_STEP)
        self._until = None

    # In the event loop

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as workers:
            for _ in range(self._concurrency):
                workers.create_task(self._serve())

    async def _serve(self) -> None:
        """Take one value after the other, and await the function for it."""
        loop = asyncio.get_running_loop()
        function, waiting, results, unfinished = (
            self._function,
            self.waiting,
            self.results,
            self._unfinished,
        )
        slot: list[Any] = []
        while True:
            try:
                value = waiting.popleft()
            except IndexError:
                value = _NOTHING
            until = self._until
            if until is not None and until():
                self._progress.set()
            if value is _NOTHING:
                sleep = loop.create_future()
                self._sleeping.append(sleep)
                await sleep
                continue
            if unfinished is not None:
                slot = []
                unfinished.append(slot)
            try:
                awaitable = function(value)
                # The second test takes longer than all else here; most awaitables are coroutines.
                if type(awaitable) is not CoroutineType and not isinstance(awaitable, Awaitable):
                    raise InvalidTypeError(
                        f"{self._name} needs a function that returns an awaitable, as an async def "
                        f"does; it returned {shorten(awaitable)}"
                    )
                result = await awaitable
            except asyncio.CancelledError as error:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
                own = RunError(f"a call of {self._name} was cancelled by its own code")
                own.__cause__ = error
                result = _Failed(value, own)
            except BaseException as error:  # the graph's thread raises it
                result = _Failed(value, error)
            if unfinished is None:
                results.append(result)
            elif unfinished[0] is slot:
                unfinished.popleft()
                results.append(result)
                while unfinished and unfinished[0]:
                    results.append(unfinished.popleft()[0])
            else:
                slot.append(result)
                continue  # the result of an earlier value is to tick first
            if not self.graph_is_woken:
                self.graph_is_woken = True
                self._state.wake()

    def _wake_workers(self) -> None:
        # First, so that a value that comes after the deque was looked at wakes the loop again.
        self.loop_is_woken = False
        for _ in range(min(len(self.waiting), len(self._sleeping))):
            sleep = self._sleeping.popleft()
            if not sleep.done():
                sleep.set_result(None)
