"""Makes messages of a tick: the topics, and the envelopes under them."""

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
    """One message.

    Attributes:
        topic: the frame before the envelope; empty for none.
        envelope: the values.
        values: how many values it holds.
    """

    topic: bytes
    envelope: bytes
    values: int


# Makes messages of the value that a stream ticks with and the engine time.
Framing = Callable[[Any, int], list[Outgoing]]


def check_topic(topic: Topic[T] | None) -> Topic[T] | None:
    """Return the function that gives a value's topic.

    Raises:
        InvalidTypeError: if it is not a function.
    """
    if topic is not None and not callable(topic):
        raise InvalidTypeError(f"topic is a function that gives a value's topic, not {topic!r}")
    return topic


def topic_frame(topic: object) -> bytes:
    """Return the frame that precedes a message of a topic. ZeroMQ matches it exactly.

    Raises:
        InvalidTypeError, InvalidValueError: if this is not a topic.
    """
    if not isinstance(topic, str):
        raise InvalidTypeError(f"a topic is text, not {topic!r}")
    if not topic or "\0" in topic:
        raise InvalidValueError(f"a topic is text without a zero character, not {topic!r}")
    try:
        return topic.encode() + b"\0"
    except UnicodeEncodeError as error:
        raise InvalidValueError(f"a topic is text that UTF-8 can encode: {error}") from None


def each_value(codec: Codec[T], topic: Topic[T] | None) -> Framing:
    """Return the framing that sends each tick as one value."""
    encode = codec.encode
    envelope = bare_value_envelope if isinstance(codec, SelfDelimitingCodec) else value_envelope
    if topic is None:
        return lambda value, time: [Outgoing(b"", envelope(encode(value)), 1)]
    return lambda value, time: [Outgoing(topic_frame(topic(value)), envelope(encode(value)), 1)]


def whole_bursts(codec: Codec[T], topic: Topic[T] | None) -> Framing:
    """Return the framing that sends each tick, a burst, as one frame.

    With topics, it sends a frame for each topic in the burst.
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
