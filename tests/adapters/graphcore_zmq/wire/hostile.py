"""Malformed frames: valid frames of every kind that are cut, stretched, or changed."""

import struct
from dataclasses import dataclass
from random import Random

import msgspec

from graphcore_zmq import arrow, bincode, f32, json, msgpack, raw, u8, u16


@dataclass
class Row:
    id: int
    price: float | None
    venue: str


class Tick(msgspec.Struct):
    id: u16
    price: f32
    names: list[str]
    levels: list[tuple[float, u8]]
    note: bytes | None
    firm: bool


ROW = Row(1, 1.5, "xetra")
TICK = Tick(7, 1.5, ["a", "bc"], [(1.0, 2), (3.0, 4)], b"note", True)

# Each codec with a value of its own.
CODECS = [
    (raw, b"bytes"),
    (msgpack, {"a": [1, None, "x"], "b": {"c": 1.5}}),
    (msgpack(Row), ROW),
    (json, {"a": [1, None, "x"], "b": {"c": 1.5}}),
    (json(Row), ROW),
    (bincode(Tick), TICK),
    (bincode(list[Tick]), [TICK, TICK]),
    (bincode(float), 1.5),
    (bincode(str | None), "text"),
    (arrow, [{"a": 1, "s": "x"}, {"a": 2, "s": None}]),
    (arrow(Row), [ROW, Row(2, None, "")]),
]

TRAILER = struct.pack("<4sQQq", b"gc1\0", 7, 0, 1_000)
LIES = [0, 1, 7, 8, 2**16, 2**31 - 1, 2**32, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1]


def sound_frames(payload: bytes, bare: bool = False) -> list[bytes]:
    """Return a frame of each kind around a value, `bare` if no length precedes the value."""
    value = payload if bare else struct.pack("<Q", len(payload)) + payload
    envelopes = [
        struct.pack("<I", 3) + value,
        struct.pack("<IqQ", 2, 5, 3) + 3 * value,
        struct.pack("<Iq", 0, 5),
        struct.pack("<I", 1),
        struct.pack("<IQ", 4, 4) + b"boom",
    ]
    return [envelope + behind for envelope in envelopes for behind in (b"", TRAILER, b"EXTRA")]


def malformed(sound: list[bytes], random: Random) -> bytes:
    """Return one of these frames after random changes, or random bytes."""
    if not random.randrange(20):
        return random.randbytes(random.randrange(100))
    content = bytearray(random.choice(sound))
    for _ in range(random.randint(1, 4)):
        place = random.randint(0, len(content))
        match random.randrange(5):
            case 0:
                content[place : place + random.randrange(9)] = random.randbytes(random.randrange(9))
            case 1:
                del content[place : place + random.randint(1, 16)]
            case 2:
                content[place : place + 8] = struct.pack("<Q", random.choice(LIES))
            case 3:
                content[place:place] = content[: random.randrange(64)]
            case 4:
                content[place : place + 1] = bytes([random.randrange(256)])
    return bytes(content)
