"""A reader in the graph's thread hands its end and its errors to the node, once."""

from typing import Any

import pytest

from graphcore import Stopped
from graphcore_zmq.read.connector import Ended
from graphcore_zmq.read.inline import InlineReader
from graphcore_zmq.wire.frames import WireError


class Played:
    """A reader that raises at its second `serve`, and the sender that it has."""

    def __init__(self, error: Exception) -> None:
        self.descriptors, self.due = (1, 2), 5.0
        self.connector = self
        self.done: list[Any] = []
        self._error = error

    def open(self, sender: Any, room: int) -> None:
        assert (sender, room) == (self, 10)

    def serve(self, ready: int | None, idle: float) -> None:
        self.done.append(ready)
        if len(self.done) == 2:
            raise self._error

    def drop(self) -> None:
        self.done.append("drop")

    def close(self) -> None:
        self.done.append("close")

    def error(self, error: Exception) -> None:
        self.done.append(error)


@pytest.mark.parametrize("error", [Ended(), Stopped(), WireError("torn")])
def test_after_the_end_nothing_is_read_though_a_descriptor_is_ready(error: Exception) -> None:
    played: Any = Played(error)
    inline = InlineReader(played, played, 10)
    inline.serve(1, 0.0)
    assert (inline.descriptors, inline.due) == ((1, 2), 5.0)
    inline.serve(1, 0.0)
    inline.serve(2, 0.0)
    told = error if isinstance(error, WireError) else "close"
    assert played.done == [1, 1, "drop", told]
    assert (inline.descriptors, inline.due) == ((), float("inf"))
