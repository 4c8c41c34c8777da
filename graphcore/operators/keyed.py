"""Sub-graphs that come and go during a run: one for each key, or for the present key.

The owner of the sub-graphs runs them within its own cycle, in order of their birth (R2), and ticks
with what their roots tick.
"""

from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from graphcore.declare import node, state
from graphcore.errors import InvalidTypeError, InvalidValueError, shorten
from graphcore.node import Active, MutableNode, QueueNode, node_of
from graphcore.state import GraphState
from graphcore.subgraph import (
    ABSENT,
    Inlet,
    Instance,
    Quick,
    QuickRuns,
    Raising,
    Subgraphs,
    add_root,
)

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_NOTHING: Mapping[Any, Any] = {}


class Removed(QueueNode[K]):
    """Ticks with each key that was retired, one a cycle.

    Attributes:
        keys: the node that feeds it, and so must be in every graph with it.
    """

    keys: "Keys[K] | None" = None

    def partners(self) -> tuple[MutableNode[Any], ...]:
        return () if self.keys is None else (self.keys,)

    def start(self, state: GraphState) -> None:
        self._waiting: deque[K] = deque()
        self._state = state

    def feed(self, key: K) -> None:
        """Take a key to tick with in a further cycle at the present time."""
        self._waiting.append(key)
        self._state.schedule(self._state.time)

    def cycle(self, state: GraphState) -> bool:
        self.value = self._waiting.popleft()
        if self._waiting:
            state.schedule(state.time)
        return True

    def queued(self, time: int) -> int:
        return len(self._waiting)


class KeyedSubgraphs(Generic[K]):
    """The sub-graphs of the keys, within one run.

    Args:
        build: wires the sub-graph of a key from its inlet and the key.
        removed: ticks with the keys that were retired.
        source: the node whose values the sub-graphs get.
        state: the state of the node that owns the sub-graphs.
        outside: the nodes from outside that the sub-graphs may read.

    Attributes:
        quick: for each key whose sub-graph needs nothing but its next value, what runs a cycle of
            it with that value.
    """

    def __init__(
        self,
        build: Callable[..., MutableNode[Any]],
        removed: Removed[K],
        source: MutableNode[Any],
        state: GraphState,
        outside: Sequence[Active[Any]],
    ) -> None:
        self._build = build
        self._removed = removed
        self._source = source
        self._state = state
        self._subgraphs: Subgraphs = state.subgraphs(outside)
        self._instances: dict[K, Instance] = {}
        self._keys: dict[int, K] = {}  # by birth
        self._leaving: dict[K, Instance] = {}  # the sub-graphs of retired keys
        self._held: dict[K, deque[Any]] = {}  # values of keys whose last sub-graph has not closed
        self.quick: QuickRuns[K] = QuickRuns(self._instances)

    def __len__(self) -> int:
        """Return how many keys there are."""
        return len(self._instances)

    def __contains__(self, key: object) -> bool:
        """Return whether a key has a sub-graph."""
        return key in self._instances

    def run(self, values: Mapping[K, Any]) -> dict[K, Any]:
        """Run the sub-graphs of the keys with a value, and those that are due.

        Returns:
            The keys whose sub-graphs ticked, in order of birth, with their values.
        """
        for leaving in self._leaving.values():
            if not leaving.is_closing:
                leaving.close()  # before alarms go off that its closing instant drops
        due = self._subgraphs.due()
        given: dict[int, Mapping[int, Any]] = {}
        for key, value in self._ready(values).items():
            instance = self._instances.get(key)
            if instance is None:
                instance = self._open(key)
            due[instance.birth] = instance
            given[instance.birth] = {0: value}
        for leaving in self._leaving.values():
            due[leaving.birth] = leaving
        changes: dict[K, Any] = {}
        for birth in sorted(due) if len(due) > 1 else due:
            result = due[birth].run(given.get(birth, _NOTHING))
            if result is not ABSENT:
                changes[self._keys[birth]] = result
        for instance in self._subgraphs.retiring():
            self.retire(self._keys[instance.birth])
        if self._leaving:
            self._end_leaving()
        if self._leaving or self._held or self._subgraphs.are_closing:
            self._state.schedule(self._state.time)
        return changes

    def retire(self, key: K) -> None:
        """Let a key's sub-graph close in the next cycle at the present time, and then stop."""
        instance = self._instances.pop(key, None)
        if instance is not None:
            self.quick.pop(key, None)
            self._leaving[key] = instance
            self._state.schedule(self._state.time)

    def begin_closing(self) -> None:
        """Let all sub-graphs close; the closing instant of the run has begun (R14)."""
        self.quick.clear()
        for instance in self._instances.values():
            instance.close()

    def stop(self) -> None:
        """Stop all sub-graphs, the youngest first."""
        self.quick.clear()
        self._subgraphs.stop()

    def queued(self) -> int:
        """Return how many values wait for the next sub-graph of their key."""
        return sum(map(len, self._held.values()))

    def _ready(self, values: Mapping[K, Any]) -> Mapping[K, Any]:
        """Return the values to hand over in this cycle, one a key; hold those that have to wait.

        A key that is retired gets its next sub-graph once the last one has closed.
        """
        if not (self._leaving or self._held):
            return values
        for key, value in values.items():
            self._held.setdefault(key, deque()).append(value)
        ready = [key for key in self._held if key not in self._leaving]
        taken = {key: self._held[key].popleft() for key in ready}
        self._held = {key: held for key, held in self._held.items() if held}
        return taken

    def _open(self, key: K) -> Instance:
        inlet: Inlet[Any] = Inlet()
        # Not where this line runs, which is in a function that the engine has compiled.
        inlet.name, inlet.wired_at = self._source.name, self._source.wired_at
        instance = self._subgraphs.open(lambda: self._build(inlet, key), (inlet,), ("key", key))
        self._instances[key] = instance
        self._keys[instance.birth] = key
        quick = instance.quick
        if quick is not None:
            self.quick[key] = Raising(quick) if self._subgraphs.resumable else quick
        return instance

    def _end_leaving(self) -> None:
        """Stop the retired sub-graphs that have closed."""
        for key, instance in list(self._leaving.items()):
            if instance.is_closed:
                del self._leaving[key]
                instance.stop()
                self._removed.feed(self._keys.pop(instance.birth))


class Keys(QueueNode[dict[K, Any]], Generic[K]):
    """Runs a sub-graph for each key; the base of the nodes that say which keys get which values."""

    removed: Removed[K]
    runs: KeyedSubgraphs[K]

    def partners(self) -> tuple[MutableNode[Any], ...]:
        return (self.removed,)

    def close(self, state: GraphState) -> bool:
        self.runs.begin_closing()
        changes = self.runs.run(_NOTHING)
        if not changes:
            return False
        self.value = changes
        return True

    def stop(self, state: GraphState) -> None:
        self.runs.stop()

    def queued(self, time: int) -> int:
        return self.runs.queued()


@node(valid="any")
class GroupBy(Keys[K]):
    """Hands each value to the sub-graph of its key."""

    source: Active[Any]
    outside: list[Active[Any]]
    key: Callable[[Any], K]
    build: Callable[..., MutableNode[Any]]
    removed: Removed[K]
    max_keys: int
    idle: "Idle[K] | None"
    quick: dict[K, Quick] = state(factory=dict)
    present: Any = state(None)

    def partners(self) -> tuple[MutableNode[Any], ...]:
        return super().partners() if self.idle is None else (*super().partners(), self.idle)

    def start(self, state: GraphState) -> None:
        self.runs = KeyedSubgraphs(
            self.build, self.removed, node_of(self.source), state, self.outside
        )
        self.quick = self.runs.quick if self.idle is None else {}
        if self.idle is not None:
            self.idle.begin(self.runs)

    def cycle(self, state: GraphState) -> bool:
        changes: dict[K, Any] | None = None
        if not state.ticked(self.source):
            changes = self.runs.run(_NOTHING)
        else:
            value = self.source.value
            key = self.present = self.key(value)
            run = self.quick.get(key)
            for each in self.outside:
                if state.ticked(each):
                    run = None
            if run is not None and not state.due:
                result = run.send(value)
                if result is not ABSENT:
                    changes = {key: result}
            else:
                if key not in self.runs and len(self.runs) >= self.max_keys:
                    raise InvalidValueError(
                        f"the key {shorten(key)} would be one more than max_keys={self.max_keys}"
                    )
                if self.idle is not None:
                    self.idle.note(key)
                changes = self.runs.run({key: value})
        if not changes:
            return False
        self.value = changes
        return True

    def _explained(self, error: Exception) -> Exception:
        if not isinstance(error, TypeError) or _is_hashable(self.present):
            return error
        return InvalidTypeError(
            f"the key {shorten(self.present)} of {self.name} is not hashable: the key function "
            "must return text, a number, a tuple or another value with a hash"
        )


def _is_hashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


class Idle(MutableNode[None], Generic[K]):
    """Retires the keys that had no value for some time.

    It is a node of its own for its alarm: a key's value at the very time of the alarm, in whatever
    cycle, comes first.

    Args:
        duration: how long, ns.
    """

    def __init__(self, duration: int) -> None:
        super().__init__()
        self._duration = duration

    def start(self, state: GraphState) -> None:
        self._state = state
        self._last: dict[K, int] = {}  # engine time of each key's last value, oldest first
        self._waits = False

    def begin(self, runs: KeyedSubgraphs[K]) -> None:
        """Retire keys of these sub-graphs."""
        self._runs = runs

    def note(self, key: K) -> None:
        """Note that a key has a value now."""
        self._last.pop(key, None)
        self._last[key] = self._state.time
        # One alarm, not one for each value: they would fill the memory until that time.
        if not self._waits:
            self._wait()

    def cycle(self, state: GraphState) -> bool:
        while self._last:
            key = next(iter(self._last))
            if self._last[key] + self._duration > state.time:
                break
            del self._last[key]
            self._runs.retire(key)
        self._waits = False
        if self._last:
            self._wait()
        return False

    def _wait(self) -> None:
        self._waits = True
        end = next(iter(self._last.values())) + self._duration
        self._state.schedule_last(end, keeps_alive=False)


@node(valid="any")
class BuildKeys(Keys[K]):
    """Hands each value of a keyed stream to a further sub-graph of its key."""

    changes: Active[dict[K, Any]]
    retired: Active[K]
    outside: list[Active[Any]]
    build: Callable[..., MutableNode[Any]]
    removed: Removed[K]

    def start(self, state: GraphState) -> None:
        self.runs = KeyedSubgraphs(
            self.build, self.removed, node_of(self.changes), state, self.outside
        )

    def cycle(self, state: GraphState) -> bool:
        if state.ticked(self.retired):
            self.runs.retire(self.retired.value)
        values = _NOTHING
        if state.ticked(self.changes):
            values = self.changes.value
        changes = self.runs.run(values)
        if not changes:
            return False
        self.value = changes
        return True


@node(valid="any")
class Latest(MutableNode[dict[K, V]], Generic[K, V]):
    """Ticks with the present value of each key."""

    changes: Active[dict[K, V]]
    retired: Active[K]
    present: dict[K, V] = state(factory=dict)

    def cycle(self, state: GraphState) -> bool:
        # First: the key may have come back in this cycle.
        if state.ticked(self.retired):
            self.present.pop(self.retired.value, None)
        if state.ticked(self.changes):
            self.present.update(self.changes.value)
        self.value = self.present.copy()
        return True


@node
class StopKey(MutableNode[T]):
    """Retires its sub-graph after the cycle in which it ticks."""

    source: Active[T]

    def __post_init__(self) -> None:
        super().__post_init__()
        add_root(self, "stop_key")

    def cycle(self, state: GraphState) -> bool:
        self.value = self.source.value
        state.retire()
        return True


class Branches(Generic[V]):
    """The sub-graph of the present key of a `Switch`, within one run.

    Args:
        builds: for each key, what wires its sub-graph from the inlets.
        inputs: the inputs that the inlets stand for.
        state: the state of the node that owns the sub-graphs.
        outside: the nodes from outside that the sub-graphs may read.
    """

    def __init__(
        self,
        builds: Mapping[Any, Callable[..., MutableNode[V]]],
        inputs: Sequence[Active[Any]],
        state: GraphState,
        outside: Sequence[Active[Any]],
    ) -> None:
        self._builds = builds
        self._inputs = inputs
        self._state = state
        self._subgraphs: Subgraphs = state.subgraphs(outside)
        self._key: Any = ABSENT
        self._present: Instance | None = None

    def choose(self, key: Any) -> None:
        """Stop the present sub-graph and start that of the key, unless that is the present one.

        Raises:
            InvalidValueError: if there is none for the key.
        """
        if key == self._key:
            return
        build = self._builds.get(key)
        if build is None:
            known = ", ".join(map(shorten, self._builds))
            raise InvalidValueError(f"switch has no branch for {shorten(key)}; it has {known}")
        if self._present is not None:
            self._present.stop()
        self._key, self._present = key, None
        inlets: list[Inlet[Any]] = []
        for each in self._inputs:
            inlet: Inlet[Any] = Inlet(each)
            inlet.name = node_of(each).name
            inlets.append(inlet)
        self._present = self._subgraphs.open(lambda: build(*inlets), inlets, ("branch", key))

    def run(self, values: Mapping[int, Any]) -> Any:
        """Run a cycle; return what the root ticked with, or `ABSENT`."""
        if self._present is None:
            return ABSENT
        self._subgraphs.due()
        result = self._present.run(values)
        if self._subgraphs.retiring():  # it is the key around the switch that retires
            self._state.retire()
        if self._subgraphs.are_closing:
            self._state.schedule(self._state.time)
        return result

    def begin_closing(self) -> None:
        """Let the present sub-graph close; the closing instant of the run has begun (R14)."""
        if self._present is not None:
            self._present.close()

    def stop(self) -> None:
        """Stop the present sub-graph."""
        self._subgraphs.stop()


@node(valid="any")
class Switch(MutableNode[V], Generic[V]):
    """Ticks what the sub-graph of the present key ticks."""

    key: Active[Any]
    inputs: list[Active[Any]]
    outside: list[Active[Any]]
    builds: Mapping[Any, Callable[..., MutableNode[V]]]

    def start(self, state: GraphState) -> None:
        self.branches: Branches[V] = Branches(self.builds, self.inputs, state, self.outside)

    def cycle(self, state: GraphState) -> bool:
        if state.ticked(self.key):
            self.branches.choose(self.key.value)
        values: dict[int, Any] = {}
        for number, each in enumerate(self.inputs):
            if state.ticked(each):
                values[number] = each.value
        result = self.branches.run(values)
        if result is ABSENT:
            return False
        self.value = result
        return True

    def close(self, state: GraphState) -> bool:
        self.branches.begin_closing()
        result = self.branches.run(_NOTHING)
        if result is ABSENT:
            return False
        self.value = result
        return True

    def stop(self, state: GraphState) -> None:
        self.branches.stop()
