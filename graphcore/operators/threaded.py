"""`threaded`: a sub-graph in a thread of its own, with bounded queues to it and back.

In a run that is live from its start the sub-graph is a run of its own: `Entry` ticks there with
what comes from the graph, `Part` takes the values of one input from it, and `Exit` hands the result
back. In all other runs the graph's own thread runs the sub-graph, in step with engine time: another
thread would only wait for it, and it for the other.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Any, Generic, TypeVar

from graphcore.declare import node
from graphcore.errors import RunError, Stopped
from graphcore.node import Active, MutableNode, QueueNode, Source, Upstreams, node_of
from graphcore.state import GraphState
from graphcore.subgraph import ABSENT, Inlet, Instance, Separate, Subgraphs

V = TypeVar("V")

_logger = logging.getLogger(__name__)

_NOTHING: Mapping[int, Any] = {}
_PATIENCE = 5.0  # s
_STEP = 0.005  # s; after that long a wait for the other thread, a thread looks at the rest again


class Handover(Generic[V]):
    """A bounded queue from one thread to another; a lock is taken only when it is full.

    Args:
        capacity: how many items may wait.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._items: deque[V] = deque()
        self._has_room = threading.Event()
        self._is_awaited = False

    def put(self, item: V, seconds: float) -> bool:
        """In the one thread: add an item; return whether there was room within this time."""
        if len(self._items) >= self._capacity:
            self._has_room.clear()
            self._is_awaited = True
            # Again, now that the flag is set: `move` sees the flag, or this thread the room.
            if len(self._items) >= self._capacity:
                self._has_room.wait(seconds)
            self._is_awaited = False
            if len(self._items) >= self._capacity:
                return False
        self._items.append(item)
        return True

    def move(self, to: deque[V]) -> None:
        """In the other thread: move what waits now."""
        items = self._items
        for _ in range(len(items)):
            to.append(items.popleft())
        if self._is_awaited:
            self._has_room.set()

    def __len__(self) -> int:
        """Return how many items wait."""
        return len(self._items)


class Entry(Source[Mapping[int, Any]]):
    """In the sub-graph's thread: ticks with what `give` was given, one a cycle.

    Args:
        capacity: how many may wait.

    Attributes:
        taken: how many have ticked.
    """

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self.taken = 0
        self._capacity = capacity

    def start(self, state: GraphState) -> None:
        self._queue: Handover[Mapping[int, Any]] = Handover(self._capacity)
        self._batch: deque[Mapping[int, Any]] = deque()
        self._woken = False
        self._state = state
        state.hold()

    def give(self, values: Mapping[int, Any], seconds: float) -> bool:
        """From the graph's thread: hand values over; return whether there was room in this time.

        Args:
            values: for the number of each input that ticks, its value; none at all ends the run.
            seconds: how long to wait.
        """
        if not self._queue.put(values, seconds):
            return False
        if not self._woken:
            self._woken = True
            self._state.wake()
        return True

    def cycle(self, state: GraphState) -> bool:
        if not self._batch:
            self._woken = False  # first, so that whoever puts after the queue is empty wakes it
            self._queue.move(self._batch)
        if not self._batch:
            return False
        self.value = self._batch.popleft()
        if self._batch:
            state.schedule(state.time)
        self.taken += 1
        if not self.value:
            state.stop()
        return True


@node
class Part(MutableNode[V]):
    """In the sub-graph's thread: ticks with the values of one input."""

    entry: Active[Mapping[int, Any]]
    number: int

    def cycle(self, state: GraphState) -> bool:
        values = self.entry.value
        if self.number not in values:
            return False
        self.value = values[self.number]
        return True


class Exit(MutableNode[None]):
    """In the sub-graph's thread: hands the result back.

    Args:
        source: the result.
        queue: where it goes.
        wake: wakes the graph.
    """

    def __init__(
        self, source: MutableNode[Any], queue: Handover[Any], wake: Callable[[], None]
    ) -> None:
        super().__init__()
        self.source = source
        self.queue = queue
        self.wake = wake
        self.is_open = True

    def upstreams(self) -> Upstreams:
        return Upstreams(active=(self.source,))

    def cycle(self, state: GraphState) -> bool:
        while self.is_open:
            if self.queue.put(self.source.value, _STEP):
                self.wake()
                return False
        raise Stopped("the run around the sub-graph has ended")


class Remote:
    """The sub-graph of a `Threaded` in its own thread, within one run; used by the graph's thread.

    Args:
        name: the node's name.
        build: wires the sub-graph from its inputs.
        inputs: the inputs.
        capacity: how many values may wait, in each direction.
        state: the node's state.
    """

    def __init__(
        self,
        name: str,
        build: Callable[..., MutableNode[Any]],
        inputs: Sequence[Active[Any]],
        capacity: int,
        state: GraphState,
    ) -> None:
        self._name = name
        self._build = build
        self._inputs = inputs
        self._capacity = capacity
        self._state = state
        self._queue: Handover[Any] = Handover(capacity)
        self._batch: deque[Any] = deque()
        self._woken = False
        self._given = 0
        self._is_held = False
        self._is_told = False  # to end
        self._is_over = False  # its error was raised, or it had none
        self._apart: Separate | None = None
        self._entry: Entry
        self._exit: Exit

    def start(self) -> None:
        """Start the thread, and wait until all nodes of the sub-graph have started."""
        subgraphs: Subgraphs = self._state.subgraphs(())
        self._entry = Entry(self._capacity)
        self._entry.name = f"{self._name}.entry"
        what = "thread of", self._name
        self._apart = subgraphs.apart(self._wire, self._entry, what, self._on_idle, self._on_end)
        self._hold()
        self._apart.start()

    def run(self, values: Mapping[int, Any]) -> Any:
        """Hand values over; return the next result, or `ABSENT`."""
        if values:
            self._give(values)
        return self._take()

    def __len__(self) -> int:
        """Return how many results are to tick in further cycles at the present time."""
        return len(self._batch)

    def _give(self, values: Mapping[int, Any]) -> None:
        """Hand values over; wait while too many wait to be taken.

        Raises:
            RunError: if the sub-graph has failed before, or takes nothing though the run is to end.
        """
        if self._is_over:
            raise RunError(f"the thread of {self._name} has ended")
        self._given += 1
        self._hold()
        deadline = 0.0
        while not (self._has_ended() or self._entry.give(values, _STEP)):
            # The sub-graph may be waiting for this thread to take results.
            self._queue.move(self._batch)
            if self._state.stopping:
                deadline = deadline or monotonic() + _PATIENCE
                if monotonic() > deadline:
                    raise RunError(
                        f"the thread of {self._name} took no value within {_PATIENCE:.0f} s though "
                        "the run is to end"
                    )

    def _take(self) -> Any:
        """Return the next result, `ABSENT` if there is none.

        Raises:
            BaseException: what the sub-graph raised, after its results.
        """
        if not self._batch:
            self._woken = False  # first, so that whoever puts after the queue is empty wakes it
            has_ended = self._has_ended()
            self._queue.move(self._batch)
            if has_ended and not self._batch:
                self._raise()
        result = self._batch.popleft() if self._batch else ABSENT
        if self._batch or (result is not ABSENT and self._has_ended()):
            self._state.schedule(self._state.time)
        else:
            # `_give` may have moved results to the batch, and so missed that others came.
            self._woken = False
            if self._queue:
                self._wake()
        return result

    def begin_closing(self) -> None:
        """Let the sub-graph take all values and close, and wait for its end for some seconds."""
        if not self._has_ended():
            self._is_told = True
            self._give(_NOTHING)
        deadline = monotonic() + _PATIENCE
        while self._apart is not None and not self._apart.join(_STEP):
            self._queue.move(self._batch)
            if monotonic() > deadline:
                _logger.warning(
                    "%s: its thread goes on %.0f s after the end of the run: what it still ticks "
                    "is lost",
                    self._name,
                    _PATIENCE,
                )
                return

    def end(self) -> None:
        """End the thread.

        Raises:
            RunError: if it does not end.
            BaseException: what the sub-graph raised, if `take` has not.
        """
        if self._apart is None:
            return
        self._is_told = True
        self._exit.is_open = False
        self._apart.abandon()
        if not self._apart.join(_PATIENCE):
            raise RunError(
                f"the thread of {self._name} did not end within {_PATIENCE:.0f} s after the run"
            )
        self._raise()

    def _has_ended(self) -> bool:
        return self._apart is not None and self._apart.has_ended

    def _wire(self) -> MutableNode[Any]:
        parts: list[Part[Any]] = []
        for number, each in enumerate(self._inputs):
            part: Part[Any] = Part(self._entry, number)
            part.name = node_of(each).name
            parts.append(part)
        self._exit = Exit(self._build(*parts), self._queue, self._wake)
        self._exit.name = f"{self._name}.exit"
        return self._exit

    def _raise(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        if self._is_held:
            self._is_held = False
            self._state.release()
        error = None if self._apart is None else self._apart.error
        if error is not None and not (self._is_told and isinstance(error, Stopped)):
            raise error

    def _hold(self) -> None:
        if not self._is_held:
            self._is_held = True
            self._state.hold()

    def _release(self, taken: int) -> None:
        """Hold the run no more, unless values were given since the sub-graph became idle."""
        if self._is_held and taken == self._given:
            self._is_held = False
            self._state.release()

    # In the sub-graph's thread

    def _wake(self) -> None:
        if not self._woken:
            self._woken = True
            self._state.wake()

    def _on_idle(self) -> None:
        """Note that nothing is left to happen in the sub-graph by itself."""
        taken = self._entry.taken
        if self._is_held and taken == self._given:
            self._state.call_soon(lambda: self._release(taken))

    def _on_end(self) -> None:
        if self._is_told:
            return
        if self._apart is not None and self._apart.has_stopped_itself:
            self._state.call_soon(self._state.stop)
        self._state.wake()


class Local:
    """The sub-graph of a `Threaded` in the graph's thread, within one run.

    Args:
        name: the node's name.
        build: wires the sub-graph from its inputs.
        inputs: the inputs.
        state: the node's state.
    """

    def __init__(
        self,
        name: str,
        build: Callable[..., MutableNode[Any]],
        inputs: Sequence[Active[Any]],
        state: GraphState,
    ) -> None:
        self._state = state
        self._subgraphs: Subgraphs = state.subgraphs(())
        self._instance: Instance | None = None
        self._name, self._build, self._inputs = name, build, inputs

    def __len__(self) -> int:
        """Return 0: no results wait."""
        return 0

    def start(self) -> None:
        """Begin the sub-graph."""
        inlets: list[Inlet[Any]] = []
        for each in self._inputs:
            inlet: Inlet[Any] = Inlet(each)
            inlet.name = node_of(each).name
            inlets.append(inlet)
        what = "thread of", self._name
        self._instance = self._subgraphs.open(lambda: self._build(*inlets), inlets, what)

    def run(self, values: Mapping[int, Any]) -> Any:
        """Run a cycle; return what the root ticked with, or `ABSENT`."""
        assert self._instance is not None
        self._subgraphs.due()
        if not (values or self._instance.is_due):
            return ABSENT
        result = self._instance.run(values)
        if self._subgraphs.retiring():  # it is the key around this node that retires
            self._state.retire()
        if self._subgraphs.are_closing:
            self._state.schedule(self._state.time)
        return result

    def begin_closing(self) -> None:
        """Let the sub-graph close."""
        assert self._instance is not None
        self._instance.close()

    def end(self) -> None:
        """Stop the sub-graph."""
        self._subgraphs.stop()


@node(valid="any")
class Threaded(QueueNode[V], Generic[V]):
    """Ticks what a sub-graph in a thread of its own ticks."""

    inputs: list[Active[Any]]
    build: Callable[..., MutableNode[V]]
    capacity: int

    def start(self, state: GraphState) -> None:
        self.runs: Local | Remote = (
            Remote(self.name, self.build, self.inputs, self.capacity, state)
            if state.live
            else Local(self.name, self.build, self.inputs, state)
        )
        self.runs.start()

    def cycle(self, state: GraphState) -> bool:
        values: dict[int, Any] = {}
        for number, each in enumerate(self.inputs):
            if state.ticked(each):
                values[number] = each.value
        result = self.runs.run(values)
        if result is ABSENT:
            return False
        self.value = result
        return True

    def close(self, state: GraphState) -> bool:
        self.runs.begin_closing()
        result = self.runs.run(_NOTHING)
        if result is ABSENT:
            return False
        self.value = result
        return True

    def stop(self, state: GraphState) -> None:
        self.runs.end()

    def queued(self, time: int) -> int:
        return len(self.runs)
