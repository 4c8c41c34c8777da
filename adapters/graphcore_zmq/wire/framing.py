"""From a tick to what is sent of it: under which topics, in which envelopes."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from graphcore import InvalidTypeError, InvalidValueError
from graphcore_zmq.codec.codec import Codec, SelfDelimitingCodec, encode_all
from graphcore_zmq.wire.frames import (
    bare_burst_envelope,
    bare_value_envelope,
    burst_envelope,
    value_envelope,
)

T = TypeVar("T")

Topic = Callable[[T], str]


class Outgoing(NamedTuple):
    """What goes out as one message.

    Attributes:
        topic: the frame before the envelope; empty for none.
        envelope: the values.
        values: how many there are in it.
    """

    topic: bytes
    envelope: bytes
    values: int


# Makes messages of what a stream ticks with and the engine time.
Framing = Callable[[Any, int], list[Outgoing]]


def check_topic(topic: Topic[T] | None) -> Topic[T] | None:
    """Return what gives a value's topic.

    Raises:
        InvalidTypeError: if it is no function.
    """
    if topic is not None and not callable(topic):
        raise InvalidTypeError(f"topic is a function that gives a value's topic, not {topic!r}")
    return topic


def topic_frame(topic: object) -> bytes:
    """Return the frame that stands before a message of a topic, by which it is matched exactly.

    Raises:
        InvalidTypeError, InvalidValueError: for what is no topic.
    """
    if not isinstance(topic, str):
        raise InvalidTypeError(f"a topic is text, not {topic!r}")
    if not topic or "\0" in topic:
        raise InvalidValueError(f"a topic is text without a zero character, not {topic!r}")
    try:
        return topic.encode() + b"\0"
    except UnicodeEncodeError as error:
        raise InvalidValueError(f"a topic is text that UTF-8 can say: {error}") from None


def each_value(codec: Codec[T], topic: Topic[T] | None) -> Framing:
    """Return the framing of a stream whose ticks go out as a value each."""
    encode = codec.encode
    envelope = bare_value_envelope if isinstance(codec, SelfDelimitingCodec) else value_envelope
    if topic is None:
        return lambda value, time: [Outgoing(b"", envelope(encode(value)), 1)]
    return lambda value, time: [Outgoing(topic_frame(topic(value)), envelope(encode(value)), 1)]


def whole_bursts(codec: Codec[T], topic: Topic[T] | None) -> Framing:
    """Return the framing of a stream whose ticks are bursts, each of which goes out as a whole.

    With topics, the values of a burst that have one in common go out together.
    """
    envelope = bare_burst_envelope if isinstance(codec, SelfDelimitingCodec) else burst_envelope

    def message(of: bytes, values: Sequence[T], time: int) -> Outgoing:
        return Outgoing(of, envelope(encode_all(codec, values), time), len(values))

    def frame(burst: Sequence[T], time: int) -> list[Outgoing]:
        if not isinstance(burst, list | tuple):
            raise InvalidTypeError(f"zmq_pub_burst publishes lists of values, not {burst!r}")
        if topic is None:
            return [message(b"", burst, time)] if burst else []
        parts: dict[bytes, list[T]] = {}
        for value in burst:
            parts.setdefault(topic_frame(topic(value)), []).append(value)
        return [message(of, part, time) for of, part in parts.items()]

    return frame
