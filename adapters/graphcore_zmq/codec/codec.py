"""Payload codecs: they turn a value into bytes and back.

`msgpack` and `json` take any value that msgspec knows, and those that `plain` turns into one.
Called with a type (`msgpack(Quote)`) they decode to it and refuse other values. JSON has no NaN and
no infinities: `json` refuses them unless it is told what to send in their place. `raw` takes and
returns bytes. No payload can make a codec run code.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from operator import countOf
from typing import Any, Generic, Literal, Protocol, TypeVar, cast, overload, runtime_checkable

import msgspec

from graphcore import GraphcoreError, InvalidTypeError, InvalidValueError
from graphcore_zmq.codec.plain import as_declared, plain

T = TypeVar("T")
U = TypeVar("U")

# What msgspec raises for a value that it cannot encode.
_REFUSALS = (TypeError, ValueError, OverflowError, RecursionError)


class CodecError(GraphcoreError, ValueError):
    """A value that a codec cannot encode, or bytes that it cannot decode."""


class Codec(Protocol[T]):
    """Turns values into bytes and back.

    Attributes:
        name: shown in errors.
    """

    @property
    def name(self) -> str:
        """The codec's name."""

    def encode(self, value: T) -> bytes:
        """Return the bytes of a value; raise `CodecError` if it cannot be encoded."""

    def decode(self, payload: bytes) -> T:
        """Return the value of these bytes; raise `CodecError` if they cannot be decoded."""


@runtime_checkable
class SelfDelimitingCodec(Codec[T], Protocol[T]):
    """A codec whose bytes say where they end, so no length precedes them in the envelope.

    Typed Rust peers write their values this way; `bincode` makes such codecs.

    Attributes:
        least: the size of the smallest value, in bytes; at least 1.
    """

    @property
    def least(self) -> int:
        """The size of the smallest value, in bytes."""

    def read(self, buffer: bytes, at: int) -> tuple[T, int]:
        """Return the value that begins at `at`, and the position after it; raise `CodecError`."""


def check_codec(codec: Codec[T]) -> Codec[T]:
    """Return a codec, ready for use.

    Raises:
        InvalidTypeError: for an object that is not a codec.
        RunError: if the codec needs a library that is not installed.
    """
    if not (callable(getattr(codec, "encode", None)) and callable(getattr(codec, "decode", None))):
        raise InvalidTypeError(
            f"a codec has encode and decode, as msgpack, json and raw do; {codec!r} has not"
        )
    # Imports the libraries of the codec now rather than at the first value.
    load = getattr(codec, "load", None)
    if load is not None:
        load()
    return codec


class _Encoder(Protocol):
    def encode(self, value: Any, /) -> bytes: ...


class _Decoder(Protocol):
    def decode(self, payload: bytes, /) -> Any: ...


class MsgspecCodec(Generic[T]):
    """A codec of msgspec; called with a type, it returns a codec that decodes to the type."""

    def __init__(self, name: str, kind: Any, form: Any) -> None:
        self.name = name
        self._form = form
        self._encoder: _Encoder = form.Encoder(enc_hook=plain)
        self._decoder: _Decoder = form.Decoder(kind, dec_hook=as_declared)

    def __call__(self, kind: type[U]) -> "MsgspecCodec[U]":
        """Return this codec for one type."""
        return MsgspecCodec(f"{self.name}({getattr(kind, '__name__', kind)})", kind, self._form)

    def encode(self, value: T) -> bytes:
        """Return the value's bytes."""
        try:
            return self._encoder.encode(value)
        except _REFUSALS as error:
            raise CodecError(
                f"{self.name} cannot encode a value of type {type(value).__qualname__}: {error}"
            ) from error

    def decode(self, payload: bytes) -> T:
        """Return the value of these bytes."""
        try:
            value: T = self._decoder.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise CodecError(f"{self.name} cannot decode {payload[:32]!r}: {error}") from error
        return value


class JsonCodec(MsgspecCodec[T]):
    """The codec `json`, which says what becomes of NaN and the infinities.

    Called with a type it returns a codec that decodes to the type; called with `nan`, one that
    sends these numbers as ``null`` or as the texts ``"NaN"``, ``"Infinity"`` and ``"-Infinity"``.

    Raises:
        InvalidValueError: if it is called with another `nan`.
    """

    def __init__(self, name: str, kind: Any, nan: Literal["null", "text"] | None = None) -> None:
        super().__init__(name, kind, msgspec.json)
        self._kind = kind
        self._nan = nan
        # Accepts the texts as floats.
        self._lax = msgspec.json.Decoder(kind, dec_hook=as_declared, strict=False)

    @overload
    def __call__(
        self, kind: type[U], *, nan: Literal["null", "text"] | None = None
    ) -> "JsonCodec[U]": ...
    @overload
    def __call__(self, *, nan: Literal["null", "text"]) -> "JsonCodec[T]": ...
    def __call__(self, kind: Any = None, *, nan: Any = None) -> "JsonCodec[Any]":
        """Return this codec for one type, or with another rule for NaN, or both."""
        if nan not in (None, "null", "text"):
            raise InvalidValueError(f'nan must be "null" or "text", not {nan!r}')
        kind = self._kind if kind is None else kind
        nan = nan or self._nan
        shown = [] if kind is Any else [getattr(kind, "__name__", str(kind))]
        shown += [f"nan={nan!r}"] if nan else []
        return JsonCodec(f"json({', '.join(shown)})", kind, nan)

    def encode(self, value: T) -> bytes:
        """Return the value's bytes."""
        payload = super().encode(value)
        if self._nan == "null" or b"null" not in payload:  # as msgspec writes such a number
            return payload
        plain_value = msgspec.to_builtins(value, str_keys=True, enc_hook=plain)
        found: list[float] = []
        as_text = _as_text(plain_value, found)
        if not found:
            return payload
        if self._nan == "text":
            return self._encoder.encode(as_text)
        raise CodecError(
            f"{self.name} cannot encode {found[0]}, a number that JSON does not have: "
            'json(nan="null") sends null, json(nan="text") sends a text'
        )

    def decode(self, payload: bytes) -> T:
        """Return the value of these bytes."""
        try:
            return super().decode(payload)
        except CodecError:
            if self._nan != "text":
                raise
            try:
                value: T = self._lax.decode(payload)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                pass
            else:
                return value
            raise


def _as_text(value: Any, found: list[float]) -> Any:
    """Return a plain value with NaN and infinities as texts; add each of them to `found`."""
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        found.append(value)
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: _as_text(each, found) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_as_text(each, found) for each in value]
    return value


class RawCodec:
    """Passes bytes through."""

    name = "raw"

    def encode(self, value: bytes) -> bytes:
        """Return the value, which must be bytes."""
        if isinstance(value, bytes):
            return value
        if isinstance(value, bytearray | memoryview):
            return bytes(value)
        raise CodecError(f"raw takes bytes, not a value of type {type(value).__qualname__}")

    def decode(self, payload: bytes) -> bytes:
        """Return the bytes."""
        return payload


def burst_encoder(codec: Codec[T]) -> Callable[[Sequence[T]], Sequence[bytes]]:
    """Return a function that encodes each value of a burst; it raises as `codec.encode` does."""
    encode = codec.encode
    kind: type = type(codec)
    if kind is RawCodec:

        def passed(values: Sequence[Any]) -> Sequence[bytes]:
            if countOf(map(type, values), bytes) == len(values):
                return values
            return list(map(encode, values))

        return passed
    if kind is MsgspecCodec:
        at_once = cast(MsgspecCodec[T], codec)._encoder.encode

        def encoded(values: Sequence[T]) -> Sequence[bytes]:
            with suppress(*_REFUSALS):  # below, `encode` names the error
                return list(map(at_once, values))
            return list(map(encode, values))

        return encoded
    if kind is JsonCodec:
        at_once = cast(JsonCodec[T], codec)._encoder.encode

        def encoded_json(values: Sequence[T]) -> Sequence[bytes]:
            with suppress(*_REFUSALS):
                payloads = list(map(at_once, values))
                if not any(b"null" in payload for payload in payloads):
                    return payloads
            return list(map(encode, values))

        return encoded_json
    return lambda values: list(map(encode, values))


def plain_decoder(codec: Any) -> Callable[[bytes], Any]:
    """Return a function that decodes what `codec.decode` does, perhaps in less time.

    If it raises an error, call `codec.decode`, which names the error.
    """
    # A class derived from MsgspecCodec may decode in another way.
    decoder = codec._decoder if type(codec) in (MsgspecCodec, JsonCodec) else codec
    decode: Callable[[bytes], Any] = decoder.decode
    return decode


msgpack: MsgspecCodec[Any] = MsgspecCodec("msgpack", Any, msgspec.msgpack)
json: JsonCodec[Any] = JsonCodec("json", Any)
raw = RawCodec()
