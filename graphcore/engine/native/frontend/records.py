"""Which classes of records the kernel can hold: as tuples of their fields.

A record from a kernel is another object than before, so only records that cannot change are held,
and only if making one does nothing but setting its fields: named tuples and frozen dataclasses.
"""

import dataclasses
from collections import namedtuple
from functools import lru_cache
from typing import Any, Generic

from graphcore.engine.native.ir import Kind


@dataclasses.dataclass(frozen=True, slots=True)
class Shape:
    """What the values of a source are: of one kind, or alike tuples or records of such.

    Attributes:
        parts: the kinds of the parts; of a number, its kind alone.
        of: the class, or `tuple`; `None` for a number.
    """

    parts: tuple[Kind, ...]
    of: type | None = None


_OF_TUPLES = ("__new__", "__len__", "__iter__", "__getitem__", "__getattribute__")
_OF_OBJECTS = ("__new__", "__getattribute__")
_OWN = ("__getattr__", "__bool__", "__post_init__")
_MISSING = object()
_Field = type(vars(namedtuple("_Pair", "one"))["one"])


def fields_of(cls: type) -> tuple[str, ...]:
    """Return the names of the fields of a class of records that the kernel can hold, or none."""
    return _fields_of(cls) if type(cls) is type else ()


@lru_cache(maxsize=256)
def _fields_of(cls: Any) -> tuple[str, ...]:
    if any(hasattr(cls, name) for name in _OWN):
        return ()
    if cls.__bases__ == (tuple,):
        names = getattr(cls, "_fields", ())
        plain = all(_is_from(cls, tuple, name) for name in _OF_TUPLES[1:])
        generated = all(isinstance(vars(cls).get(name), _Field) for name in names)
        return tuple(names) if plain and generated else ()
    if "__dataclass_params__" in vars(cls) and set(cls.__mro__) <= {cls, Generic, object}:
        fields = dataclasses.fields(cls)
        parameters: Any = vars(cls)["__dataclass_params__"]
        init: Any = vars(cls).get("__init__")
        if (
            parameters.frozen
            and getattr(getattr(init, "__code__", None), "co_filename", "") == "<string>"
            and len(fields) == init.__code__.co_argcount - 1
            and all(field.init and not field.kw_only for field in fields)
            and all(_is_from(cls, object, name) for name in _OF_OBJECTS)
            and not hasattr(cls, "__len__")
        ):
            return tuple(field.name for field in fields)
    return ()


def defaults_of(cls: Any) -> dict[str, object]:
    """Return the defaults of the fields of such a class."""
    if issubclass(cls, tuple):
        return dict(getattr(cls, "_field_defaults", {}))
    return {
        field.name: field.default
        for field in dataclasses.fields(cls)
        if field.default is not dataclasses.MISSING
    }


def items_of(value: Any) -> tuple[Any, ...]:
    """Return the fields of a record, or the items of a tuple."""
    if isinstance(value, tuple):
        return tuple(value)
    return tuple([getattr(value, name) for name in fields_of(type(value))])


def made(cls: type, items: Any) -> Any:
    """Return a record of these fields, a tuple or list of these items, or a dict of this one."""
    if cls is tuple or cls is list:
        return cls(items)
    if cls is dict:
        return dict([items])
    return cls(*items)


def _is_from(cls: type, base: type, name: str) -> bool:
    return getattr(cls, name, _MISSING) is getattr(base, name)
