"""Marble diagrams: streams written as text, and text made of what a stream ticked.

A diagram has a place for each step of time. ``-`` is a step without a tick, a letter or a digit is
a tick, and ``(ab)`` are ticks of one time, in order, in one place. Blanks are for the eye. The end
of the text is the end of the stream.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Unpack

from graphcore.errors import InvalidTypeError, InvalidValueError, shorten
from graphcore.graph import RunOptions
from graphcore.source_functions import replay
from graphcore.stream import Stream
from graphcore.testing.ticks import ticks
from graphcore.time import Duration, to_period

_NOTHING = "-"


def marbles(
    diagram: str, values: Mapping[str, Any] | None = None, *, step: Duration = "1s"
) -> Stream[Any]:
    """Return a stream that ticks as a diagram shows, from time 0 on.

    Args:
        diagram: the diagram.
        values: for each letter, the value to tick with; by default a digit ticks with its number,
            and another letter with itself.
        step: the time from one place to the next.

    Raises:
        InvalidTypeError: for a diagram that is no text.
        InvalidValueError: for brackets that do not match, or a letter that `values` lacks.

    >>> ticks(marbles("1-(23)", step="1ns"))
    [(0, 1), (2, 2), (2, 3)]
    """
    length = to_period(step)
    events = [
        (place * length, _value(letter, values, diagram)) for place, letter in _places(diagram)
    ]
    return replay([time for time, _ in events], [value for _, value in events])


def drawn(
    stream: Stream[Any],
    values: Mapping[str, Any] | None = None,
    *,
    step: Duration = "1s",
    **options: Unpack[RunOptions],
) -> str:
    """Run the graph of a stream, and return its ticks as a diagram that ends with the last tick.

    Args:
        stream: the stream.
        values: for each letter, the value for which it stands; by default one of a single letter
            stands for itself.
        step: the time from one place to the next.
        options: those of `Graph.run`.

    Raises:
        InvalidValueError: for a tick between two steps, or a value for which there is no letter.

    >>> prices = marbles("1-2--3")
    >>> drawn(prices.map(lambda n: n * 2))
    '2-4--6'
    >>> drawn(prices.filter(lambda n: n > 1))
    '--2--3'
    >>> drawn(prices > 1, {"t": True, "f": False})
    'f-t--t'
    """
    length = to_period(step)
    letters: dict[int, str] = {}
    for time, value in ticks(stream, **options):
        place, rest = divmod(time, length)
        if rest:
            raise InvalidValueError(
                f"{stream.node.name} ticked at {time} ns, between two steps of {length} ns"
            )
        letters[place] = letters.get(place, "") + _letter(value, values)
    last = max(letters, default=-1)
    return "".join(_group(letters.get(place, _NOTHING)) for place in range(last + 1))


def _places(diagram: str) -> Iterator[tuple[int, str]]:
    """Yield each letter with its place."""
    if not isinstance(diagram, str):
        raise InvalidTypeError(f"a diagram is text, not {diagram!r}")
    place, grouped = 0, False
    for sign in diagram:
        if sign == " ":
            continue
        if sign in "()":
            if grouped is (sign == "("):
                raise InvalidValueError(f"the brackets of {diagram!r} do not match")
            grouped = sign == "("
        elif sign != _NOTHING:
            yield place, sign
        elif grouped:
            raise InvalidValueError(f"{diagram!r} has a step without a tick within brackets")
        place += not grouped
    if grouped:
        raise InvalidValueError(f"the brackets of {diagram!r} do not match")


def _value(letter: str, values: Mapping[str, Any] | None, diagram: str) -> Any:
    if values is None:
        return int(letter) if letter in "0123456789" else letter
    if letter not in values:
        raise InvalidValueError(f"values lacks {letter!r}, which {diagram!r} has")
    return values[letter]


def _letter(value: Any, values: Mapping[str, Any] | None) -> str:
    for letter, meant in (values or {}).items():
        if meant is value or (type(meant) is type(value) and meant == value):
            return letter
    text = str(value)
    if values is not None or len(text) != 1 or text in "-() ":
        raise InvalidValueError(
            f"no letter stands for {shorten(value)}: give one in values={{letter: value}}"
        )
    return text


def _group(letters: str) -> str:
    return letters if len(letters) == 1 else f"({letters})"
