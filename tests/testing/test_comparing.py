"""`assert_ticks`: a comparison that shows where ticks differ."""

from typing import Any

import numpy as np
import pytest

import graphcore as gc
from graphcore.testing import assert_ticks

NAN = float("nan")


def difference(found: Any, expected: Any, **options: Any) -> str:
    with pytest.raises(AssertionError) as caught:
        assert_ticks(found, expected, **options)
    return str(caught.value)


def test_equal_ticks_pass_whatever_form_they_have() -> None:
    stream = gc.replay([1, 2], ["a", "b"])
    assert_ticks(stream, [(1, "a"), (2, "b")])
    assert_ticks(stream, [("1970-01-01T00:00:00.000000001Z", "a"), (2, "b")], tier="interpreted")
    out = stream.collect()
    out.run()
    assert_ticks(out, out)
    assert_ticks([(1, NAN), (2, [NAN, {"a": NAN}])], [(1, NAN), (2, [NAN, {"a": NAN}])])
    assert_ticks([(1, np.array([1, 2]))], [(1, np.array([1, 2]))])
    assert_ticks([], [])


def test_changed_missing_and_unexpected_ticks_are_marked_with_their_neighbours() -> None:
    expected = [(time, time) for time in range(1, 21)]
    found = [(3, 33) if time == 3 else (time, time) for time in range(1, 20)]
    found.insert(10, (10, "twice"))
    assert difference(found, expected) == (
        "3 of 21 ticks differ\n"
        "  time  expected  found\n"
        "  1     1         1\n"
        "  2     2         2\n"
        "> 3     3         33\n"
        "  4     4         4\n"
        "  5     5         5\n"
        "  ...\n"
        "  9     9         9\n"
        "  10    10        10\n"
        "> 10    -         'twice'\n"
        "  11    11        11\n"
        "  12    12        12\n"
        "  ...\n"
        "  18    18        18\n"
        "  19    19        19\n"
        "> 20    20        -"
    )


def test_a_long_difference_is_cut_and_counted() -> None:
    text = difference([(time, 0) for time in range(100)], [(time, 1) for time in range(100)])
    assert text.startswith("100 of 100 ticks differ")
    assert text.endswith("and 70 more differences") and text.count("\n") == 32


def test_present_day_times_are_shown_as_dates() -> None:
    time = 1_700_000_000_000_000_000
    assert "> 2023-11-14T22:13:20" in difference([(time, 1)], [(time, 2)])


def test_floats_may_differ_by_rel_and_types_may_not_differ() -> None:
    assert_ticks([(1, 1.0), (2, (2.0, 3.0))], [(1, 1.0 + 1e-12), (2, (2.0, 3.0 - 1e-12))], rel=1e-9)
    assert "> 1     1.000000000001  1.0" in difference([(1, 1.0)], [(1, 1.0 + 1e-12)])
    assert "> 1     1         True" in difference([(1, True)], [(1, 1)])
    assert "> 1     1         1.0" in difference([(1, 1.0)], [(1, 1)])
    assert "1 of 1 ticks differ" in difference([(1, (1, 2))], [(1, (1, 2, 3))])
    assert "1 of 1 ticks differ" in difference([(1, {"a": 1})], [(1, {"a": 2})])
    assert "1 of 1 ticks differ" in difference([(1, np.array([1, 2]))], [(1, np.array([1, 3]))])


def test_misuse_is_said_in_a_sentence() -> None:
    with pytest.raises(gc.InvalidTypeError, match="expected must be pairs of time and value, not"):
        assert_ticks(gc.constant(1), [1])  # type: ignore[list-item]
    with pytest.raises(gc.InvalidTypeError, match="found must be pairs of time and value, not 7"):
        assert_ticks(7, [])  # type: ignore[arg-type]
    with pytest.raises(gc.InvalidTypeError, match="options are for a stream"):
        assert_ticks([], [], tier="fused")
    with pytest.raises(gc.InvalidValueError, match="rel must be 0 or more, not -1"):
        assert_ticks([], [], rel=-1)
