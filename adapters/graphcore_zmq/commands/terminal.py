"""The source and the sink of a graph in a terminal: lines of standard input, values as lines.

A value is printed as one line without characters that would control the terminal. The lines of a
burst are flushed together, so the reader of a pipe receives whole lines at once.
"""

import os
import select
import sys
import threading
from collections.abc import Callable
from io import TextIOWrapper
from typing import Any

import msgspec

import graphcore as gc
from graphcore_zmq.codec.codec import JsonCodec

_POLL = 100  # ms between two checks whether the run ends
_CHUNK = 1 << 16
_LONGEST = 1 << 26
_JSON: JsonCodec[Any] = JsonCodec("json", Any, "null")


class LineError(gc.GraphcoreError, ValueError):
    """A line of standard input that cannot be published."""


def lines_of(take: Callable[[bytes], Any]) -> gc.Stream[Any]:
    """Tick with each line of standard input; the source ends when the input ends.

    Args:
        take: returns the value of a line, or raises `ValueError` for an invalid line.
    """
    descriptor = sys.stdin.fileno() if sys.stdin is not None else -1
    if descriptor < 0:
        raise LineError("standard input is closed")

    def read(sender: gc.Sender[Any], stop: threading.Event) -> None:
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        rest, number = b"", 0
        while not stop.is_set():
            if not poller.poll(_POLL):
                continue
            chunk = os.read(descriptor, _CHUNK)
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > _LONGEST:
                raise LineError(f"line {number + len(lines) + 1} is longer than {_LONGEST} bytes")
            if not chunk and rest:  # the last line has no newline
                lines.append(rest)
            for line in lines:
                number += 1
                try:
                    value = take(line)
                except ValueError as error:
                    raise LineError(f"line {number} of standard input: {error}") from None
                sender.send(value)
            if not chunk:
                return

    return gc.receiver(read, delivery="each")


def text_of(line: bytes) -> str:
    """Return a line as text."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise LineError(f"{line[:32]!r} is not UTF-8; --codec raw publishes it unchanged") from None


def json_of(line: bytes) -> Any:
    """Return the value of a line of JSON."""
    return msgspec.json.decode(line)


def shown(value: Any) -> str:
    """Return a value as a line for people: text and bytes unchanged, others by `repr`."""
    if isinstance(value, bytes):
        value = value.decode(errors="backslashreplace")
    if not isinstance(value, str):
        return repr(value)
    return plain(value)


def plain(text: str) -> str:
    """Return text with all control characters but tabs escaped."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each == "\t" else repr(each)[1:-1] for each in text
    )


def shown_with_topic(pair: tuple[str, Any]) -> str:
    """Return a topic and a value as a line for people, separated by a tab."""
    topic, value = pair
    return f"{plain(topic)}\t{shown(value)}"


def encode_output(in_json: bool) -> None:
    """Set the encoding of standard output: UTF-8 for JSON.

    Other text keeps the encoding of the terminal, and characters that it lacks are escaped.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        encoding = "utf-8" if in_json else None
        sys.stdout.reconfigure(encoding=encoding, errors="backslashreplace")


def as_json(value: Any) -> str:
    """Return a value in JSON, bytes in base 64, NaN and the infinities as null.

    Raises:
        CodecError: for a value that JSON cannot express.
    """
    return _JSON.encode(value).decode()


@gc.node
class WriteLines(gc.MutableNode[None]):
    """Writes each value of each burst as a line; ends the run after `count` values.

    It also ends the run when the reader of standard output has closed the pipe, even if no value
    arrives.
    """

    source: gc.Active[list[Any]]
    shown: Callable[[Any], str]
    count: int | None
    written: int = gc.state(0)
    _watching: threading.Thread | None = gc.state(None)

    def start(self, state: gc.GraphState) -> None:
        """Begin to watch the reader of standard output."""
        self._watching = threading.Thread(
            target=_watch_reader, args=(state,), name="graphcore-reader", daemon=True
        )
        self._watching.start()

    def stop(self, state: gc.GraphState) -> None:
        """Stop watching."""
        if self._watching is not None:
            self._watching.join()

    def cycle(self, state: gc.GraphState) -> bool:
        """Write a burst."""
        burst = self.source.value
        if self.count is not None:
            burst = burst[: self.count - self.written]
        self.written += len(burst)
        sys.stdout.write("".join(f"{self.shown(value)}\n" for value in burst))
        sys.stdout.flush()
        if self.written == self.count:
            state.stop()
        return False


def _watch_reader(state: gc.GraphState) -> None:
    """Watch standard output during the run, and stop the run when its reader closes the pipe."""
    poller = select.poll()
    poller.register(sys.stdout, 0)  # `poll` always reports errors
    while not state.ended.is_set():
        if poller.poll(_POLL):
            state.call_soon(state.stop)
            return
