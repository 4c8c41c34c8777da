"""Strings and members of enums in machine code: numbers that are only compared for equality.

Equal objects have one number. The numbers are a graph's own and never part of its machine code, so
graphs of one shape share a kernel whatever their strings are.
"""

from array import array
from collections.abc import Iterable
from enum import Enum, EnumType
from functools import lru_cache
from threading import Lock

from graphcore.engine.native.ir import Kind

_MOST = 65_536  # different objects among the values of a source; texts that never recur stay fused


class Categories:
    """The objects of a graph's runs, and their numbers."""

    def __init__(self) -> None:
        self._codes: dict[object, int] = {}
        # The number 0 stands where a variable of several kinds holds another one.
        self._objects: list[object] = [None]
        self._lock = Lock()

    def code(self, value: object) -> int:
        """Return the number of an object."""
        found = self._codes.get(value)
        if found is None:
            with self._lock:
                found = self._codes.setdefault(value, len(self._objects))
                if found == len(self._objects):
                    self._objects.append(value)
        return found

    def codes(self, values: Iterable[object]) -> "array[int] | None":
        """Return the numbers of objects; `None` if these are very many different ones."""
        different = set(values)
        if len(different) > _MOST:
            return None
        for each in different:
            self.code(each)
        return array("q", map(self._codes.__getitem__, values))

    def object(self, code: int) -> object:
        """Return the object of a number."""
        return self._objects[code]


def category_of(cls: type) -> Kind | None:
    """Return the kind of the objects of a class, if they are no more than equal or not."""
    if cls is str:
        return Kind.TEXT
    return Kind.MEMBER if isinstance(cls, EnumType) and _is_plain(cls) else None


@lru_cache(maxsize=256)
def _is_plain(cls: EnumType) -> bool:
    """Return whether the members of an enum are equal to themselves alone, and always true."""
    plain = all(getattr(cls, name) is getattr(Enum, name) for name in ("__eq__", "__hash__"))
    mixed_in = getattr(cls, "_member_type_", None) is not object
    # Not `hasattr`, which finds those of the class itself as well.
    has_own = any(name in vars(each) for each in cls.__mro__ for name in _OWN)
    return plain and not mixed_in and not has_own


_OWN = ("__bool__", "__len__", "__getattr__")
