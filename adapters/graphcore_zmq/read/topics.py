"""The topics that a subscriber names: a message under one has the topic's frame before its own."""

from collections.abc import Sequence
from typing import Any, NoReturn

from graphcore import InvalidTypeError, InvalidValueError
from graphcore.sources.receiver import Sender
from graphcore_zmq.wire.frames import WireError
from graphcore_zmq.wire.framing import topic_frame
from graphcore_zmq.wire.signs import TOPICS


class Topics:
    """The topics that a subscriber names.

    Args:
        names: at least one topic.

    Attributes:
        subscriptions: what the socket subscribes to.

    Raises:
        InvalidTypeError, InvalidValueError: if `names` is not a list of topics.
    """

    def __init__(self, names: Sequence[str]) -> None:
        if isinstance(names, str) or not isinstance(names, Sequence):
            raise InvalidTypeError(f"topics is a list of texts, not {names!r}")
        if not names:
            raise InvalidValueError(
                "topics is a list of at least one topic, or None for a publisher without topics; "
                "it cannot be empty"
            )
        self._names = {topic_frame(each): each for each in names}
        self.subscriptions = (*self._names, TOPICS)

    def __len__(self) -> int:
        return len(self._names)

    def name(self, topic: bytes) -> str:
        """Return the name of a topic by the frame that a message under it begins with.

        Raises:
            WireError: if this is not a topic that was named.
        """
        name = self._names.get(topic)
        if name is None:
            self.refuse()
        return name

    def refuse(self) -> NoReturn:
        """Refuse a message.

        Raises:
            WireError: always.
        """
        raise WireError("expected a message of two frames, a topic that was named and its values")


def newest_of_each(sender: Sender[Any], burst: list[tuple[str, Any]]) -> int:
    """Hand over the newest value of each topic; return how many values it replaced.

    Values of other topics that still wait to be taken stay.
    """
    count = len(burst)
    newest = list(dict(burst).items())

    def merge(waiting: Any, newer: Any) -> Any:
        nonlocal count, newest
        count += len(waiting)
        newest = list(dict(waiting + newer).items())
        return newest

    sender.replace(newest, merge)
    return count - len(newest)
