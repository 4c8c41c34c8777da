"""Plain, immutable data, which the compilers' passes hand on.

`@dataclass(frozen=True)` generates and compiles six methods for each class. That takes half a
millisecond, and the compilers have a hundred classes, which each process imports. Of a `Data` class
one method is compiled, and a new object takes less time. That nobody assigns its attributes is seen
to by type checkers alone.
"""

from operator import attrgetter
from typing import Any, ClassVar, dataclass_transform


@dataclass_transform(frozen_default=True)
class Data:
    """The base of classes whose annotations are their fields, as in a frozen dataclass.

    Two objects are equal if they are of one class and have equal fields.
    """

    __match_args__: ClassVar[tuple[str, ...]] = ()
    _values: ClassVar["attrgetter[Any]"] = attrgetter("__class__")
    _defaults: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls) -> None:
        """Make the constructor."""
        own = cls.__annotations__
        if not own:
            return
        fields = cls.__match_args__ + tuple(own)
        cls.__match_args__ = fields  # type: ignore[misc]  # mypy sets it as well
        cls._values = attrgetter(*fields)
        cls._defaults = {
            **cls._defaults,
            **{name: vars(cls)[name] for name in own if name in vars(cls)},
        }
        given = [f"{each}=defaults[{each!r}]" if each in cls._defaults else each for each in fields]
        lines = [f"def __init__(self, {', '.join(given)}):"]
        lines += [f"    self.{each} = {each}" for each in fields]
        names: dict[str, Any] = {"defaults": cls._defaults}
        exec("\n".join(lines), names)
        cls.__init__ = names["__init__"]  # type: ignore[method-assign]  # as a dataclass does

    def __eq__(self, other: object) -> bool:
        if self.__class__ is not other.__class__:
            return NotImplemented
        return bool(self._values(self) == self._values(other))

    def __hash__(self) -> int:
        return hash(self._values(self))

    def __repr__(self) -> str:
        given = ", ".join([f"{name}={getattr(self, name)!r}" for name in self.__match_args__])
        return f"{self.__class__.__qualname__}({given})"
