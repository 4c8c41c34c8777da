"""The fast ways of taking frames do what the long way does, whatever a publisher sends."""

import platform
import subprocess
import sys
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from graphcore_zmq import (
    CodecError,
    SelfDelimitingCodec,
    WireError,
    ZmqStatus,
    raw,
)
from graphcore_zmq.read.intake import Intake
from tests.adapters.graphcore_zmq.read.playing import (
    CODECS,
    Codecs,
    Link,
    Script,
    Subscriber,
    burst,
    numbered,
    scripts,
    taken,
    value,
)
from tests.adapters.graphcore_zmq.wire import hostile


@settings(max_examples=max(settings().max_examples, 100))
@given(codecs=st.sampled_from(sorted(CODECS)), topics=st.booleans(), steps=scripts())
def test_the_fast_ways_give_what_the_long_way_gives(codecs, topics, steps):
    script = Script(CODECS[codecs], topics)
    script.play(steps)
    taken(CODECS[codecs], script.chunks, topics)


@settings(max_examples=300)
@given(random=st.integers(0, 2**32 - 1).map(Random), place=st.integers(0, len(hostile.CODECS) - 1))
def test_malformed_frames_among_sound_ones_are_taken_the_same_way(random, place):
    codec, sample = hostile.CODECS[place]
    sound = hostile.sound_frames(codec.encode(sample), isinstance(codec, SelfDelimitingCodec))
    sound = [
        frame for frame in sound if frame[0] in (2, 3)
    ]  # the others end the run, or are no values
    frames = []
    for _ in range(20):
        frames += [random.choice(sound)] * random.choice([1, 1, 3])
        if not random.randrange(5):
            frames.append(hostile.malformed(sound, random))
    trailers = [numbered(n, b"") for n in range(len(frames))]
    frames = [f.replace(hostile.TRAILER, trailers[n]) for n, f in enumerate(frames)]
    note([frame.hex() for frame in frames])
    taken(Codecs(codec, [sample]), [([[frame] for frame in frames], [True], False)])


CONNECTED, DISCONNECTED, GAP = ZmqStatus.CONNECTED, ZmqStatus.DISCONNECTED, ZmqStatus.GAP


EIGHT, TWELVE, SIXTEEN = b"8" * 8, b"12" * 6, b"16" * 8
# A burst of two, with as many bytes as one of three.
FEWER = burst(EIGHT, EIGHT) + value(EIGHT)[4:]


@pytest.mark.parametrize(
    ("envelope", "held"),
    [(value(b"v"), [b"v"]), (burst(EIGHT, EIGHT), [EIGHT] * 2)],
    ids=["value", "burst"],
)
class TestFramesOfOneLayout:
    """Frames that differ from the ones before them only in their trailer, or in when they come."""

    def test_another_publisher_may_go_on_with_the_next_number(self, envelope, held):
        frames = [numbered(n, envelope, publisher=1 + n // 3) for n in range(6)]
        state = taken(CODECS["raw"], [([[frame] for frame in frames], [True], False)])
        once = [CONNECTED, *held * 3]
        assert state["told"] == [*once, DISCONNECTED, *once]
        assert state["lost"] == 0

    def test_gaps_and_repeats_are_noticed(self, envelope, held):
        frames = [numbered(n, envelope) for n in (4, 5, 6, 6, 5, 7, 10, 11)]
        state = taken(CODECS["raw"], [([[frame] for frame in frames], [True], False)])
        assert state["told"] == [CONNECTED, *held * 4, GAP, *held * 2]
        assert (state["lost"], state["received"]) == (2, 6 * len(held))

    @pytest.mark.parametrize("kinds", ["tfff", "fttt", "tftf"])
    def test_a_publisher_of_the_other_kind_may_take_the_place_of_one(self, envelope, held, kinds):
        frames = [
            numbered(kinds[:n].count("t"), envelope) if kind == "t" else envelope
            for n, kind in enumerate(kinds)
        ]
        chunks = [([[frame]] * 3, [False, True], False) for frame in frames]
        state = taken(CODECS["raw"], [([], [True], False), *chunks])
        assert state["lost"] == 0
        assert [each for each in state["told"] if each == held[0]]

    @pytest.mark.parametrize("trailer", [False, True])
    def test_a_reconnection_that_the_monitor_tells_late_precedes_its_frames(
        self, envelope, held, trailer
    ):
        frames = [[numbered(n, envelope) if trailer else envelope] for n in range(6)]
        parts = [
            (frames[:2], [True], False),
            (frames[2:3], [False], False),
            (frames[3:5], [True], True),
            (frames[5:], [], False),
        ]
        told = taken(CODECS["raw"], parts)["told"]
        assert told == [CONNECTED, *held * 3, DISCONNECTED, CONNECTED, *held * 3]


class Interrupted:
    """A codec during whose work at one value other things happen."""

    name = "interrupted"

    def __init__(self, value: bytes) -> None:
        self.value = value
        self.happen: Callable[[], None] = lambda: None

    def encode(self, value: bytes) -> bytes:
        return value

    def decode(self, payload: bytes) -> bytes:
        if payload == self.value:
            self.happen()
        return payload


def test_values_that_come_while_others_are_taken_precede_the_end_of_their_connection():
    codec = Interrupted(b"2")
    subscriber = Subscriber(Intake, codec)

    def happen() -> None:
        subscriber.parts.append((numbered(1, value(b"4"), publisher=2), False))
        subscriber.link.monitored += [False, True, False]

    codec.happen = happen
    frames = [numbered(n, value(b"%d" % n)) for n in range(3)]
    frames.append(numbered(0, value(b"3"), publisher=2))
    subscriber.receive([[frame] for frame in frames], [True], late=False)
    subscriber.receive([], [], late=False)
    assert subscriber.told == [
        *(CONNECTED, b"0", b"1", b"2", DISCONNECTED),
        *(CONNECTED, b"3", b"4", DISCONNECTED),
    ]


@pytest.mark.parametrize(
    ("frames", "told"),
    [
        ([value(EIGHT)] * 2 + [value(EIGHT) + b"EXTRA"] * 2, [EIGHT] * 4),
        ([value(numbered(0, value(b"")))] * 2, [numbered(0, value(b""))] * 2),
        (
            [burst(*[TWELVE] * 3)] * 2 + [burst(TWELVE, EIGHT, SIXTEEN)],
            [*[TWELVE] * 7, EIGHT, SIXTEEN],
        ),
        ([burst(*[EIGHT] * 3)] * 2 + [burst(*[SIXTEEN] * 2)], [EIGHT] * 6 + [SIXTEEN] * 2),
        ([burst(*[EIGHT] * 3)] * 2 + [FEWER], [EIGHT] * 8),
        ([burst(*[EIGHT] * 3)] * 2 + [bytes(4) + burst(*[EIGHT] * 3)[4:]], [EIGHT] * 6),
    ],
    ids=["other bytes", "frame in a value", "lengths", "count and length", "count", "tag"],
)
@pytest.mark.parametrize("trailer", [False, True])
def test_a_frame_of_the_same_size_may_hold_something_else(frames, told, trailer):
    if trailer:
        frames = [numbered(n, frame) for n, frame in enumerate(frames)]
    state = taken(CODECS["raw"], [([[frame] for frame in frames], [True], False)])
    assert state["told"] == [CONNECTED, *told]
    assert state["error"][0] is type(None)


@pytest.mark.parametrize("trailer", [False, True])
@pytest.mark.parametrize("make", [value, lambda payload: burst(b"\1", payload, b"\1")])
@pytest.mark.parametrize("topics", [False, True])
def test_a_payload_that_does_not_decode_is_named_after_the_values_before_it(make, topics, trailer):
    frames = [make(payload) for payload in (b"\1", b"\2", b"\3", b"\xc1", b"\4")]
    if trailer:
        frames = [numbered(n, frame) for n, frame in enumerate(frames)]
    messages = [[b"a\0", frame] if topics else [frame] for frame in frames]
    state = taken(CODECS["msgpack"], [(messages, [True], False)], topics)
    values = [1, 2, 3] if make is value else [1, 1, 1, 1, 2, 1, 1, 3, 1, 1]
    assert state["told"] == [CONNECTED, *([("a", each) for each in values] if topics else values)]
    kind, said, notes = state["error"]
    assert kind is CodecError and said.startswith("msgpack cannot decode b'\\xc1'")
    assert notes == [f"from {Link.address}; the frame begins {frames[3][:32]!r}"]


@pytest.mark.parametrize("size", range(40))
def test_a_frame_that_is_cut_short_is_refused_wherever_it_is_cut(size):
    frames = [numbered(n, value(b"v")) for n in range(4)]
    state = taken(CODECS["raw"], [([[f] for f in [*frames[:3], frames[3][:size]]], [True], False)])
    assert state["told"][:4] == [CONNECTED, b"v", b"v", b"v"]
    assert state["error"][0] is (WireError if size < 13 else type(None))


def test_a_burst_is_never_larger_than_the_largest():
    subscriber = Subscriber(Intake, raw)
    bursts = [burst(*(b"%05d" % n for n in range(100)))]
    values = [value(b"%05d" % n) for n in range(500)]
    frames = bursts * 41 + values + bursts * 41 + values
    subscriber.receive([[frame] for frame in frames], [True], late=False)
    assert subscriber.failure is None
    assert subscriber.told[0] is ZmqStatus.CONNECTED
    assert len(subscriber.told) == 1 + 82 * 100 + 2 * 500


@pytest.mark.parametrize(
    "messages",
    [
        [[b"a\0"]],
        [[b"a\0", value(b"1")], [b"a\0"]],
        [[b"a\0"], [b"a\0", value(b"1")]],
        [[b"a\0", value(b"1"), b"a\0"]],
        [[b"a\0", value(b"1"), b"a\0"], [b"a\0", value(b"2")]],
        [[b"a\0", value(b"1"), value(b"2")]],
        [[b"c\0", value(b"1")]],
        [[value(b"1")]],
    ],
)
@pytest.mark.parametrize("before", [0, 1, 600])
def test_a_message_that_is_not_a_topic_and_a_frame_is_refused(messages, before):
    sound = [[b"b\0", value(b"0")]] * before
    state = taken(CODECS["raw"], [(sound + messages, [True], False)], topics=True)
    assert state["error"][0] is WireError
    assert state["told"][: before + 1] == [CONNECTED, *[("b", b"0")] * before]
    assert len(state["told"]) <= before + 2


FAULTS = """
import resource
from graphcore_zmq.read.intake import keep_freed_memory

keep_freed_memory()

def faults():
    for _ in range(50):
        values = [b"x" * (1 << 16) for _ in range(16)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

before = faults()
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other libraries keep what they like")
def test_the_memory_of_large_values_is_used_again():
    faults = subprocess.check_output([sys.executable, "-c", FAULTS])
    assert int(faults) < 500  # more than 5,000 without
