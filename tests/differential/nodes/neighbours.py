"""Nodes that read more of their upstreams than the value, or change them."""

from typing import Any

import graphcore as gc
from tests.differential.nodes.shape import shape
from tests.differential.observe import record


@shape("anything", gives="tuple")
@gc.node
class LooksAtItsUpstream(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        source: Any = self.source
        self.value = (source.name, source.ticked_in, type(source).__name__, len(vars(source)))
        return True


@shape("anything", gives="anything")
@gc.node
class ReadsStateOfItsUpstream(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        source: Any = self.source
        try:
            self.value = source.count
        except AttributeError:
            self.value = getattr(source, "_ahead", getattr(source, "total", None))
        return True


@shape("anything", gives="anything")
@gc.node
class ChangesItsUpstream(gc.MutableNode[Any]):
    source: gc.Active[Any]
    seen: int = gc.state(0)

    def cycle(self, state: gc.GraphState) -> bool:
        self.seen += 1
        self.value = self.source.value
        source: Any = self.source
        if hasattr(source, "count"):
            source.count = 1
        if self.seen == 2:
            source.value = 7
            record("changed", self.source.value)
        return True


@shape("anything", gives="anything")
@gc.node
class SeesAllOfItsUpstream(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        look(self.source)
        self.value = self.source.value
        return True


@shape("anything*", gives="list")
@gc.node(valid="any")
class ShowsItsUpstreams(gc.MutableNode[Any]):
    sources: list[gc.Active[Any]]

    def cycle(self, state: gc.GraphState) -> bool:
        for source in self.sources:
            look(source)
        self.value = [source.value for source in self.sources if state.valid(source)]
        return True


def look(node: Any) -> None:
    # Not a source's own attributes: its events may all have been read before the run.
    record("look", {name: vars(node)[name] for name in sorted(vars(node)) if name[0] != "_"})


# The wiring of a node, which nobody changes in a run.
_OF_THE_ENGINE = ("serial", "ticked_in", "place")


@shape("anything", gives="anything")
@gc.node
class ChangesAllOfItsUpstream(gc.MutableNode[Any]):
    source: gc.Active[Any]
    seen: int = gc.state(0)

    def cycle(self, state: gc.GraphState) -> bool:
        self.seen += 1
        # The events of a source may all have been read before the run, by what it had then.
        if self.seen == 2 and not isinstance(self.source, gc.Source):
            for name, known in vars(self.source).items():
                if type(known) in (int, float) and name not in _OF_THE_ENGINE:
                    setattr(self.source, name, known + 1)
        self.value = self.source.value
        return True


@shape("list", gives="list")
@gc.node
class ChangesTheValueItReads(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.source.value.append(state.time)
        self.value = self.source.value
        return True


@shape("number", "number")
@gc.node
class RebindsItsUpstream(gc.MutableNode[Any]):
    source: gc.Active[Any]
    other: gc.Passive[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value
        if self.value == 2:
            self.source, self.other = self.other, self.source
        return True


@shape("number")
@gc.node
class DeletesItsUpstream(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value
        if self.value == 2:
            del self.source
        return True


@shape("number*")
@gc.node
class ChangesItsListOfUpstreams(gc.MutableNode[Any]):
    sources: list[gc.Active[Any]]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.sources[0].value
        if self.value == 2:
            self.sources.reverse()
        return True
