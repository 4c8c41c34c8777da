"""A subscriber of topics: each has a sequence of its own, and each value its topic beside it."""

from collections.abc import Sequence
from typing import Any

import zmq

from graphcore import InvalidTypeError, InvalidValueError, Stopped
from graphcore.sources.receiver import Sender
from graphcore_zmq.read.bursts import burst_limit
from graphcore_zmq.read.reader import SHOWN, Ended, Subscriber
from graphcore_zmq.socket.sockets import Socket
from graphcore_zmq.wire.frames import Tag, Trailer, WireError
from graphcore_zmq.wire.framing import topic_frame
from graphcore_zmq.wire.signs import TOPICS


def check_topics(topics: Sequence[str] | None) -> list[str] | None:
    """Return the topics that are subscribed to.

    Raises:
        InvalidTypeError, InvalidValueError: for what is no list of topics.
    """
    if topics is None:
        return None
    if isinstance(topics, str) or not isinstance(topics, Sequence):
        raise InvalidTypeError(f"topics is a list of texts, not {topics!r}")
    if not topics:
        raise InvalidValueError(
            "topics is a list of at least one topic, or None for a publisher "
            "without them, not an empty one"
        )
    for each in topics:
        topic_frame(each)
    return list(dict.fromkeys(topics))


def newest_of_each(sender: Sender[Any], burst: list[tuple[str, Any]]) -> int:
    """Hand over the newest of each topic, beside those of others that wait to be taken."""
    count = len(burst)
    newest = list(dict(burst).items())

    def merge(waiting: Any, newer: Any) -> Any:
        nonlocal count, newest
        count += len(waiting)
        newest = list(dict(waiting + newer).items())
        return newest

    sender.replace(newest, merge)
    return count - len(newest)


class TopicalSubscriber(Subscriber[tuple[str, Any]]):
    """What the receiver's thread of a subscriber of topics runs.

    Args:
        topics: what is subscribed to.
        arguments: those of `Subscriber`.
    """

    # Only publishers of graphcore have topics, and one has no frames for a topic that is quiet.
    _signs_unasked = True
    _newest = staticmethod(newest_of_each)

    def __init__(self, topics: Sequence[str], *arguments: Any) -> None:
        self._names = {topic_frame(each): each for each in topics}
        self.wanted = (*self._names, TOPICS)
        super().__init__(*arguments)

    def reset(self) -> None:
        """Forget the last run."""
        super().reset()
        self._places: dict[bytes, int] = {}
        self._ended: set[bytes] = set()
        self._taken = 0

    def _drain(self, socket: Socket, most: int) -> bool:
        receive, decode, flags = socket.recv_multipart, self.codec.decode, zmq.NOBLOCK
        out, places = self._out, self._places
        size, unpack, value_head = self._shape
        limit = min(most, burst_limit(size))
        message: list[bytes] = []
        emptied = False
        try:
            while len(out.burst) < limit:
                message = receive(flags)
                topic, frame = self._parts(message)
                if len(frame) != size:
                    size, unpack, value_head = self._shape = self._shape_of(frame)
                    limit = min(most, burst_limit(size))
                head, payload, origin, sequence, sent = unpack(frame)
                if sequence == places.get(topic) and head == value_head and origin == self._origin:
                    places[topic] = sequence + 1
                    out.burst.append((self._names[topic], decode(payload)))
                    out.bytes += size
                    out.sent_at.append(sent)
                else:
                    self._take_message(topic, frame)
                # Not before: a publisher's first frame is not one of those before it.
                self._taken += 1
        except zmq.Again:
            emptied = True
        except (zmq.ZMQError, Stopped, Ended):
            raise
        except Exception as error:  # the frame's, or whatever a codec raises
            shown = [part[:SHOWN] for part in message]
            error.add_note(f"from {self.address}; the frames begin {shown!r}")
            out.flush()
            raise
        out.flush()
        return emptied

    def _parts(self, message: list[bytes]) -> tuple[bytes, bytes]:
        if len(message) != 2 or message[0] not in self._names:
            raise WireError(f"{len(message)} frames are no message of a topic that was asked for")
        return message[0], message[1]

    def _take_message(self, topic: bytes, frame: bytes) -> None:
        if not self._connected:
            self._break()
        tag, payloads, trailer = self._take_apart(frame)
        if trailer is not None and not self._continues_in(topic, tag, trailer):
            return
        if payloads and trailer is not None:
            self._out.sent_at.append(trailer.time)
        name, value_of = self._names[topic], self._value_of
        self._out.take(payloads, len(frame), lambda payload: (name, value_of(payload)))
        if tag is Tag.END_OF_STREAM:
            self._ended.add(topic)
            if len(self._ended) == len(self._names):
                self._ended.clear()
                self._take_end(trailer is not None)

    def _continues_in(self, topic: bytes, tag: Tag, trailer: Trailer) -> bool:
        """Follow the sequence of a topic; what was sent before its first frame here is no gap."""
        if trailer.instance != self._instance:
            self._places.clear()
            self._ended.clear()
        elif topic not in self._places:
            # Nothing is missing before it.
            self._expected = trailer.sequence + (tag is Tag.CHECK_POINT)
        else:
            self._expected = self._places[topic]
        new = self._is_new(tag, trailer)
        self._places[topic] = self._expected
        return new

    def _progress(self) -> int:
        return self._taken

    def _tell_event(self) -> None:
        if self._ended and not self._events[0]:
            # The rest of a goodbye that found no room will not come.
            self._events.popleft()
            self._ended.clear()
            self._take_end(False)
        else:
            super()._tell_event()
