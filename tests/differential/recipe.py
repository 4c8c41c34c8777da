"""Recipes: descriptions of graphs, from which any number of equal graphs can be built.

The repr of a recipe is the program that it stands for, so that a shrunk example can be read and run
by hand.
"""

import copy
import operator
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import graphcore as gc
from tests.differential import functions, nodes
from tests.differential.tiers import Pace
from tests.differential.written import compiled


@dataclass(frozen=True)
class Ref:
    """The stream of this number."""

    number: int

    def __repr__(self) -> str:
        return f"s{self.number}"


@dataclass(frozen=True)
class Made:
    """A function of this shape, which may look at a stream."""

    shape: str
    seen: Ref | None = None

    def __repr__(self) -> str:
        return f"functions.{self.shape}({self.seen or ''})"


@dataclass(frozen=True)
class Written:
    """A function `function` or a node class `Written` with this source text."""

    text: str

    def __repr__(self) -> str:
        return f"written({self.text!r})"


@dataclass(frozen=True)
class Giving:
    """A function that returns this value, for sources that take a function."""

    value: object

    def __repr__(self) -> str:
        return f"lambda: {self.value!r}"


@dataclass(frozen=True)
class Iterating:
    """An iterator, which serves one run."""

    value: Any

    def __repr__(self) -> str:
        return f"iter({self.value!r})"


Arguments = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True)
class Step:
    """Calls, each on the result of the one before, and the streams that they return.

    Attributes:
        owner: the object of the first call: a stream's number, or the package.
        calls: the name and the arguments of each.
        kinds: the kinds of values of the streams; none for a sink.
        shape: the node class, if the step makes a node.
        name: the name given to the first stream, if any.
    """

    owner: Ref | None
    calls: tuple[tuple[str, Arguments], ...]
    kinds: tuple[str, ...]
    shape: bool = False
    name: str | None = None

    def __repr__(self) -> str:
        text = "gc" if self.owner is None else repr(self.owner)
        for name, (positional, keywords) in self.calls:
            given = [repr(argument) for argument in positional]
            given += [f"{key}={argument!r}" for key, argument in keywords.items()]
            text += f".{name}({', '.join(given)})"
        if self.shape:
            text = f"gc.Stream(nodes.{text.removeprefix('gc.')})"
        if "\n" in text:  # a generated class
            ((written, (positional, _)),) = self.calls
            text = f"gc.Stream(Written({', '.join(map(repr, positional))}))  # {written}"
        return text + (f".named({self.name!r})" if self.name else "")


@dataclass(frozen=True)
class Recipe:
    """A graph, and how it is run.

    Attributes:
        steps: the steps of the wiring, in order.
        loops: for each feedback and each `later`, the stream that it is bound to.
        options: the bounds of the run.
        tiers: the three tiers, in the order in which they meet.
        pace: how a native run is divided.
        parts: the operators, sources, functions and nodes that are used.
    """

    steps: tuple[Step, ...]
    loops: tuple[tuple[Ref, Ref], ...]
    options: dict[str, Any]
    tiers: tuple[str, str, str]
    pace: Pace
    parts: frozenset[str] = field(repr=False)

    def __repr__(self) -> str:
        lines, number = [], 0
        for step in self.steps:
            names = [f"s{number + i}" for i in range(len(step.kinds))]
            number += len(names)
            lines.append(f"{', '.join(names)} = {step}" if names else repr(step))
        lines += [f"{loop}.bind({end}.map(tame))" for loop, end in self.loops]
        options = ", ".join(f"{key}={value!r}" for key, value in self.options.items())
        how = f"run({options})  # tiers {self.tiers}, {self.pace}"
        return "\n    ".join(["", *lines, how])


def tame(value: Any) -> Any:
    """Keep values in a loop from growing without limit."""
    if type(value) is int:
        return value % 1000
    return value[:3] if isinstance(value, str | list | tuple) else value


def build(recipe: Recipe) -> gc.Graph:
    """Wire a graph by the recipe, with a `collect` on each stream that nothing reads."""
    streams: list[Any] = []
    roots: list[Any] = []
    for step in recipe.steps:
        made: Any = gc if step.owner is None else streams[step.owner.number]
        if step.shape:
            ((name, (positional, _)),) = step.calls
            shape = nodes.SHAPES.get(name)
            make = shape.make if shape else compiled(name)["Written"]
            node = make(*_given_for(positional, streams))
            made = gc.Stream(node)
            if shape and shape.outputs:
                made = (made, *(getattr(node, name) for name in shape.outputs))
        else:
            for name, (positional, keywords) in step.calls:
                given = {key: _argument(value, streams) for key, value in keywords.items()}
                call = operator.attrgetter(name)(made)
                made = call(*_given_for(positional, streams), **given)
        if step.name is not None:
            (made[0] if isinstance(made, tuple) else made).named(step.name)
        results = made if isinstance(made, tuple) else (made,)
        roots += results
        streams += results if step.kinds else ()
    for loop, end in recipe.loops:
        streams[loop.number].bind(streams[end.number].map(tame))
    read = {up.number for step in recipe.steps for up in _refs(step)}
    roots += [stream.collect() for i, stream in enumerate(streams) if i not in read]
    return graph_of(*roots)


def graph_of(*roots: object) -> gc.Graph:
    """Return a graph whose nodes are numbered from 1, so that equal graphs have equal names.

    The numbers keep the order of construction, by which the judge orders the nodes.
    """
    graph = gc.Graph(*roots)
    for number, node in enumerate(sorted(graph.nodes, key=lambda node: node.serial), 1):
        node.serial = number
    return graph


def _given_for(arguments: Sequence[Any], streams: list[Any]) -> list[Any]:
    return [_argument(argument, streams) for argument in arguments]


def _argument(given: Any, streams: list[Any]) -> Any:
    match given:
        case Ref(number):
            return streams[number]
        case Made(shape, seen):
            looked_at = () if seen is None else (streams[seen.number],)
            return functions.SHAPES[shape].make(*looked_at)
        case Written(text):
            return compiled(text)["function"]
        case Giving(value):
            return lambda: iter(copy.deepcopy(value))
        case Iterating(value):
            return iter(copy.deepcopy(value))
        case list() if given and isinstance(given[0], Ref):
            return _given_for(given, streams)
        case dict() if any(refs_in([given])):
            return {key: _argument(value, streams) for key, value in given.items()}
    return copy.deepcopy(given)


def _refs(step: Step) -> list[Ref]:
    arguments = [a for _, (given, named) in step.calls for a in (*given, *named.values())]
    return list(refs_in((step.owner, *arguments)))


def refs_in(arguments: Iterable[object]) -> Iterator[Ref]:
    """Yield the streams among some arguments, also in lists and dicts."""
    for each in arguments:
        if isinstance(each, Ref):
            yield each
        elif isinstance(each, list | dict):
            yield from refs_in(each.values() if isinstance(each, dict) else each)
