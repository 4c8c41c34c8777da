"""The memory that a kernel works on, and the way of Python's variables into it and back (R12).

Deques and lists stay the objects that they are: the kernel works on copies of deques, and its items
of lists are appended when Python gets them back. Giving back may be repeated, because Ctrl-C may
have broken into it.
"""

from array import array
from collections import deque
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from copy import copy
from typing import Any

from graphcore.engine.native.backend.layout import (
    ALARMS,
    CLEAN,
    CYCLE,
    DONE,
    KEYS,
    REASON,
    ROOM,
    ROUNDS,
    STAMPS,
    STATUS,
    Words,
)
from graphcore.engine.native.backend.lending import Lending
from graphcore.engine.native.backend.places import (
    KINDS,
    Packed,
    Places,
    Unfit,
    numbers_of,
    places_of,
    put,
)
from graphcore.engine.native.categories import Categories, category_of
from graphcore.engine.native.frontend.keyed import Keyed, shape_of
from graphcore.engine.native.frontend.records import items_of
from graphcore.engine.native.frontend.translation import Translation
from graphcore.engine.native.frontend.values import ring_item
from graphcore.engine.native.ir import CATEGORIES, Kind

CODES = {Kind.BOOL: "B", Kind.INT: "q", Kind.FLOAT: "d", Kind.TEXT: "q", Kind.MEMBER: "q"}
_ROOM = 64


def column_of(values: Any) -> "tuple[Kind, array[Any]] | None":
    """Return the kind of some values and an array of them; `None` if they are not of one kind."""
    types = set(map(type, values))
    if len(types) != 1:
        return None
    kind = KINDS.get(types.pop())
    if kind is None:
        return None
    try:
        return kind, array(CODES[kind], values)
    except OverflowError:
        return None


class Memory:
    """The memory of one kernel.

    Args:
        translation: the kernel, and what belongs to it.
        words: where everything is.
    """

    def __init__(self, translation: Translation, words: Words) -> None:
        self._translation = translation
        self._words = words
        kernel, variables = translation.kernel, translation.variables
        self._of_items: dict[str, Places] = {}
        for name, kinds in (kernel.rings | kernel.lists).items():
            if kinds:
                item = ring_item(name)
                numbers = {part: at for at, part in enumerate(translation.variables.slots([item]))}
                self._of_items[name] = places_of(variables, item, numbers)
        places = {name: places_of(variables, name, words.variables) for name in translation.carried}
        self._packed = Packed(places)
        self._inputs = {
            name: places_of(variables, name, words.variables) for name in translation.inputs
        }
        self._constant = [name for name in translation.carried if name in translation.constants]
        self._saved: list[tuple[array[Any], int, array[Any]]] = []
        self._allocate()

    def _allocate(self) -> None:
        kernel, words = self._translation.kernel, self._words
        self.words = array("q", bytes(8 * words.count))
        self._floats = memoryview(self.words).cast("B").cast("d")
        self._rings = {name: _parts(kernel.rings[name]) for name in kernel.rings}
        self._lists = {name: _parts(kernel.lists[name]) for name in kernel.lists}
        for place in words.rings.values():
            self.words[place + 2] = _ROOM - 1
        for place in words.lists.values():
            self.words[place + 1] = _ROOM
        self._lending = {
            name: self._lending_of(keyed)
            for name, keyed in self._translation.tables.items()
            if keyed is not None
        }
        self.alarms = [array("q", bytes(8 * _ROOM)) for _ in range(2)]
        self.words[ROOM] = _ROOM

    def another(self) -> "Memory":
        """Return memory of the same kernel that holds nothing yet."""
        made = copy(self)
        made._saved = []
        made._allocate()
        return made

    @property
    def address(self) -> int:
        """The address of the words."""
        return self.words.buffer_info()[0]

    @property
    def is_clean(self) -> bool:
        """Whether the last call has run all of its cycles."""
        return self.words[STATUS] == CLEAN

    @property
    def done(self) -> int:
        """The number of the last cycle that the kernel has run."""
        return self.words[DONE]

    @property
    def due(self) -> list[int]:
        """The words of the last cycle that an alarm started, for each node that has alarms."""
        return self._words.due

    @property
    def reason(self) -> int:
        """Why the last call trapped."""
        return self.words[REASON]

    # Sets side by side

    def is_shaped_as(self, other: "Memory") -> bool:
        """Give rings and lists as much room as in another memory, and the other way around.

        Returns:
            Whether they also begin and end at the same places.
        """
        places = [place + 2 for place in self._words.rings.values()]
        places += [place + 1 for place in self._words.lists.values()]
        for number, place in enumerate(places):
            for one, another in ((self, other), (other, self)):
                while one.words[place] < another.words[place]:
                    one.grow(number)
        return self._shape() == other._shape()

    def _shape(self) -> list[int]:
        places = (*self._words.rings.values(), *self._words.lists.values())
        return [word for place in places for word in self.words[place : place + 3]]

    def differing(self, other: "Memory") -> set[str]:
        """Return the variables and rings that hold something else in another memory."""
        words = self._words.variables.items()
        found = {name for name, place in words if self.words[place] != other.words[place]}
        # As bytes, in which nan equals nan.
        mine, others = (
            {name: [part.tobytes() for part in each._unrolled(name)] for name in self._rings}
            for each in (self, other)
        )
        return found | {name for name in mine if mine[name] != others[name]}

    def rows(self, lanes: int) -> "list[array[Any]]":
        """Return for each part of rings and lists an array with so many times the room."""
        both = (*self._rings.values(), *self._lists.values())
        return [
            array(part.typecode, bytes(lanes * len(part) * part.itemsize))
            for parts in both
            for part in parts
        ]

    def become(self, other: "Memory") -> None:
        """Hold the same as another memory."""
        self.words[:] = other.words
        for mine, others in ((self._rings, other._rings), (self._lists, other._lists)):
            for name, parts in mine.items():
                for part, given in zip(parts, others[name], strict=True):
                    part[:] = given

    # Variables of Python

    def load(self, variables: Mapping[str, Any], done: int) -> None:
        """Take Python's variables.

        Args:
            variables: the variables.
            done: the number of the last cycle.

        Raises:
            Unfit: if one holds what the kernel was not made for.
        """
        ids = [id(variables[name]) for name in (*self._rings, *self._lists) if name in variables]
        if len(set(ids)) < len(ids) or any(
            variables.get(name) is not self._translation.constants[name] for name in self._constant
        ):
            raise Unfit
        for name, lending in self._lending.items():
            lending.lend(variables[name])
        for name, keyed in self._translation.tables.items():
            if keyed is None and shape_of(variables[name]) is not None:
                raise Unfit
        self.words[DONE], self.words[STATUS] = done, CLEAN
        self._packed.load(self.words, self._floats, variables)
        for name, parts in self._rings.items():
            self._take_ring(name, parts, variables.get(name))
        for name in self._lists:
            held = variables.get(name)
            if type(held) is not list:
                raise Unfit
            place = self._words.lists[name]
            self.words[place], self.words[place + 2] = 0, len(held)

    @property
    def keys(self) -> int:
        """How many keys have a row."""
        return sum(lending.keys for lending in self._lending.values())

    def end(self) -> None:
        """Give keys back what it still holds for them; no call follows in this run."""
        for lending in self._lending.values():
            lending.end()

    def load_inputs(self) -> None:
        """Read the numbers around the function.

        Raises:
            Unfit: if one is of another kind than before.
        """
        for name, get in self._translation.surroundings.inputs.items():
            try:
                put(self._inputs[name], get(), self.words, self._floats)
            except (AttributeError, IndexError, KeyError, TypeError, ValueError):  # it is gone
                raise Unfit from None

    def store(self, variables: MutableMapping[str, Any]) -> None:
        """Give the variables back to Python."""
        self._packed.store(self.words, variables)
        for name in self._rings:
            held: deque[Any] | list[Any] = variables[name]
            items = self._items(name) if self.words[self._words.rings[name] + 1] else []
            held.clear()
            held.extend(items)
        for name, parts in self._lists.items():
            count, _, begin = self.words[self._words.lists[name] :][:3]
            kinds = self._translation.kernel.lists[name]
            columns = [_tolist(part, kind, count) for part, kind in zip(parts, kinds, strict=True)]
            variables[name][begin:] = self._joined(name, columns)

    # Calls of the kernel

    def begin(self, done: int, sources: Sequence[tuple[int, tuple[int, ...], int]]) -> None:
        """Prepare a call, and keep the items of deques and the alarms for `restore`.

        Args:
            done: how many cycles have run.
            sources: for each source, the addresses of the times and of the parts of the values of
                its next events, and how many these are.
        """
        words = self.words
        words[CYCLE] = done
        for place, (times, values, count) in zip(self._words.sources, sources, strict=True):
            words[place : place + 3 + len(values)] = array("q", (times, 0, count, *values))
        words[STAMPS], words[KEYS] = (part.buffer_info()[0] for part in self.alarms)
        of_lists = ((self._lists[name], at) for name, at in self._words.lists.items())
        of_rings = ((self._rings[name], at) for name, at in self._words.rings.items())
        for parts, place in (*of_rings, *of_lists):
            for at, part in enumerate(parts, place + 3):
                self.words[at], self.words[at + len(parts)] = part.buffer_info()
        for name, place in self._words.tables.items():
            self._lending[name].begin(self.words, place)
        self._saved = [(part, begin, part[begin:end]) for part, begin, end in self._changed()]

    def _changed(self) -> "Iterator[tuple[array[Any], int, int]]":
        """Yield what a call may change even if it traps: each array, and where its items are."""
        for name, parts in self._rings.items():
            for begin, end in self._spans(name):
                yield from ((part, begin, end) for part in parts)
        if self._words.due:
            yield from ((part, 0, self.words[ALARMS]) for part in self.alarms)

    def given_out(self) -> list[int]:
        """Return for each source how many of its events the last call has taken."""
        return [self.words[place + 1] for place in self._words.sources]

    def mark(self) -> "array[int]":
        """Return the words as they are, for `back_to`; call it after `begin`."""
        return self.words[:]

    def back_to(self, mark: "array[int]") -> None:
        """Undo all changes since `mark`, also those of a call that ran all of its cycles."""
        self.words[:] = mark
        self.restore()

    def length(self, name: str) -> int:
        """Return how many items the last call has appended to a list."""
        place = self._words.lists.get(name)
        return 0 if place is None else self.words[place]

    def taken(self, name: str) -> list[Any]:
        """Return what the last call has appended to a list."""
        place = self._words.lists.get(name)
        if place is None:
            return []
        count, kinds = self.words[place], self._translation.kernel.lists[name]
        parts = zip(self._lists[name], kinds, strict=True)
        return self._joined(name, [_tolist(part, kind, count) for part, kind in parts])

    def forget(self, name: str) -> None:
        """Forget what the last call has appended to a list."""
        place = self._words.lists.get(name)
        if place is not None:
            self.words[place] = 0

    def restore(self) -> None:
        """Undo the changes of a call that trapped."""
        for part, begin, items in self._saved:
            part[begin : begin + len(items)] = items
        self.words[STATUS] = CLEAN

    def makes_room(self, reason: int) -> bool:
        """Return whether a trap had this reason because room was lacking, and is there now."""
        lacked = ROUNDS < reason < 0
        if lacked:
            self.grow(-1 - reason)
        return lacked

    def grow(self, number: int) -> None:
        """Give a deque, a list or the alarms more room, by the number in the kernel."""
        rings = list(self._rings)
        if number < len(rings):
            name = rings[number]
            place = self._words.rings[name]
            for part in self._rings[name]:
                # What had wrapped around is found after the end; what had not is where it was.
                part.extend(part)
            self.words[place + 2] = 2 * self.words[place + 2] + 1
            return
        if number == len(rings) + len(self._lists):
            self.make_room(self.words[ROOM] + 1)
            return
        name = list(self._lists)[number - len(rings)]
        place = self._words.lists[name]
        for part in self._lists[name]:
            part.extend(part)
        self.words[place + 1] *= 2

    def make_room(self, count: int) -> None:
        """Make room for so many alarms."""
        while self.words[ROOM] < count:
            for part in self.alarms:
                part.extend(part)
            self.words[ROOM] *= 2

    # Parts

    def _lending_of(self, keyed: Keyed) -> Lending:
        variables, constants = self._translation.variables, self._translation.constants
        table = self._translation.kernel.tables[keyed.name]
        words = {name: at for at, name in enumerate((*table.changed, *table.read), 1)}
        locals_of = {keyed.variable(name): name for name in (*keyed.changed, *keyed.read)}
        places = {
            name: places_of(variables, variable, words) for variable, name in locals_of.items()
        }
        of_table = {locals_of[name]: constants[name] for name in constants if name in locals_of}
        return Lending(keyed, places, of_table, table, variables.categories)

    def _take_ring(self, name: str, parts: "list[array[Any]]", held: Any) -> None:
        kinds = self._translation.kernel.rings[name]
        place = self._words.rings[name]
        expected = list if name in self._translation.held else deque
        if type(held) is not expected or (held and not kinds):
            raise Unfit
        self.words[place], self.words[place + 1] = 0, len(held)
        while held and self.words[place + 2] + 1 < len(held):
            self.grow(list(self._rings).index(name))
        if not held:
            return
        places = self._of_items[name]
        if not places.is_flat:
            for row, value in enumerate(held):
                for at, number in numbers_of(places, value):
                    parts[at][row] = number
            return
        columns: list[Any] = [held]
        if places.items:
            if set(map(type, held)) != {places.cls}:
                raise Unfit
            rows = list(map(items_of, held))
            if set(map(len, rows)) != {len(kinds)}:
                raise Unfit
            columns = list(zip(*rows, strict=True))
        for part, kind, column in zip(parts, kinds, columns, strict=True):
            part[: len(held)] = _array_of(kind, column, places.categories)

    def _items(self, name: str) -> list[Any]:
        kinds = self._translation.kernel.rings[name]
        columns = [
            _tolist(part, kind, len(part))
            for part, kind in zip(self._unrolled(name), kinds, strict=True)
        ]
        return self._joined(name, columns)

    def _unrolled(self, name: str) -> "list[array[Any]]":
        """Return the items of a ring from the first to the last, part by part."""
        (begin, end), (_, over) = self._spans(name)
        return [part[begin:end] + part[:over] for part in self._rings[name]]

    def _spans(self, name: str) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return where the items of a ring are, and where those are that have wrapped around."""
        place = self._words.rings[name]
        head, length, mask = self.words[place : place + 3]
        over = max(0, head + length - mask - 1)
        return (head, head + length - over), (0, over)

    def _joined(self, name: str, columns: list[list[Any]]) -> list[Any]:
        """Return the items of a deque or list whose parts are these columns."""
        return self._of_items[name].joined(columns, len(columns[0])) if columns else []


def _array_of(kind: Kind, column: Any, categories: Categories) -> "array[Any]":
    """Return values of this kind as an array.

    Raises:
        Unfit: if some are of another kind.
    """
    if kind in CATEGORIES:
        if {category_of(each) for each in set(map(type, column))} != {kind}:
            raise Unfit
        return array("q", map(categories.code, column))
    found = column_of(column)
    if found is None or found[0] is not kind:
        raise Unfit
    return found[1]


def _parts(kinds: tuple[Kind, ...]) -> "list[array[Any]]":
    return [array(CODES[kind], bytes(_ROOM * (1 if kind is Kind.BOOL else 8))) for kind in kinds]


def _tolist(part: "array[Any]", kind: Kind, count: int) -> list[Any]:
    if kind is Kind.BOOL:
        return memoryview(part)[:count].cast("?").tolist()
    return memoryview(part)[:count].tolist()
