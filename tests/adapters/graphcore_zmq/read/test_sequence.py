"""How a frame relates to the frames before it, by its trailer: next, duplicate, gap, new
publisher."""

import pytest

from graphcore_zmq.read.sequence import Arrival, Sequence
from graphcore_zmq.wire.frames import Tag, Trailer

NEXT, DUPLICATE, GAP, NEW_PUBLISHER = Arrival


def arrivals(sequence: Sequence, *frames: tuple[Tag, int, int]) -> list[Arrival]:
    return [sequence.accept(tag, Trailer(instance, number, 0)) for tag, instance, number in frames]


def value(number: int, instance: int = 1) -> tuple[Tag, int, int]:
    return Tag.VALUE, instance, number


def check_point(number: int) -> tuple[Tag, int, int]:
    return Tag.CHECK_POINT, 1, number


def test_values_in_their_order_are_next_and_repeated_ones_are_duplicates():
    frames = value(5), value(6), value(6), value(5), value(7)
    assert arrivals(Sequence(), *frames) == [NEW_PUBLISHER, NEXT, DUPLICATE, DUPLICATE, NEXT]


@pytest.mark.parametrize(
    ("frame", "missing"), [(value(9), 2), (check_point(9), 3), ((Tag.END_OF_STREAM, 1, 8), 1)]
)
def test_a_number_that_jumps_is_a_gap_with_so_many_missing(frame, missing):
    sequence = Sequence()
    assert arrivals(sequence, value(6), frame) == [NEW_PUBLISHER, GAP]
    assert sequence.missing == missing
    assert arrivals(sequence, value(10)) == ([NEXT] if frame[2] == 9 else [GAP])


def test_a_check_point_after_the_last_value_misses_nothing_and_takes_no_number():
    frames = value(0), check_point(0), check_point(0), value(1)
    assert arrivals(Sequence(), *frames) == [NEW_PUBLISHER, NEXT, NEXT, NEXT]


def test_another_instance_is_a_new_publisher_at_whatever_number():
    sequence = Sequence()
    assert arrivals(sequence, value(7), value(3, 2), value(4, 2)) == [
        *(NEW_PUBLISHER, NEW_PUBLISHER, NEXT)
    ]
    assert sequence.expected == 5


@pytest.mark.parametrize(("frame", "expected"), [(value(7), 8), (check_point(7), 8)])
def test_the_first_frame_of_a_known_publisher_may_have_any_number(frame, expected):
    sequence = Sequence(instance=1)
    assert sequence.expected == -1
    assert arrivals(sequence, frame) == [NEXT]
    assert sequence.expected == expected
