"""Nodes with further outputs."""

from typing import Any

import graphcore as gc
from graphcore.operators.several import Demux
from tests.differential.nodes.shape import SHAPES, Shape, shape


@shape("number", outputs=("odd", "large"))
@gc.node
class Sorted(gc.MutableNode[Any]):
    """Both outputs may tick, or one, or none, whether or not the node ticks."""

    source: gc.Active[Any]
    odd: gc.Output[Any] = gc.output()
    large: gc.Output[Any]
    seen: int = gc.state(0)

    def cycle(self, state: gc.GraphState) -> bool:
        value = self.source.value
        self.seen += 1
        if value % 2:
            self.odd.tick(value)
        if value < 1:
            self.large.tick(1 / value)
            return False
        if self.seen % 3:
            self.large.tick(self.seen)
        self.value = value
        return True


@shape("number", "number", outputs=("left",))
@gc.node(valid="any")
class Woken(gc.MutableNode[Any]):
    """Its output ticks by an alarm too."""

    a: gc.Active[Any]
    b: gc.Passive[Any]
    left: gc.Output[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        if state.due:
            self.left.tick(state.time)
        if not state.ticked(self.a):
            return False
        if state.valid(self.b):
            state.schedule(state.time + 2)
        self.value = self.a.value
        return True


@shape("number", outputs=("twice", "never"))
@gc.node
class Called(gc.MutableNode[Any]):
    """The compiler calls it; it ticks an output twice in a cycle, which is an error."""

    source: gc.Active[Any]
    twice: gc.Output[Any]
    never: gc.Output[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.give(self.source.value)
        if self.source.value == 4:
            self.give(5)
        self.value = self.source.value
        return bool(self.value)

    def give(self, value: Any) -> None:
        self.twice.tick(value)


def _demux(keys: int) -> Any:
    def make(stream: Any) -> Demux[Any]:
        node: Any = Demux(stream, lambda v: v % keys, {k: k for k in range(keys)})
        node.first, node.second = (gc.Stream(branch) for branch in node.branches[:2])
        node.other_stream = gc.Stream(node.branches[-1])
        return node

    return Shape(make, ("number",), "number", ("first", "second", "other_stream"))


SHAPES["FewKeys"], SHAPES["ManyKeys"] = _demux(2), _demux(40)
