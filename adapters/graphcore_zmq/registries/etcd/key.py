"""What is under one key, as etcd tells it: read once, followed from there, and read again at times.

A watch ends with its connection, and when the revision at which it stood is compacted; then the key
is read anew and followed from the revision of that. It is read from time to time all the same, so
that a watch that has gone silent costs seconds, not the rest of the run.
"""

import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

from graphcore_zmq.registries.etcd.connection import EtcdClient


class FollowedKey:
    """A key whose value is known as long as etcd answers.

    `read` and `close` belong to one thread; the values may be read from any.

    Args:
        key: the key.
        every: seconds after which it is read again.
        changed: called, in a thread of the client's, when the key changed or its watch ended.

    Attributes:
        value: what was under the key when it was last known; `None` for nothing.
        lease: the lease under which it is kept; 0 for none.
    """

    def __init__(self, key: str, every: float, changed: Callable[[], None]) -> None:
        self.value: bytes | None = None
        self.lease = 0
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
        """Have the key read, whatever is known of it."""
        self._read_at = -self._every

    def read(self, client: EtcdClient) -> None:
        """Read the key and follow it."""
        watch = self._watch
        response = client.get_response(self._key)
        value, lease = None, 0
        for found in response.kvs:
            value, lease = found.value, found.lease
        # Without a watch nothing is newer than this, not even a higher revision: a server that
        # was put back to an older state counts from there.
        self.take(value, lease, response.header.revision, unless_newer=watch is not None)
        if watch is None:
            watch = _Watch(client.watcher, self)
            self._watch = watch
            try:
                watch.begin(self._key, response.header.revision + 1)
            except BaseException:
                self._watch = None
                raise
        self._read_at = monotonic()

    def take(self, value: bytes | None, lease: int, revision: int, unless_newer: bool) -> None:
        """Note what is under the key at a revision."""
        with self._lock:
            if not unless_newer or revision > self._revision:
                self.value, self.lease, self._revision = value, lease, revision

    def close(self) -> None:
        """Follow no more."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()

    def receive(self, watch: "_Watch", response: Any) -> None:
        """Take what a watch was told; called in a thread of the client's."""
        # What ends a watch is told as an error, or as nothing at all.
        events = getattr(response, "events", None)
        if events is None:
            if self._watch is watch:
                self._watch = None
        else:
            for event in events:
                value = None if event.version == 0 else event.value
                self.take(value, event.lease, event.mod_revision, unless_newer=True)
        self._changed()


class _Watch:
    """One watch; it belongs to the connection that was open when it began."""

    def __init__(self, watcher: Any, owner: FollowedKey) -> None:
        # Its number is known to this watcher alone: the client may have another one later.
        self._watcher = watcher
        self._owner = owner
        self._number: int | None = None

    def begin(self, key: str, revision: int) -> None:
        # The watcher's queue of requests has room for ten. Its thread puts one more when the
        # connection ends, and would wait for ever behind ten that nobody takes any more.
        requests = getattr(self._watcher, "_request_queue", None)
        if requests is not None:
            requests.maxsize = 0
        self._number = self._watcher.add_callback(key, self._receive, start_revision=revision)

    def cancel(self) -> None:
        self._watcher.cancel(self._number)

    def _receive(self, response: Any) -> None:
        self._owner.receive(self, response)
