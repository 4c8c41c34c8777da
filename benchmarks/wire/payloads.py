"""The values that are sent, with their codec and with what a bare loop does in its place."""

from collections.abc import Callable
from functools import cache
from itertools import cycle, islice
from typing import Any, NamedTuple

import msgspec

import graphcore_zmq as adapter

_DIFFERENT = 500  # values; they are repeated


class Quote(msgspec.Struct):
    """Three fields."""

    id: int
    price: float
    name: str


class Payload(NamedTuple):
    """A kind of payload.

    Attributes:
        values: different values of this kind.
        codec: graphcore's.
        encode: what a loop by hand encodes with; `None` if values are bytes already.
        decode: what a loop by hand decodes with; `None` if it wants the bytes.
    """

    values: list[Any]
    codec: Any
    encode: Callable[[Any], bytes] | None = None
    decode: Callable[[bytes], Any] | None = None

    def some(self, count: int) -> list[Any]:
        """Return this many values."""
        return list(islice(cycle(self.values), count))


@cache
def payload(name: str) -> Payload:
    """Return a kind of payload by its name in `KINDS`."""
    return KINDS[name]()


def _sized(size: int) -> Callable[[], Payload]:
    return lambda: Payload([b"%0*d" % (size, number) for number in range(_DIFFERENT)], adapter.raw)


def _changing() -> Payload:
    sizes = (8 + 37 * number % 151 for number in range(_DIFFERENT))
    return Payload([b"%0*d" % (size, number) for number, size in enumerate(sizes)], adapter.raw)


def _rows() -> list[dict[str, Any]]:
    # Numbers of one to five bytes in msgpack, so frames change in size.
    return [
        {"id": number * number * 7, "price": 100 + number % 7 / 4, "name": "ABC"[: number % 4]}
        for number in range(_DIFFERENT)
    ]


def _dicts() -> Payload:
    encode, decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder().decode
    return Payload(_rows(), adapter.msgpack, encode, decode)


def _structs() -> Payload:
    values = [Quote(**row) for row in _rows()]
    encode, decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(Quote).decode
    return Payload(values, adapter.msgpack(Quote), encode, decode)


def _json() -> Payload:
    encode, decode = msgspec.json.Encoder().encode, msgspec.json.Decoder().decode
    return Payload(_rows(), adapter.json, encode, decode)


def _arrow() -> Payload:
    import pyarrow as pa

    columns = [list(range(100)), [n / 4 for n in range(100)], ["AB"] * 100, [True, False] * 50]
    batch = pa.record_batch(columns, names=["id", "price", "name", "buys"])

    def decode(data: bytes) -> Any:
        with pa.ipc.open_stream(data) as reader:
            return reader.read_next_batch()

    return Payload([batch], adapter.arrow, adapter.arrow.encode, decode)


KINDS: dict[str, Callable[[], Payload]] = {
    "16 B": _sized(16),
    "1 kB": _sized(1_000),
    "64 kB": _sized(64_000),
    "changing size": _changing,
    "msgpack dict": _dicts,
    "msgpack Struct": _structs,
    "JSON": _json,
    "Arrow, 100 rows": _arrow,
}
