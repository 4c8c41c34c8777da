"""A subscriber without sockets and without a graph, to which a test shows frames and events."""

from collections import deque
from typing import Any

import zmq
from hypothesis import strategies as st

from graphcore import GraphcoreError
from graphcore_zmq import (
    SelfDelimitingCodec,
    SocketOptions,
    ZmqSubConfig,
    bincode,
    json,
    msgpack,
    raw,
)
from graphcore_zmq.read.bursts import BURST, Handover
from graphcore_zmq.read.connector import Connector, Target
from graphcore_zmq.read.intake import Intake
from graphcore_zmq.read.locate import Missing
from graphcore_zmq.read.topics import Topics
from graphcore_zmq.stats.status import OnEnd
from graphcore_zmq.wire.frames import (
    Trailer,
    bare_burst_envelope,
    bare_value_head,
    burst_envelope,
    check_point_frame,
    end_of_stream_frame,
    sealed,
    value_head,
)

MAX_BURST = 700
TOPICS = ("a", "b")


def value(payload: bytes) -> bytes:
    return value_head(len(payload)) + payload


def burst(*payloads: bytes) -> bytes:
    return b"".join(burst_envelope(payloads, 5))


def numbered(number: int, envelope: bytes, publisher: int = 1) -> bytes:
    return sealed((envelope, b""), Trailer(publisher, number, 1_000))


class LongWay(Intake):
    """Takes each frame by itself, the long way."""

    def _take_run(self, topic: str | None, frames: list[bytes]) -> None:
        for frame in frames:
            self._reading = frame
            self._take(topic, self._sequence_of(topic), frame)


class Link:
    """A link whose connection does what a test says."""

    address = "tcp://127.0.0.1:1"
    refused = False

    def __init__(self) -> None:
        self.monitored: list[bool] = []
        self.signs: list[bytes] = []

    def has_more(self) -> bool:
        return True

    def events(self) -> list[bool]:
        seen, self.monitored = self.monitored, []
        return seen

    def sign(self, sign: bytes) -> None:
        self.signs.append(sign)


class Linked(Connector):
    """A connector of such a link."""

    def __init__(self, target: Target, out: Handover[Any], link: Any) -> None:
        super().__init__(target, out)
        self._link = link


class Subscriber:
    """The part of a subscriber between the data socket and the graph; plays both of them."""

    def __init__(self, intake: type[Intake], codec: Any, topics: Topics | None = None) -> None:
        options = SocketOptions(max_burst=MAX_BURST)
        config = ZmqSubConfig.of("tcp://127.0.0.1:1")
        target = Target(config, OnEnd.FOLLOW, Missing.WAIT, options, None, topics)
        self.told: list[Any] = []
        self.parts: deque[tuple[bytes, bool]] = deque()
        self.more = False
        self.out: Handover[Any] = Handover(None)
        self.link = Link()
        self.connector = Linked(target, self.out, self.link)
        self.out.begin(self, lambda: None)  # type: ignore[arg-type]  # a sender that keeps all
        self.intake = intake(self.connector, self.out, codec, topics, MAX_BURST)
        self.failure: Exception | None = None

    # The socket

    def recv(self, flags: int) -> bytes:
        if not self.parts:
            raise zmq.Again
        part, self.more = self.parts.popleft()
        return part

    def get(self, option: int) -> int:
        assert option == zmq.RCVMORE
        return self.more

    # The graph

    def wait_for_room(self, seconds: float) -> bool:
        return True

    def send(self, item: Any, size: int) -> None:
        assert not isinstance(item, list) or 0 < len(item) <= BURST
        self.told.extend(item if isinstance(item, list) else [item])

    # The subscriber's thread

    def receive(self, messages: list[list[bytes]], events: list[bool], late: bool) -> None:
        for message in messages:
            self.parts.extend((part, part is not message[-1]) for part in message)
        self.link.monitored += events
        try:
            if not late:
                self.connector.look(self.link, 0.0)  # type: ignore[arg-type]  # plays a link
            self.intake.drain(self, 1)  # type: ignore[arg-type]  # plays a socket
            while not self.intake.drain(self, BURST):  # type: ignore[arg-type]
                pass
            self.connector.report_events()
        except GraphcoreError as error:
            self.failure = error

    def state(self) -> dict[str, Any]:
        error = self.failure
        return {
            "told": self.told,
            "received": self.out.received,
            "bytes": self.out.bytes,
            "lost": self.intake.lost,
            "measured": self.out.latency().count,
            "connected": self.connector.connected,
            "origin": self.connector.origin,
            "signs": self.link.signs,
            "error": (type(error), str(error), getattr(error, "__notes__", [])),
        }


class Codecs:
    """A codec, with payloads that it takes and some that it does not."""

    def __init__(self, codec: Any, sound: list[Any]) -> None:
        self.codec = codec
        self.bare = isinstance(codec, SelfDelimitingCodec)
        self.payloads = [codec.encode(value) for value in sound]
        # Such bytes look like a trailer, or are the first bytes of one.
        trailer = numbered(1, b"")
        self.odd = [
            b"",
            b"\xc1",
            b"[]",
            b"\xc1\xff",
            trailer,
            b"x" + trailer,
            trailer[:4],
            trailer[:20],
        ]


CODECS = {
    "raw": Codecs(raw, [b"%08d" % 1, b"%012d" % 2, b"%016d" % 3, b""]),
    "msgpack": Codecs(msgpack, [1, 1_000, {"a": 1.5}, "text", None]),
    "json": Codecs(json(dict[str, int]), [{}, {"a": 1}, {"b": 12_345}]),
    "bincode": Codecs(bincode(int), [1, -7]),
    "bincode of texts": Codecs(bincode(str), ["", "ab", "cd"]),
}

# The kinds of frames, the common ones several times.
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "kind": st.sampled_from(
        ["value"] * 5 + ["burst"] * 3 + ["check point", "end", "error", "junk", "connection"]
    ),
    "publisher": st.sampled_from([1, 1, 1, 2]),
    "trailer": st.sampled_from(["none"] * 4 + ["whole"] * 6 + ["cut", "extra", "twice"]),
    "jump": st.sampled_from([0] * 12 + [-1, 1, 3]),
    "times": st.sampled_from([1, 1, 1, 2, 5, 600]),
    "payload": st.integers(0, 19),
    "count": st.sampled_from([0, 1, 2, 2, 3, 3, 100, MAX_BURST, MAX_BURST + 1]),
    "equal": st.booleans(),
    "topic": st.sampled_from(TOPICS),
    "cut": st.integers(1, 27),
    "more": st.lists(st.booleans(), min_size=1, max_size=3),
    "pause": st.sampled_from(["no", "no", "yes", "late"]),
}


@st.composite
def scripts(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Steps, most of which are like an earlier one except in one field or none."""
    known = draw(st.lists(st.fixed_dictionaries(FIELDS), min_size=1, max_size=2))
    steps = list(known)
    for _ in range(draw(st.integers(0, 10))):
        step = dict(draw(st.sampled_from(known)))
        field = draw(st.sampled_from([None, *FIELDS]))
        if field is not None:
            step[field] = draw(FIELDS[field])
        steps.append(step)
    return steps


class Script:
    """Makes messages and events of steps, in the parts that a subscriber finds at once."""

    def __init__(self, codecs: Codecs, topics: bool) -> None:
        self.codecs = codecs
        self.topics = topics
        # By topic: another publisher may go on with the same numbers.
        self.numbers: dict[str, int] = {}
        self.chunks: list[tuple[list[list[bytes]], list[bool], bool]] = [([], [True], False)]

    def play(self, steps: list[dict[str, Any]]) -> None:
        for step in steps:
            messages, events, _ = self.chunks[-1]
            if step["kind"] == "connection":
                events.extend(step["more"])
            else:
                for _ in range(step["times"] if step["kind"] in ("value", "burst") else 1):
                    frame = self.frame(step)
                    topic = step["topic"].encode() + b"\0"
                    messages.append([topic, frame] if self.topics else [frame])
            if step["pause"] != "no":
                # The monitor may tell of the connection after its frames are there.
                self.chunks.append(([], [], step["pause"] == "late"))

    def frame(self, step: dict[str, Any]) -> bytes:
        key = step["topic"] if self.topics else ""
        number = max(self.numbers.get(key, 0) + step["jump"], 0)
        publisher = step["publisher"]
        trailer = Trailer(publisher, number, 1_000)
        match step["kind"]:
            case "check point":
                return check_point_frame(trailer._replace(sequence=max(number - 1, 0)))
            case "end":
                return end_of_stream_frame(trailer)
            case "error":
                return bytes.fromhex("04000000 0400000000000000 626f6f6d")
            case "junk":
                return bytes([step["cut"]]) * step["count"]
        payloads = self.codecs.payloads + (self.codecs.odd if step["payload"] > 15 else [])
        payload = payloads[step["payload"] % len(payloads)]
        if step["kind"] == "value":
            envelope = bare_value_head(0) + payload if self.codecs.bare else value(payload)
        else:
            many = [payload] * step["count"]
            if not step["equal"]:
                many[::2] = [payloads[(step["payload"] + 2) % len(payloads)]] * len(many[::2])
            make = bare_burst_envelope if self.codecs.bare else burst_envelope
            envelope = b"".join(make(many, 5)) if many else b"\2" + bytes(19)
        match step["trailer"]:
            case "none":
                return envelope
            case "extra":
                return envelope + b"EXTRA"
            case "cut":
                return numbered(number, envelope, publisher)[: -step["cut"]]
            case "twice":
                envelope = numbered(number, envelope, publisher)
        self.numbers[key] = number + 1
        return numbered(number, envelope, publisher)


def shown(item: Any) -> str:
    """Return what an item holds; unlike the item, it is equal to itself where it holds a NaN."""
    return repr(item.to_pylist() if hasattr(item, "to_pylist") else item)


def taken(
    codecs: Codecs, chunks: list[tuple[list[list[bytes]], list[bool], bool]], topics: bool = False
) -> dict[str, Any]:
    """Return what both ways give; it must be the same."""
    states = []
    for intake in (Intake, LongWay):
        subscriber = Subscriber(intake, codecs.codec, Topics(TOPICS) if topics else None)
        for chunk in chunks:
            if subscriber.failure is None:
                subscriber.receive(*chunk)
        states.append(subscriber.state())
    fast, long = states
    assert list(map(shown, fast["told"])) == list(map(shown, long["told"]))
    assert {**fast, "told": None} == {**long, "told": None}
    return fast
