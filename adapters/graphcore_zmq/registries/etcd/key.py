"""Follows one key of etcd: reads it, watches it from there, and reads it again from time to time.

A watch ends with its connection, and when etcd compacts the revision at which the watch stands. The
key is then read anew and watched from the revision of that answer. The key is also read from time
to time while the watch is running, so that changes are missed for seconds only, if the watch has
gone silent.
"""

import threading
from collections.abc import Callable
from time import monotonic
from typing import Any, NamedTuple

from graphcore_zmq.registries.etcd.connection import EtcdClient


class Found(NamedTuple):
    """The content of a key.

    Attributes:
        value: the bytes.
        lease: the number of the lease that keeps the key; 0 for none.
    """

    value: bytes
    lease: int

    @property
    def text(self) -> str:
        """The value as text."""
        return text_of(self.value)


def text_of(value: bytes) -> str:
    """Return a value as text; bytes that are not UTF-8 appear as escapes.

    Such a value is not an address, and the subscriber that tries to connect to it reports that.
    """
    return value.decode(errors="backslashreplace")


class FollowedKey:
    """A key whose value is known as long as etcd answers.

    One thread calls `read`, `forget` and `close`; any thread may read the attributes.

    Args:
        key: the key.
        every: seconds after which it is read again.
        changed: called in a thread of the client when the key has changed or its watch has ended.

    Attributes:
        found: the last known content of the key; `None` for nothing.
    """

    def __init__(self, key: str, every: float, changed: Callable[[], None]) -> None:
        self.found: Found | None = None
        self._key = key
        self._every = every
        self._changed = changed
        self._revision = 0
        self._lock = threading.Lock()
        self._watch: _Watch | None = None
        self._read_at = 0.0

    @property
    def due(self) -> float:
        """When the key is to be read again, by the monotonic clock (s)."""
        return 0.0 if self._watch is None else self._read_at + self._every

    def forget(self) -> None:
        """Make the next read due now."""
        self._read_at = -self._every

    def read(self, client: EtcdClient) -> None:
        """Read the key, and watch it if no watch is running."""
        watch = self._watch
        response = client.get_response(self._key)
        found = None
        for each in response.kvs:
            found = Found(each.value, each.lease)
        # Without a watch this answer is the newest, even if its revision is lower: a server that
        # was restored from a backup counts from the revision of the backup.
        self.note(found, response.header.revision, unless_newer=watch is not None)
        if watch is None:
            watch = _Watch(client.watcher, self)
            self._watch = watch
            try:
                watch.begin(self._key, response.header.revision + 1)
            except BaseException:
                self._watch = None
                raise
        self._read_at = monotonic()

    def note(self, found: Found | None, revision: int, unless_newer: bool) -> None:
        """Store the content of the key at a revision."""
        with self._lock:
            if not unless_newer or revision > self._revision:
                self.found, self._revision = found, revision

    def close(self) -> None:
        """Stop following the key."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()

    def receive(self, watch: "_Watch", response: Any) -> None:
        """Take what a watch reports; called in a thread of the client."""
        # The end of a watch is reported as an error, or as None.
        events = getattr(response, "events", None)
        if events is None:
            if self._watch is watch:
                self._watch = None
        else:
            for event in events:
                found = None if event.version == 0 else Found(event.value, event.lease)
                self.note(found, event.mod_revision, unless_newer=True)
        self._changed()


class _Watch:
    """One watch; it belongs to the connection that was open when it began."""

    def __init__(self, watcher: Any, owner: FollowedKey) -> None:
        # Only this watcher knows the watch's number; the client may have another watcher later.
        self._watcher = watcher
        self._owner = owner
        self._number: int | None = None

    def begin(self, key: str, revision: int) -> None:
        # The watcher's queue holds ten requests. Its thread puts one more when the connection ends,
        # and would wait for ever after ten that nobody takes any more.
        requests = getattr(self._watcher, "_request_queue", None)
        if requests is not None:
            requests.maxsize = 0
        self._number = self._watcher.add_callback(key, self._receive, start_revision=revision)

    def cancel(self) -> None:
        self._watcher.cancel(self._number)

    def _receive(self, response: Any) -> None:
        self._owner.receive(self, response)
