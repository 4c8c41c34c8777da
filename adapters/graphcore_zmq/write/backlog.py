"""The values that wait for a publisher's first subscriber."""

from collections import deque
from collections.abc import Iterator

from graphcore_zmq.wire.framing import Outgoing

Item = tuple[int, Outgoing]


class Backlog:
    """Messages in the order in which they were published.

    Args:
        keep_for: how long a message is kept, ns.
        keep_count: how many messages are kept.
        lasting: whether the newest message of each topic never expires.

    Attributes:
        count: values in the backlog.
    """

    def __init__(self, keep_for: int, keep_count: int, lasting: bool) -> None:
        self._keep_for = keep_for
        self._keep_count = keep_count
        self._lasting = lasting
        self._waiting: deque[Item] = deque()
        self._newest: dict[bytes, Item] = {}
        self._outlasting: dict[bytes, Item] = {}
        self.count = 0

    @property
    def until(self) -> int:
        """Engine time at which the newest message expires; 0 if only lasting ones are kept."""
        return self._waiting[-1][0] + self._keep_for if self._waiting else 0

    def add(self, at: int, message: Outgoing) -> int:
        """Add a message of an engine time; return how many values expire because of it."""
        topic, _, _, values = message
        item = at, message
        self._waiting.append(item)
        self.count += values
        expired = 0
        if self._lasting:
            self._newest[topic] = item
            before = self._outlasting.pop(topic, None)
            if before is not None:
                _, (_, _, _, expired) = before
                self.count -= expired
        return expired + self.expire(at)

    def expire(self, now: int) -> int:
        """Drop messages that are too old, or too many; return how many values they held."""
        count = 0
        while self._waiting and (
            len(self._waiting) > self._keep_count or now - self._waiting[0][0] > self._keep_for
        ):
            item = self._waiting.popleft()
            _, (topic, _, _, values) = item
            if self._lasting and self._newest[topic] is item:
                self._outlasting[topic] = item
            else:
                count += values
        self.count -= count
        return count

    def take(self) -> Iterator[Item]:
        """Remove all messages and yield them, the oldest first."""
        items = [*self._outlasting.values(), *self._waiting]
        self.clear()
        yield from items

    def clear(self) -> int:
        """Remove all messages; return how many values they held."""
        count, self.count = self.count, 0
        self._waiting.clear()
        self._newest.clear()
        self._outlasting.clear()
        return count
