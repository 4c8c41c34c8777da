"""The kinds of the variables, which the translation finds by fixpoint.

A variable of Python may hold several kinds: `None`, then a float. In the kernel it is a variable
for each kind, named `name:KIND`, and a tag, named `name#`, that says which of them holds. A tuple's
items are variables of their own, `name.0`, `name.1`. Where only one kind is ever assigned, there is
no tag. Kinds are only ever added, so translating again until nothing changes comes to an end.

A bool that no cycle changes, as far as the kernel runs it, is a constant of the kernel: branches
that it rules out need no translation.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphcore.engine.fused.data import Data
from graphcore.engine.native.categories import Categories, category_of
from graphcore.engine.native.frontend.flow import Flow
from graphcore.engine.native.frontend.operations import Untranslated
from graphcore.engine.native.frontend.records import Shape, fields_of, items_of
from graphcore.engine.native.ir import (
    SCALARS,
    Assign,
    Const,
    Expr,
    Input,
    Kind,
    Op,
    Read,
    Statement,
    TrapIf,
)
from graphcore.subgraph import ABSENT


class Several(Data):
    """A value of one of several kinds, in a variable."""

    name: str
    kinds: tuple[Kind, ...]

    def is_of(self, kind: Kind) -> Expr:
        """Return the test of whether it is of this kind."""
        return tag_is(self.name, kind)


class Group(Data):
    """A tuple, a record of the class `of`, or a list that no variable of Python gets."""

    items: tuple["Value", ...]
    of: type = tuple

    @property
    def is_tuple(self) -> bool:
        """Whether it is a tuple or a named tuple."""
        return issubclass(self.of, tuple)

    @property
    def has_items(self) -> bool:
        """Whether it has items, as a tuple or a list."""
        return issubclass(self.of, tuple | list)

    def with_items(self, items: Iterable["Value"]) -> "Group":
        """Return a tuple or record of the same class with other items."""
        return Group(tuple(items), self.of)


class Ring(Data):
    """A deque or list that the kernel holds.

    Attributes:
        name: its variable.
        longest: the `maxlen` of a deque.
        is_list: whether it is a list.
    """

    name: str
    longest: int | None = None
    is_list: bool = False


class Appended(Data):
    """A list that the kernel appends to."""

    name: str


@dataclass(frozen=True, slots=True)
class Known:
    """An object that stays the same; equal to one that is reached in the same way.

    Attributes:
        value: the object.
        path: how the function reaches it, as the same in all graphs of one shape.
        get: returns what is there now.
    """

    value: Any = field(compare=False)
    path: tuple[object, ...]
    get: Callable[[], Any] = field(compare=False)


_DEEPEST = 4  # how many tuples may be around a number


class Delivered(Data):
    """The values of the present cycle's events, by their sources; and their shapes."""

    shapes: tuple[Shape, ...]

    def value(self, source: int) -> "Value":
        """Return the value of a source's event.

        Raises:
            Untranslated: if nothing is known of it, because the source has no events.
        """
        shape = self.shapes[source]
        parts = [Input(kind, "value", source, at) for at, kind in enumerate(shape.parts)]
        if Kind.OTHER in shape.parts:
            raise Untranslated("a source without events")
        return parts[0] if shape.of is None else Group(tuple(parts), shape.of)


class Found(Data):
    """What runs a cycle of the sub-graph of a key.

    Attributes:
        table: the table that holds the state of the sub-graph.
        row: its row there.
    """

    table: str
    row: Expr


Value = Expr | Several | Group | Ring | Appended | Known | Delivered | Found
NOTHING = Const(Kind.NONE, 0)


class Unsettled(Untranslated):
    """Nothing is known of a variable's kinds; the next round may know."""

    def __init__(self, name: str) -> None:
        # A name with a dollar is the translation's own.
        its_own = "an expression that gives no number"
        super().__init__(its_own if "$" in name else f"{name}, which has had no value")


def tag_of(name: str) -> str:
    """Return the variable that tells which kind of value a variable holds."""
    return f"{name}#"


def slot(name: str, kind: Kind) -> str:
    """Return the variable for a variable's value of one kind."""
    return f"{name}:{kind.name}"


def tag_is(name: str, kind: Kind) -> Expr:
    """Return the test of whether a variable holds this kind."""
    return Op(Kind.BOOL, "int ==", (Read(Kind.INT, tag_of(name)), Const(Kind.INT, int(kind))))


class Variables:
    """The kinds of variables.

    Args:
        categories: the numbers of strings and members of enums.

    Attributes:
        categories: the argument.
        kinds: for each variable, the kinds that it may hold.
        lengths: for each variable that may hold a tuple or record, the number of its items.
        classes: for each of these, its class.
        changed: whether a kind has been added; the caller sets it back.
        flow: what is known at the present place of the code.
        constants: the bools that no cycle changes.
        lasting: the variables that Python gets back.
        of_objects: the variables that may hold an object that stays in Python.
    """

    def __init__(self, categories: Categories | None = None) -> None:
        self.categories = categories or Categories()
        self.kinds: dict[str, set[Kind]] = {}
        self.lengths: dict[str, int] = {}
        self.classes: dict[str, type] = {}
        self.changed = False
        self.flow = Flow()
        self.constants: dict[str, bool] = {}
        self.lasting: frozenset[str] = frozenset()
        self.of_objects: set[str] = set()
        self._varying: set[str] = set()

    @property
    def state(self) -> list[Any]:
        """All that is known, as `resume` takes it in another process; classes stand as they are."""
        kinds = {name: sorted(map(int, found)) for name, found in self.kinds.items()}
        varying, of_objects = sorted(self._varying), sorted(self.of_objects)
        return [kinds, self.lengths, self.classes, self.constants, varying, of_objects]

    def resume(self, state: Sequence[Any], lasting: Iterable[str]) -> None:
        """Know what another process has found."""
        kinds, self.lengths, self.classes, self.constants, varying, of_objects = state
        self.kinds = {name: set(map(Kind, found)) for name, found in kinds.items()}
        self._varying, self.of_objects = set(varying), set(of_objects)
        self.lasting = frozenset(lasting)

    def forget_own(self) -> None:
        """Forget the translation's own variables, which a dollar marks.

        Another translation of the same text may number its expressions otherwise.
        """
        for found in (self.kinds, self.lengths, self.classes):
            for name in [each for each in found if "$" in each]:
                del found[name]

    def observe_constant(self, name: str, value: object) -> None:
        """Take the value of a variable for a constant if it is a bool and not known to change."""
        if name in self._varying or (self.kinds.get(name) != {Kind.BOOL}):
            self.constants.pop(name, None)
        elif self.constants.setdefault(name, bool(value)) is not value:
            self._vary(name)

    def _vary(self, name: str) -> None:
        del self.constants[name]
        self._varying.add(name)
        self.changed = True

    def observe(self, name: str, value: object) -> None:
        """Add the kind of a value that a variable of Python holds."""
        kind = kind_of(value)
        if kind is Kind.TUPLE:
            if self._may_split(name, value):
                self._split(name, value)
            else:
                kind = Kind.OTHER
        self._add(name, kind)

    def _may_split(self, name: str, value: object, depth: int = 0) -> bool:
        """Return whether a tuple is of numbers, and like the others of this variable."""
        items = items_of(value)
        return (
            depth < _DEEPEST
            and self.lengths.get(name, len(items)) == len(items)
            and self.classes.get(name, type(value)) is type(value)
            and all(
                self._may_split(f"{name}.{at}", item, depth + 1)
                if kind_of(item) is Kind.TUPLE
                else kind_of(item)
                for at, item in enumerate(items)
            )
        )

    def _split(self, name: str, value: object) -> None:
        items = items_of(value)
        self.lengths[name], self.classes[name] = len(items), type(value)
        for at, item in enumerate(items):
            self.observe(f"{name}.{at}", item)

    def adopt(self, other: str, name: str) -> None:
        """Have a variable hold any of the kinds that another one holds."""
        for kind in sorted(self.kinds[other]):
            self._add(name, kind)
        self.flow.forget(name)
        if Kind.TUPLE in self.kinds[other]:
            self.lengths[name], self.classes[name] = self.lengths[other], self.classes[other]
            for at in range(self.lengths[name]):
                self.adopt(f"{other}.{at}", f"{name}.{at}")

    def tag_as(self, other: str, name: str, out: list[Statement]) -> None:
        """Write the tags of a variable that got the slots of another one, which may need fewer."""
        kinds = self.kinds[other]
        if len(kinds) == 1:
            (kind,) = kinds
            self._tag(name, Const(Kind.INT, int(kind)), out)
            self.flow.assigned(name, kind)
        if Kind.TUPLE in kinds:
            for at in range(self.lengths[other]):
                self.tag_as(f"{other}.{at}", f"{name}.{at}", out)

    def slots(self, names: Iterable[str]) -> dict[str, Kind]:
        """Return the kernel's variables for some variables of Python."""
        found: dict[str, Kind] = {}
        for name in names:
            kinds = self.kinds.get(name, set())
            if len(kinds) > 1:
                found[tag_of(name)] = Kind.INT
            found |= {slot(name, kind): kind for kind in sorted(kinds) if kind in SCALARS}
            if Kind.TUPLE in kinds:
                found |= self.slots(f"{name}.{at}" for at in range(self.lengths[name]))
        return found

    def read(self, name: str, out: list[Statement], traps: "Traps") -> Value:
        """Return the value of a variable, with a trap where it has none that the kernel holds."""
        if name in self.constants:
            return Const(Kind.BOOL, self.constants[name])
        if name in self.flow.objects:
            held = self.flow.objects[name]
            return Const(Kind.BOOL, held) if isinstance(held, bool) else held
        kinds = self.here(name)
        if not kinds:
            raise Unsettled(name)
        if kinds == {Kind.OTHER}:
            raise Untranslated(f"{name}, which holds no number")
        if Kind.OTHER in kinds:
            traps.trap_if(tag_is(name, Kind.OTHER), f"{name} has no value yet", out)
            self.flow.kinds[name] = frozenset(kinds - {Kind.OTHER})
        left = tuple(sorted(kinds - {Kind.OTHER}))
        return self.part(name, left[0]) if len(left) == 1 else Several(name, left)

    def arrive(self, label: str) -> None:
        """Go on where the code has gone to a label."""
        self.flow = self.flow.left.pop(label, self.flow)

    def here(self, name: str) -> frozenset[Kind]:
        """Return the kinds that a variable may hold at the present place of the code."""
        return self.flow.kinds.get(name) or frozenset(self.kinds.get(name, ()))

    def part(self, name: str, kind: Kind) -> Value:
        """Return the value of a variable that holds this kind."""
        if kind is Kind.NONE:
            return NOTHING
        if kind is Kind.TUPLE:
            items = []
            for place in range(self.lengths[name]):
                item = f"{name}.{place}"
                kinds = tuple(sorted(self.here(item)))
                if not kinds:
                    raise Unsettled(name)
                items.append(self.part(item, kinds[0]) if len(kinds) == 1 else Several(item, kinds))
            return Group(tuple(items), self.classes[name])
        return Read(kind, slot(name, kind))

    def assign(self, name: str, value: Value, out: list[Statement], depth: int = 0) -> None:
        """Write that a variable gets a value; `depth` is the number of tuples around it."""
        match value:
            case Const(Kind.BOOL, constant) if self.constants.get(name) is constant:
                pass
            case Expr(kind):
                self._become(name, kind)
                if kind is not Kind.NONE:
                    out.append(Assign(slot(name, kind), value))
                if isinstance(value, Const) and kind is Kind.BOOL:
                    self.flow.objects[name] = bool(value.value)
                self._tag(name, Const(Kind.INT, int(kind)), out)
            case Several(other, kinds):
                if other == name:
                    return
                self.flow.objects.pop(name, None)
                for kind in kinds:
                    if kind in SCALARS:
                        out.append(Assign(slot(name, kind), Read(kind, slot(other, kind))))
                    elif kind is Kind.TUPLE:
                        part = self.part(other, kind)
                        assert isinstance(part, Group)
                        self._items(name, part, out, depth)
                    self._become(name, kind)
                self._tag(name, Read(Kind.INT, tag_of(other)), out)
                self.flow.kinds[name] = frozenset(kinds)
            case Group():
                self._items(name, value, out, depth)
                self._become(name, Kind.TUPLE)
                self._tag(name, Const(Kind.INT, int(Kind.TUPLE)), out)
            case Known() if name not in self.lasting and depth == 0:
                self._become(name, Kind.OTHER)
                self._tag(name, Const(Kind.INT, int(Kind.OTHER)), out)
                if value.value is not ABSENT:
                    self.of_objects.add(name)
                self.flow.objects[name] = value
            case _:
                raise Untranslated(f"{name} gets an object that is no number")

    def _items(self, name: str, value: Group, out: list[Statement], depth: int) -> None:
        # A tuple that holds its own last value gets deeper in each cycle.
        if depth == _DEEPEST:
            raise Untranslated(f"{name} gets a tuple that is nested too deep")
        # Which variables hold the same list is not kept, so none of Python's may hold one.
        if value.of is list and "$" not in name:
            raise Untranslated(f"{name} gets a list")
        if self.lengths.setdefault(name, len(value.items)) != len(value.items):
            raise Untranslated(f"{name} gets tuples of several lengths")
        if self.classes.setdefault(name, value.of) is not value.of:
            raise Untranslated(f"{name} gets tuples or records of several classes")
        for place, item in enumerate(value.items):
            self.assign(f"{name}.{place}", item, out, depth + 1)

    def _tag(self, name: str, tag: Expr, out: list[Statement]) -> None:
        if len(self.kinds[name]) > 1:
            out.append(Assign(tag_of(name), tag))

    def _become(self, name: str, kind: Kind) -> None:
        if name in self.constants:
            self._vary(name)
        self._add(name, kind)
        self.flow.assigned(name, kind)

    def _add(self, name: str, kind: Kind) -> None:
        kinds = self.kinds.setdefault(name, set())
        if kind not in kinds:
            kinds.add(kind)
            self.changed = True


class Traps:
    """Collects the reasons of traps; those of one line and text are one."""

    def __init__(self) -> None:
        self.reasons: dict[tuple[str, int], int] = {}
        self.line = 0

    def reason(self, text: str) -> int:
        """Return the number of a reason at the present line."""
        return self.reasons.setdefault((text, self.line), len(self.reasons))

    def trap_if(self, test: Expr, text: str, out: list[Statement]) -> None:
        """Write a trap that a test decides."""
        out.append(TrapIf(test, self.reason(text)))


_WORD = range(-(1 << 63), 1 << 63)


def kind_of(value: object) -> Kind:
    """Return the kind of a value; `OTHER` if the kernel cannot hold it, as integers past 64 bits.

    A tuple or record may hold anything: `Variables.observe` looks into it.
    """
    if value is None:
        return Kind.NONE
    of = type(value)
    if of is bool:
        return Kind.BOOL
    if of is int:
        return Kind.INT if value in _WORD else Kind.OTHER
    if of is float:
        return Kind.FLOAT
    if of is tuple or fields_of(of):
        return Kind.TUPLE
    return category_of(of) or Kind.OTHER
