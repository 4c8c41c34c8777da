"""Variables of Python get into words and out again, whatever kinds they hold."""

from array import array
from enum import Enum
from typing import Any, NamedTuple

import pytest

pytest.importorskip("llvmlite")

from graphcore.engine.native.backend.places import Packed, Unfit, places_of
from graphcore.engine.native.frontend.variables import Variables


class Side(Enum):
    BUY = 1


class Quote(NamedTuple):
    bid: float
    size: Any


SEEN: dict[str, list[Any]] = {
    "float": [1.5],
    "some": [None, 2, 2.5, True, "text", Side.BUY, object()],
    "pair": [(1, 2.0), (None, False), None],
    "nested": [(1, ("a", 2.0)), (2, (Side.BUY, None))],
    "quote": [Quote(1.0, 2), Quote(1.0, None)],
}
VALUES: dict[str, list[Any]] = SEEN | {
    "some": [*SEEN["some"], 1 << 70, (), (1,)],
    "float": [float("inf"), -0.0],
}


def packed() -> tuple[Packed, int]:
    variables = Variables()
    for name, values in SEEN.items():
        for value in values:
            variables.observe(name, value)
    words = {name: at for at, name in enumerate(variables.slots(SEEN), 1)}
    return Packed({name: places_of(variables, name, words) for name in SEEN}), len(words) + 1


def test_values_come_back() -> None:
    packing, width = packed()
    words = array("q", bytes(8 * 3 * width))
    floats = memoryview(words).cast("B").cast("d")
    for _ in range(2):
        for place in range(max(map(len, VALUES.values()))):
            given = {name: values[place % len(values)] for name, values in VALUES.items()}
            packing.load(words, floats, given, 2 * width)
            found: dict[str, Any] = {}
            packing.store(words, found, 2 * width)
            found.setdefault("some", given["some"])  # Python keeps what the kernel cannot hold
            assert {name: repr(found[name]) for name in given} == {
                name: repr(value) for name, value in given.items()
            }
            assert words[: 2 * width] == array("q", bytes(8 * 2 * width))


@pytest.mark.parametrize(
    "other",
    [
        {"float": 1},
        {"pair": (1, 2.0, 3)},
        {"pair": Quote(1.0, 2)},
        {"pair": (1, "text")},
        {"nested": (1, 2)},
        {"quote": (1.0, 2)},
        {"quote": None},
    ],
)
def test_what_was_not_seen_is_unfit(other: dict[str, Any]) -> None:
    packing, width = packed()
    words = array("q", bytes(8 * width))
    floats = memoryview(words).cast("B").cast("d")
    given = {name: values[0] for name, values in VALUES.items()}
    packing.load(words, floats, given)
    with pytest.raises(Unfit):
        packing.load(words, floats, given | other)


def test_what_has_no_value_stays_without() -> None:
    packing, width = packed()
    words = array("q", bytes(8 * width))
    given = {name: values[0] for name, values in VALUES.items() if name != "some"}
    packing.load(words, memoryview(words).cast("B").cast("d"), given)
    found: dict[str, Any] = {}
    packing.store(words, found)
    assert found == given
