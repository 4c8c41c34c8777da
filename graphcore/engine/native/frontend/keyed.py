"""The sub-graphs of keys, as a kernel runs them: the loop of their generators, on a row of state.

The kernel runs the sub-graphs of one shape. What their generators keep in variables from one cycle
to the next is a row of a table; the kernel finds the row of a key, sets its own variables to it,
runs what the generator would, and has the row hold the variables.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from graphcore.engine.fused.backend.instances import Compiled
from graphcore.engine.fused.subgraphs import FusedSubgraph
from graphcore.engine.native.categories import Categories
from graphcore.engine.native.frontend.records import Shape, fields_of, items_of
from graphcore.engine.native.frontend.variables import Known, Variables, kind_of
from graphcore.engine.native.ir import CATEGORIES, Kind
from graphcore.parsing import parse
from graphcore.subgraph import QuickRuns

NEW_KEY = "a new key"
NO_KEY = "a key that is no integer, string or member of an enum, nor a tuple of such"
OTHER_KEY = "a key of another kind than the first one"
_TAKES_TIME = "time = session.time"
_MISSING = object()


class Keyed:
    """The sub-graphs of one shape.

    Args:
        name: the variable of the `QuickRuns`, which is the name of the table.
        compiled: their function.
        key: what the keys are that the kernel finds; `None` if it can find none.

    Attributes:
        name: the argument.
        compiled: the argument.
        key: the argument.
        function: the function as an object that the kernel knows.
        given: the generator's variable that gets the value of a cycle.
        body: the statements of a cycle.
        assigned: the variables that these assign.
        changed: the variables that keep their values from one cycle to the next, but for those of
            `read`.
        read: those of them that no cycle assigns.
    """

    def __init__(self, name: str, compiled: Compiled, key: Shape | None) -> None:
        self.name = name
        self.compiled = compiled
        self.key = key
        self.function = Known(compiled.function, ("keyed", name), lambda: compiled.function)
        [function] = parse(compiled.source).body
        assert isinstance(function, ast.FunctionDef)
        loop = next(each for each in ast.walk(function) if isinstance(each, ast.While))
        first, *body = loop.body
        assert isinstance(first, ast.Assign) and isinstance(first.targets[0], ast.Name)
        self.given = first.targets[0].id
        self.body = [each for each in body if ast.unparse(each) != _TAKES_TIME]
        names = [
            each
            for part in (first, *self.body)
            for each in ast.walk(part)
            if type(each) is ast.Name
        ]
        stored = {each.id for each in names if isinstance(each.ctx, ast.Store)}
        self.assigned = frozenset(stored)
        # In the order of the text, not of the names, which differ between graphs of one shape.
        kept = dict.fromkeys(each.id for each in names if each.id in compiled.carried)
        self.changed = tuple(each for each in kept if each in stored)
        self.read = tuple(each for each in kept if each not in stored)

    def variable(self, local: str) -> str:
        """Return the kernel's variable for one of the generator's."""
        return f"{self.name}/{local}"

    @property
    def lasting(self) -> Iterator[str]:
        """The kernel's variables that are in a row."""
        return map(self.variable, (*self.changed, *self.read))

    def observe(self, runs: "QuickRuns[Any]", variables: Variables) -> None:
        """Add the kinds of what the generators hold."""
        kept = [(name, self.variable(name)) for name in (*self.changed, *self.read)]
        runs.take_back()
        seen = set()
        for held in holding(runs, self.compiled):
            values = [held.get(name, _MISSING) for name, _ in kept]
            # Most keys hold values of the same kinds: to look at each of them takes longer.
            kinds = tuple(map(kind_of, values))
            found = (kinds, *_bools(values))
            if found in seen and Kind.TUPLE not in kinds:
                continue
            seen.add(found)
            for (_, variable), value in zip(kept, values, strict=True):
                variables.observe(variable, value)
            for (_, variable), value in zip(kept, values, strict=True):
                variables.observe_constant(variable, value)


def _bools(values: list[object]) -> Iterator[object]:
    return (each for each in values if each is True or each is False)


def holding(runs: "QuickRuns[Any]", compiled: Compiled) -> Iterator[Mapping[str, Any]]:
    """Yield the variables of the generators of one shape."""
    for key in runs:
        instance = runs.instances[key]
        if isinstance(instance, FusedSubgraph) and instance.compiled is compiled:
            frame = instance.frame
            if frame is not None:
                yield frame.f_locals


def key_kind(kind: Kind) -> Kind | None:
    """Return the kind of the word by which a key, or an item of one, is found.

    Equal keys have the same word, and keys of one kind that differ have others.
    """
    if kind in (Kind.BOOL, Kind.INT):
        return Kind.INT
    return Kind.TEXT if kind in CATEGORIES else None


def key_shape(keys: Iterable[object]) -> Shape | None:
    """Return what the first key is that a kernel can find."""
    return next(filter(None, map(_shape_of_key, keys)), None)


def _shape_of_key(key: object) -> Shape | None:
    of = type(key)
    has_items = isinstance(key, tuple) and bool(key) and (of is tuple or _is_plain(of))
    items: Sequence[object] = items_of(key) if has_items else (key,)
    kinds = [key_kind(kind_of(item)) for item in items]
    parts = tuple(kind for kind in kinds if kind is not None)
    return Shape(parts, of if has_items else None) if len(parts) == len(kinds) else None


def _is_plain(cls: Any) -> bool:
    """Return whether the instances of a class of records are equal as tuples are."""
    equal = cls.__eq__ is tuple.__eq__ and cls.__hash__ is tuple.__hash__
    return equal and bool(fields_of(cls))


def words_of_key(key: object, shape: Shape, categories: Categories) -> tuple[int, ...] | None:
    """Return the words by which a kernel finds a key; `None` if it finds none of this shape."""
    if _shape_of_key(key) != shape:
        return None
    items: Any = (key,) if shape.of is None else key
    return tuple(
        categories.code(item) if kind is Kind.TEXT else int(item)
        for item, kind in zip(items, shape.parts, strict=True)
    )


def shape_of(runs: "QuickRuns[Any]") -> Compiled | None:
    """Return the function of the first key's sub-graph; `None` if no kernel can run it."""
    for key in runs:
        instance = runs.instances[key]
        if isinstance(instance, FusedSubgraph) and not instance.compiled.resumable:
            return instance.compiled
        return None
    return None
