"""What a publisher keeps for its first subscriber."""

from collections import deque
from collections.abc import Iterator

from graphcore_zmq.wire.framing import Outgoing

Item = tuple[int, Outgoing]


class Kept:
    """Messages that nobody has subscribed to yet, in their order.

    Args:
        keep_for: how old one may get, ns.
        keep_count: how many there may be.
        lasting: whether the newest of each topic is kept whatever its age.
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
        """When the youngest is too old, ns; nothing of that age is as old as can be."""
        return self._waiting[-1][0] + self._keep_for if self._waiting else 0

    def add(self, at: int, message: Outgoing) -> int:
        """Keep a message of an engine time; return how many values have expired by it."""
        item = at, message
        self._waiting.append(item)
        self.count += message.values
        expired = 0
        if self._lasting:
            self._newest[message.topic] = item
            before = self._outlasting.pop(message.topic, None)
            if before is not None:
                expired = before[1].values
                self.count -= expired
        return expired + self.expire(at)

    def expire(self, now: int) -> int:
        """Drop what is too old, or too many; return how many values that were."""
        count = 0
        while self._waiting and (
            len(self._waiting) > self._keep_count or now - self._waiting[0][0] > self._keep_for
        ):
            item = self._waiting.popleft()
            message = item[1]
            if self._lasting and self._newest[message.topic] is item:
                self._outlasting[message.topic] = item
            else:
                count += message.values
        self.count -= count
        return count

    def take(self) -> Iterator[Item]:
        """Give all that is kept, the oldest first, and keep it no longer."""
        items = [*self._outlasting.values(), *self._waiting]
        self.clear()
        yield from items

    def clear(self) -> int:
        """Keep nothing; return how many values were kept."""
        count, self.count = self.count, 0
        self._waiting.clear()
        self._newest.clear()
        self._outlasting.clear()
        return count
