"""Numbers of a fixed width, to annotate fields for `bincode` and `arrow`.

For msgspec and for type checkers they are plain `int` and `float`, so a class that uses them works
with every codec.
"""

from typing import Annotated, Any

from msgspec import Meta, inspect

_WIDTH = "graphcore_zmq.width"
NAMES = {
    **{"b": "i8", "h": "i16", "i": "i32", "q": "i64"},
    **{"B": "u8", "H": "u16", "I": "u32", "Q": "u64"},
    **{"f": "f32", "d": "f64"},
}


def _meta(code: str) -> Meta:
    return Meta(extra={_WIDTH: code})


i8 = Annotated[int, _meta("b")]
i16 = Annotated[int, _meta("h")]
i32 = Annotated[int, _meta("i")]
i64 = Annotated[int, _meta("q")]
u8 = Annotated[int, _meta("B")]
u16 = Annotated[int, _meta("H")]
u32 = Annotated[int, _meta("I")]
u64 = Annotated[int, _meta("Q")]
f32 = Annotated[float, _meta("f")]
f64 = Annotated[float, _meta("d")]


def code_of(described: Any) -> str | None:
    """Return the letter of the module `struct` for a number of this type; `None` for other types.

    Args:
        described: the type as `msgspec.inspect` describes it.
    """
    match described:
        case inspect.Metadata(type=inner, extra=extra):
            plain = code_of(inner)
            return plain and (extra or {}).get(_WIDTH, plain)
        case inspect.IntType():
            return "q"
        case inspect.FloatType():
            return "d"
    return None
