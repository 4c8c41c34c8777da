"""Where in the words of a kernel a variable of Python is, and how its value gets there and back.

A variable may hold several kinds, each in a word of its own, but most of the time all hold the same
as before. So each pattern of kinds that comes up gets a `struct`.
"""

import struct
import sys
from array import array
from collections.abc import Iterator, Mapping, MutableMapping
from itertools import repeat
from typing import Any, NamedTuple, TypeVar

from graphcore.engine.native.categories import Categories
from graphcore.engine.native.frontend.records import items_of, made
from graphcore.engine.native.frontend.variables import Variables, kind_of, slot, tag_of
from graphcore.engine.native.ir import CATEGORIES, SCALARS, Kind

KINDS = {float: Kind.FLOAT, int: Kind.INT, bool: Kind.BOOL}
MISSING = object()
# A word of each kind, for `struct`.
_FORMATS = {
    Kind.BOOL: "?7x" if sys.byteorder == "little" else "7x?",
    Kind.INT: "q",
    Kind.FLOAT: "d",
    **dict.fromkeys(CATEGORIES, "q"),
}
_MOST_PATTERNS = 256
_Key = str | int  # a variable; of an item, its number
T = TypeVar("T")


class Unfit(Exception):
    """A variable holds what the kernel was not made for."""


class Places:
    """The words of one variable of Python, or the parts of an item of a deque or list."""

    __slots__ = ("categories", "cls", "items", "kinds", "name", "of", "only", "tag")

    def __init__(
        self,
        name: str,
        kinds: frozenset[Kind],
        only: Kind,
        tag: int,
        of: dict[Kind, int],
        items: "list[Places]",
        cls: type,
        categories: Categories,
    ) -> None:
        self.name = name
        self.kinds = kinds
        self.only = only
        self.tag = tag
        self.of = of
        self.items = items
        self.cls = cls
        self.categories = categories

    @property
    def is_flat(self) -> bool:
        """Whether it always holds a number or category of one kind, or a tuple of such."""
        parts = self.items or [self]
        return self.tag < 0 and all(each.tag < 0 and each.only in SCALARS for each in parts)

    def _made(self, items: tuple[Any, ...]) -> Any:
        return made(self.cls, items)

    def joined(self, columns: list[list[Any]], count: int) -> list[Any]:
        """Return the values whose parts are these columns, each of so many."""
        none = [None] * count
        # Where a tuple may be another value, the parts of its items may be of none at all.
        of: dict[Kind, list[Any]] = {Kind.NONE: none, Kind.OTHER: none}
        of |= {kind: columns[at] for kind, at in self.of.items()}
        for kind in self.of.keys() & CATEGORIES:
            of[kind] = list(map(self.categories.object, of[kind]))
        if self.items:
            rows = zip(*(each.joined(columns, count) for each in self.items), strict=True)
            of[Kind.TUPLE] = list(rows if self.cls is tuple else map(self._made, rows))
        if self.tag < 0:
            return of[self.only]
        return [of[Kind(tag)][row] for row, tag in enumerate(columns[self.tag])]


def places_of(variables: Variables, name: str, words: Mapping[str, int]) -> Places:
    """Return the places of a variable, by those of the kernel's variables."""
    kinds = variables.kinds[name]
    return Places(
        name,
        frozenset(kinds),
        next(iter(kinds)),
        words.get(tag_of(name), -1) if len(kinds) > 1 else -1,
        {kind: words[slot(name, kind)] for kind in kinds if kind in SCALARS},
        [places_of(variables, f"{name}.{at}", words) for at in range(variables.lengths[name])]
        if Kind.TUPLE in kinds
        else [],
        variables.classes.get(name, tuple),
        variables.categories,
    )


def numbers_of(places: Places, value: Any) -> Iterator[tuple[int, bool | int | float]]:
    """Yield the numbers that make up a value, with the place of each.

    Raises:
        Unfit: if the kernel was not made for such a value.
    """
    kind = kind_of(value)
    items: tuple[Any, ...] = ()
    if kind is Kind.TUPLE:
        items = items_of(value)
        if type(value) is not places.cls or len(items) != len(places.items):
            kind, items = Kind.OTHER, ()
    if kind not in places.kinds:
        raise Unfit
    if places.tag >= 0:
        yield places.tag, int(kind)
    if kind in CATEGORIES:
        yield places.of[kind], places.categories.code(value)
    elif kind in places.of:
        yield places.of[kind], value
    for item, inner in zip(items, places.items, strict=kind is Kind.TUPLE):
        yield from numbers_of(inner, item)


def put(
    places: Places,
    value: Any,
    words: "array[int]",
    floats: "memoryview[float]",
    begin: int = 0,
) -> None:
    """Have words hold a value; `begin` is the word from which on the places count.

    Raises:
        Unfit: if the kernel was not made for such a value.
    """
    for place, number in numbers_of(places, value):
        if isinstance(number, float):
            floats[begin + place] = number
        else:
            words[begin + place] = number


class _Given(NamedTuple):
    """How variables of some types get into the words.

    Attributes:
        struct: the words of these kinds.
        order: for each of these words, the place of its number: the values come first, then `tags`.
        tags: the numbers for the words that tell kinds.
        coded: the places of the values that are categories.
    """

    struct: struct.Struct
    order: list[int]
    tags: list[int]
    coded: list[int]


class _Taken(NamedTuple):
    """How variables of some kinds get out of the words.

    Attributes:
        struct: the words of these kinds, without those that tell kinds.
        keys: for each of these words, what its value is found by.
        others: the values that are in no word.
        coded: by which keys there are categories.
        groups: for each tuple, those inside of others first, its key, class, and its items' keys.
    """

    struct: struct.Struct
    keys: list[_Key]
    others: dict[_Key, Any]
    coded: list[_Key]
    groups: list[tuple[_Key, type, list[_Key]]]


class _Misfit:
    """Stands for a tuple or record that the kernel was not made for."""


class Packed:
    """The variables of one stretch of words.

    Args:
        places: the words of each.
    """

    def __init__(self, places: Mapping[str, Places]) -> None:
        self._names = list(places)
        # The variables, then the items of those that may hold tuples, and so on.
        self._parts = list(places.values())
        self._items: dict[int, range] = {}
        for at, each in enumerate(self._parts):  # which grows meanwhile
            if Kind.TUPLE in each.kinds:
                self._items[at] = range(len(self._parts), len(self._parts) + len(each.items))
                self._parts += each.items
        self._categories = self._parts[0].categories if self._parts else Categories()
        parts = self._parts
        words = [word for each in parts for word in (each.tag, *each.of.values()) if word >= 0]
        self._first, self._end = min(words, default=0), max(words, default=-1) + 1
        self._tagged = sorted(each.tag for each in parts if each.tag >= 0)
        self._tags = self._struct(dict.fromkeys(self._tagged, "q"))
        self._by_types: dict[tuple[type, ...], _Given] = {}
        self._by_tags: dict[tuple[int, ...], _Taken] = {}

    def load(
        self,
        words: "array[int]",
        floats: "memoryview[float]",
        variables: Mapping[str, Any],
        begin: int = 0,
    ) -> None:
        """Take Python's variables; the words between theirs become 0.

        Args:
            words: the words.
            floats: the same, as floats.
            variables: the variables.
            begin: the word from which on their places count.

        Raises:
            Unfit: if the kernel was not made for what one of them holds.
        """
        values = list(map(variables.get, self._names, repeat(MISSING)))
        for at, items in self._items.items():
            value = values[at]
            if type(value) is self._parts[at].cls and len(found := items_of(value)) == len(items):
                values += found
            else:
                values += [MISSING] * len(items)
                if kind_of(value) is Kind.TUPLE:
                    values[at] = _MISFIT
        types = tuple(map(type, values))
        given = self._by_types.get(types)
        if given is None:
            given = self._given(list(map(kind_of, values)))
            _remember(self._by_types, types, given)
        numbers = values + given.tags
        for at in given.coded:
            numbers[at] = self._categories.code(values[at])
        try:
            given.struct.pack_into(
                words, 8 * (begin + self._first), *[numbers[at] for at in given.order]
            )
        except struct.error:  # an integer past 64 bits
            for name, places in zip(self._names, self._parts, strict=False):
                put(places, variables.get(name, MISSING), words, floats, begin)

    def store(
        self, words: "array[int]", variables: MutableMapping[str, Any], begin: int = 0
    ) -> None:
        """Give the variables back to Python; see `load`."""
        offset = 8 * (begin + self._first)
        tags = self._tags.unpack_from(words, offset)
        taken = self._by_tags.get(tags)
        if taken is None:
            taken = self._taken(dict(zip(self._tagged, tags, strict=True)))
            _remember(self._by_tags, tags, taken)
        found: Any = dict(zip(taken.keys, taken.struct.unpack_from(words, offset), strict=True))
        found |= taken.others
        for key in taken.coded:
            found[key] = self._categories.object(found[key])
        for key, cls, items in taken.groups:
            found[key] = made(cls, list(map(found.pop, items)))
        variables.update(found)

    def _given(self, kinds: list[Kind]) -> _Given:
        formats: dict[int, str] = {}
        order: dict[int, int] = {}
        tags: list[int] = []
        coded: list[int] = []
        for at in self._held(kinds):
            places, kind = self._parts[at], kinds[at]
            if kind is Kind.TUPLE and at not in self._items:
                kind = Kind.OTHER
            if kind not in places.kinds:
                raise Unfit
            if places.tag >= 0:
                formats[places.tag], order[places.tag] = "q", len(kinds) + len(tags)
                tags.append(int(kind))
            if kind in places.of:
                formats[places.of[kind]], order[places.of[kind]] = _FORMATS[kind], at
            if kind in CATEGORIES:
                coded.append(at)
        return _Given(self._struct(formats), [order[word] for word in sorted(order)], tags, coded)

    def _taken(self, tags: Mapping[int, int]) -> _Taken:
        kinds = [Kind(tags[each.tag]) if each.tag >= 0 else each.only for each in self._parts]
        keys: list[_Key] = [*self._names, *range(len(self._names), len(self._parts))]
        formats: dict[int, str] = {}
        words: dict[int, _Key] = {}
        others: dict[_Key, Any] = {}
        coded: list[_Key] = []
        groups: list[tuple[_Key, type, list[_Key]]] = []
        for at in self._held(kinds):
            places, kind, key = self._parts[at], kinds[at], keys[at]
            if kind in places.of:
                formats[places.of[kind]], words[places.of[kind]] = _FORMATS[kind], key
            elif kind is Kind.TUPLE:
                groups.append((key, places.cls, [keys[item] for item in self._items[at]]))
            elif kind is Kind.NONE or at >= len(self._names):
                others[key] = None if kind is Kind.NONE else MISSING
            if kind in CATEGORIES:
                coded.append(key)
        found = [words[word] for word in sorted(words)]
        return _Taken(self._struct(formats), found, others, coded, groups[::-1])

    def _held(self, kinds: list[Kind]) -> list[int]:
        """Return the places of the variables, and of the items of those that hold tuples."""
        held = list(range(len(self._names)))
        for at in held:  # which grows meanwhile
            if kinds[at] is Kind.TUPLE and at in self._items:
                held += self._items[at]
        return held

    def _struct(self, formats: Mapping[int, str]) -> struct.Struct:
        """Return a struct of all words; it passes over those without a format."""
        words = range(self._first, self._end)
        return struct.Struct("=" + "".join(formats.get(word, "8x") for word in words))


_MISFIT = _Misfit()


def _remember(patterns: dict[tuple[Any, ...], T], key: tuple[Any, ...], pattern: T) -> None:
    if len(patterns) >= _MOST_PATTERNS:
        patterns.clear()
    patterns[key] = pattern
