"""Makes messages of a tick: the topics, and the envelopes under them."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from graphcore import InvalidTypeError, InvalidValueError
from graphcore_zmq.codec.codec import (
    Codec,
    CodecError,
    RawCodec,
    SelfDelimitingCodec,
    burst_encoder,
)
from graphcore_zmq.wire.frames import (
    TRAILER_SIZE,
    bare_burst_envelope,
    bare_value_head,
    burst_envelope,
    value_head,
)

T = TypeVar("T")

Topic = Callable[[T], str]
_BURSTS = (list, tuple)


# One message: the frame with its topic, empty for none; the head and the body of the envelope;
# how many values it holds. A plain tuple, because making a named one costs more than
# sending it. Head, body and trailer are joined once, so that large values are copied once.
Outgoing = tuple[bytes, bytes, bytes, int]


class Limits(NamedTuple):
    """What a publisher refuses to send.

    Attributes:
        max_message_size: the size of the largest frame, bytes.
        max_burst: the most values in a frame.
    """

    max_message_size: int
    max_burst: int


# Makes messages of the value that a stream ticks with and the engine time. Raises `CodecError` if a
# value cannot be encoded or exceeds a limit, so that no message of the tick is sent.
Framing = Callable[[Any, int], Sequence[Outgoing]]


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


def each_value(codec: Codec[T], topic: Topic[T] | None, limits: Limits) -> Framing:
    """Return the framing that sends each tick as one value."""
    encode = codec.encode
    head = bare_value_head if isinstance(codec, SelfDelimitingCodec) else value_head
    around = len(head(0)) + TRAILER_SIZE
    most = limits.max_message_size - around
    kind: type = type(codec)
    as_it_is = bytes if kind is RawCodec else None

    def frame(value: Any, time: int) -> tuple[Outgoing]:
        of = b"" if topic is None else topic_frame(topic(value))
        payload = value if type(value) is as_it_is else encode(value)
        size = len(payload)
        if size > most:
            raise _too_large(size + around, limits)
        return ((of, head(size), payload, 1),)

    return frame


def whole_bursts(codec: Codec[T], topic: Topic[T] | None, limits: Limits) -> Framing:
    """Return the framing that sends each tick, a burst, as one frame.

    With topics, it sends a frame for each topic in the burst.
    """
    encode = burst_encoder(codec)
    envelope = bare_burst_envelope if isinstance(codec, SelfDelimitingCodec) else burst_envelope
    most, most_values = limits

    def message(of: bytes, values: Sequence[T], time: int) -> Outgoing:
        count = len(values)
        if count > most_values:
            raise CodecError(
                f"a burst of {count} values is more than max_burst ({most_values}) allows"
            )
        head, body = envelope(encode(values), time)
        size = len(head) + len(body) + TRAILER_SIZE
        if size > most:
            raise _too_large(size, limits)
        return of, head, body, count

    def frame(burst: Sequence[T], time: int) -> list[Outgoing]:
        if not isinstance(burst, _BURSTS):
            raise InvalidTypeError(f"zmq_pub_burst publishes lists of values, not {burst!r}")
        if topic is None:
            return [message(b"", burst, time)] if burst else []
        parts: dict[bytes, list[T]] = {}
        for value in burst:
            parts.setdefault(topic_frame(topic(value)), []).append(value)
        return [message(of, part, time) for of, part in parts.items()]

    return frame


def _too_large(size: int, limits: Limits) -> CodecError:
    return CodecError(
        f"a frame of {size} bytes is more than max_message_size ({limits.max_message_size}) allows"
    )
