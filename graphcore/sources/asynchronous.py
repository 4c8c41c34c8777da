"""`produce_async`: a source for asynchronous code, which yields values in an event loop."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Any, TypeVar

from graphcore.errors import InvalidTypeError, RunError, Stopped
from graphcore.sources.events import Delivery
from graphcore.sources.receiver import JOIN_SECONDS, ReceiverStream, Sender
from graphcore.sources.retrying import Retry, Status
from graphcore.state import GraphState, SpawnedTask

T = TypeVar("T")


class AsyncSource(ReceiverStream[T]):
    """Delivers the values of an asynchronous generator; real-time runs only.

    Args:
        function: called in each run; what it returns is iterated over in the run's event loop.
        delivery: how waiting values are delivered: one a cycle, as one list, or only the last.
        capacity: how many values may wait before the generator is held up.
        retry: the delays after which `function` is called again when the generator has raised.
        status: the node that ticks with what this source does; it was made before this one.
    """

    operator = "produce_async"

    def __init__(
        self,
        function: Callable[[], AsyncIterable[Any]],
        delivery: Delivery,
        capacity: int,
        retry: Retry | None,
        status: Status,
    ) -> None:
        super().__init__(_never_called, delivery, capacity, retry, status)
        self.function = function

    def start(self, state: GraphState) -> None:
        self._task: SpawnedTask | None = None
        self.refuse_history(state)
        self._loop = state.event_loop
        sender = self.begin(state, self.capacity, self._tell_of_room)
        self._room = asyncio.Event()
        self._held_up = False
        self._task = self._loop.spawn(self._produce(sender), self.name)

    def stop(self, state: GraphState) -> None:
        if self._task is None:
            return
        if not self._task.end(JOIN_SECONDS):
            raise RunError(
                f"the async generator of {self.name} swallows its cancellation: it did not end "
                f"within {JOIN_SECONDS:.0f} s after the run"
            )
        self.end()

    async def _produce(self, sender: Sender[T]) -> None:
        while True:
            self._attempts.begin()
            try:
                await self._iterate(sender)
            except Stopped:
                break
            except Exception as error:
                delay = self.delay_after(error, sender)
                if delay is None:
                    sender.error(error)  # the graph's thread raises it
                    return
                await asyncio.sleep(delay / 1e9)
            except asyncio.CancelledError:
                raise
            except BaseException as error:
                sender.error(error)
                return
            else:
                break
        self._attempts.end()
        sender.close()

    async def _iterate(self, sender: Sender[T]) -> None:
        values = self.function()
        if not isinstance(values, AsyncIterable):
            raise InvalidTypeError(
                f"{self.name} needs a function that returns an asynchronous iterator, as an async "
                f"def with yield does; it returned {values!r}"
            )
        iterator: AsyncIterator[Any] = aiter(values)
        try:
            async for value in iterator:
                while not sender.wait_for_room(0):
                    await self._wait_for_room(sender)
                sender.send(value)
        finally:
            close = getattr(iterator, "aclose", None)
            if close is not None:
                await close()

    def _tell_of_room(self) -> None:
        if self._held_up:
            self._loop.call(self._room.set)

    async def _wait_for_room(self, sender: Sender[T]) -> None:
        # In this order: `cycle` takes the values before it looks at the flag.
        self._room.clear()
        self._held_up = True
        if not sender.wait_for_room(0):
            await self._room.wait()
        self._held_up = False


def _never_called(sender: Sender[Any], stop: object) -> None:
    """Stand for the function that a receiver's thread runs: this source has no thread."""
