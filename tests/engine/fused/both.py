"""Helpers of the fused tier's tests: both tiers side by side, and classes made from text."""

import itertools
import linecache
import re
from collections.abc import Callable, Sequence
from textwrap import indent
from typing import Any

import graphcore as gc
from graphcore.testing import ticks

_numbers = itertools.count(1)


def run_on(tier: Any, make: Callable[[], gc.Stream[Any]], **options: Any) -> Any:
    """Return a new graph's ticks on a tier, or its error with the notes."""
    try:
        return ticks(make(), tier=tier, **options)
    except Exception as error:
        notes = [re.sub(r"_\d+", "_N", each) for each in getattr(error, "__notes__", ())]
        return type(error), re.sub(r"_\d+", "_N", str(error)), notes


def same(make: Callable[[], gc.Stream[Any]], **options: Any) -> Any:
    """Check that both tiers give the same, and return it."""
    interpreted, fused = (run_on(tier, make, **options) for tier in ("interpreted", "fused"))
    assert repr(fused) == repr(interpreted)
    return fused


def written(text: str, **names: Any) -> dict[str, Any]:
    """Run text whose source is available, like that of a notebook's cell, and return its names."""
    file = f"<cell {next(_numbers)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    namespace: dict[str, Any] = {"__name__": "cells", "gc": gc, "Any": Any, **names}
    exec(compile(text, file, "exec"), namespace)
    return namespace


def node_class(
    cycle: str, fields: str = "source: gc.Active[Any]", more: str = "", **names: Any
) -> Any:
    """Return a node class with this body of its `cycle`, and these fields and further methods."""
    text = (
        "@gc.node\nclass Tried(gc.MutableNode[Any]):\n"
        + indent(fields, "    ")
        + "\n\n    def cycle(self, state):\n"
        + indent(cycle, "        ")
        + "\n\n"
        + indent(more, "    ")
        + "\n"
    )
    return written(text, **names)["Tried"]


def numbered(text: str, nodes: Sequence[gc.MutableNode[Any]]) -> str:
    """Return text in which each node's serial number is replaced by its place in the graph."""
    places = {str(node.serial): str(place) for place, node in enumerate(nodes)}
    return re.sub(r"(?<=_)\d+(?=_|\b)", lambda found: places.get(found[0], found[0]), text)


def source_of(*streams: gc.Stream[Any]) -> str:
    """Return the text of the function that runs a graph, its nodes numbered by their places."""
    graph = gc.Graph(*streams)
    return numbered(graph.fused_source(), graph.nodes)


def explained(*streams: gc.Stream[Any]) -> list[str]:
    """Return the lines of `explain`, its nodes numbered by their places."""
    graph = gc.Graph(*streams)
    return numbered(graph.explain(), graph.nodes).splitlines()


def why(stream: gc.Stream[Any]) -> str:
    """Return what `explain` says of a stream's own node: ``fused``, or why it is called."""
    line = gc.Graph(stream).explain().splitlines()[-1]
    return line.split("  ", 1)[1]
