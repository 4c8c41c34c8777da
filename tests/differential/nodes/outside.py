"""Nodes that use things outside: globals, builtins, and threads that write to the node."""

import builtins
import threading
from typing import Any

import graphcore as gc
from tests.differential.nodes.shape import shape
from tests.differential.observe import record, restored_before_each_run

FACTOR = 2
seen: list[Any] = []


@restored_before_each_run
def _restore() -> None:
    global FACTOR
    FACTOR = 2
    seen.clear()
    globals().pop("late", None)


@shape("number")
@gc.node
class ReadsAGlobal(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value * FACTOR
        return True


@shape("number")
@gc.node
class ChangesAGlobal(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        global FACTOR
        FACTOR += 1
        self.value = FACTOR
        return True


@shape("number")
@gc.node
class FillsAGlobal(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        seen.append(self.source.value)
        self.value = len(seen)
        return True


@shape("number")
@gc.node
class ReadsAGlobalThatComesLate(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        if self.source.value == 1:
            globals()["late"] = 5
        self.value = late  # type: ignore[name-defined]  # not there before
        return True


@shape("number", gives="tuple")
@gc.node
class ReadsBuiltins(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = (abs(self.source.value), builtins.max(1, self.source.value), __name__)
        return True


@shape("number")
@gc.node
class NotesItsCycles(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        record("NotesItsCycles", state.time, self.source.value)
        self.value = self.source.value
        return True


@shape("number")
@gc.node
class WrittenByAThread(gc.MutableNode[Any]):
    """A thread writes an attribute between two reads; the node joins the thread, so the order is
    certain."""

    source: gc.Active[Any]
    level: Any = gc.state(0)

    def cycle(self, state: gc.GraphState) -> bool:
        before = self.level
        thread = threading.Thread(target=self._write, args=(self.source.value,), name="writer")
        thread.start()
        thread.join()
        self.value = (before, self.level)
        return True

    def _write(self, x: Any) -> None:
        self.level = x
