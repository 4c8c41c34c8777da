"""Where in the words of a kernel a variable of Python is, and how its value gets there and back."""

import struct
import sys
from array import array
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

from graphcore.engine.native.categories import Categories
from graphcore.engine.native.frontend.records import items_of, made
from graphcore.engine.native.frontend.variables import Variables, kind_of, slot, tag_of
from graphcore.engine.native.ir import CATEGORIES, SCALARS, Kind

KINDS = {float: Kind.FLOAT, int: Kind.INT, bool: Kind.BOOL}
# A word of each kind, for `struct`.
_FORMATS = {
    Kind.BOOL: "?7x" if sys.byteorder == "little" else "7x?",
    Kind.INT: "q",
    Kind.FLOAT: "d",
}
_TYPES = {kind: of for of, kind in KINDS.items()}
MISSING = object()


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
    def is_plain(self) -> bool:
        """Whether the variable always holds a number of one kind."""
        return self.tag < 0 and self.only in _TYPES

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


def value_at(
    places: Places, words: "array[int]", floats: "memoryview[float]", begin: int = 0
) -> Any:
    """Return the value that is there; `MISSING` if there is none.

    Args:
        places: the places.
        words: the words.
        floats: the same, as floats.
        begin: the word from which on the places count.
    """
    kind = places.only if places.tag < 0 else Kind(words[begin + places.tag])
    match kind:
        case Kind.OTHER:
            return MISSING
        case Kind.NONE:
            return None
        case Kind.FLOAT:
            return floats[begin + places.of[kind]]
        case Kind.TUPLE:
            return made(places.cls, [value_at(each, words, floats, begin) for each in places.items])
        case Kind.TEXT | Kind.MEMBER:
            return places.categories.object(words[begin + places.of[kind]])
    value = words[begin + places.of[kind]]
    return bool(value) if kind is Kind.BOOL else value


class Plain:
    """The variables that always hold a number of one kind, read and written all at once.

    Args:
        places: the words of each.
    """

    def __init__(self, places: Mapping[str, Places]) -> None:
        words = {each.of[each.only]: each for each in places.values()}
        names = {each.of[each.only]: name for name, each in places.items()}
        self._names = [names[word] for word in sorted(words)]
        self._types = [_TYPES[words[word].only] for word in sorted(words)]
        first, last = min(words, default=0), max(words, default=-1)
        self._offset = 8 * first
        self._struct = struct.Struct(
            "="
            + "".join(
                _FORMATS[words[word].only] if word in words else "8x"
                for word in range(first, last + 1)
            )
        )

    def load(self, words: "array[int]", variables: Mapping[str, Any], begin: int = 0) -> None:
        """Take Python's variables; the words between theirs become 0.

        Args:
            words: the words.
            variables: the variables.
            begin: the word from which on their places count.
        """
        values = [variables.get(name, MISSING) for name in self._names]
        if list(map(type, values)) != self._types:
            raise Unfit
        try:
            self._struct.pack_into(words, self._offset + 8 * begin, *values)
        except struct.error:  # an integer past 64 bits
            raise Unfit from None

    def store(
        self, words: "array[int]", variables: MutableMapping[str, Any], begin: int = 0
    ) -> None:
        """Give the variables back to Python; see `load`."""
        values = self._struct.unpack_from(words, self._offset + 8 * begin)
        variables.update(zip(self._names, values, strict=True))
