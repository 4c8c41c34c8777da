"""A name kept in etcd: claimed when it is free, kept alive, claimed again when its lease is lost.

The key is written together with a lease of its own, so the lease tells whose the key is; a claim
whose answer was lost is recognised by it.
"""

import logging
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any, TypeVar

from graphcore_zmq.registries.claims import waiting
from graphcore_zmq.registries.etcd.connection import (
    EtcdClient,
    EtcdConnection,
    RefusedError,
    UnreachableError,
)
from graphcore_zmq.registries.etcd.key import FollowedKey
from graphcore_zmq.registries.etcd.worker import EtcdWorker
from graphcore_zmq.registry import Conflict, NameTakenError, RegistryError

T = TypeVar("T")

_logger = logging.getLogger(__name__)

_AFTER_TTL = 2.0  # s that etcd may take to end a lease
_AFTER_REFUSAL = 1.0  # s


class KeptName:
    """A name that is claimed and kept: a task of the registry's thread, and its owner's handle.

    Args:
        worker: the thread.
        connection: its connection.
        name: what is registered.
        key: the key for that.
        address: where the publisher is found.
        public_key: what is kept beside the address: a key of etcd and its value, if anything.
        ttl: of the lease, in seconds.
        conflict: what to do if another holds the name.
    """

    def __init__(
        self,
        worker: EtcdWorker,
        connection: EtcdConnection,
        name: str,
        key: str,
        address: str,
        public_key: tuple[str, str] | None,
        ttl: int,
        conflict: Conflict,
    ) -> None:
        self.due = 0.0
        self.ending = False
        self._worker = worker
        self._connection = connection
        self._name = name
        self._key = key
        self._address = address
        self._entries = [(key, address)] if public_key is None else [(key, address), public_key]
        self._ttl = ttl
        self._conflict = conflict
        self._followed = FollowedKey(key, ttl / 3, lambda: worker.wake(self))
        self._lease = 0
        self._refresh_at = 0.0
        self._held = False
        self._has_been_held = False
        self._waiting_for: bytes | None = None
        self._refusal = ""
        self._deadline = monotonic() + ttl + _AFTER_TTL
        self._error: RegistryError | None = None
        self._settled = threading.Event()

    # The owner's side

    def wait(self, seconds: float) -> bool:
        """Wait until the name is registered, or stands by; return whether it is so.

        Raises:
            NameTakenError: if another holds it, and went on holding it.
            RegistryError: if etcd cannot be reached, or refuses.
        """
        settled = self._settled.wait(seconds)
        if self._error is not None:
            raise self._error
        return settled

    def revoke(self) -> None:
        """Revoke the name's lease, so that the key is gone; returns within a second."""
        # Without a lease, nothing was written.
        if not self._worker.end(self) and self._lease:
            self._say_it_stays("etcd did not answer in time")

    # The thread's side

    def step(self) -> None:
        """Keep the lease alive, look at the key, and do what that asks for."""
        if self._lease and monotonic() >= self._refresh_at:
            self._refresh()
        if monotonic() >= self._followed.due:
            self._call(self._followed.read)
        if self._followed.value is None:
            self._held = False
            self._claim()
        if self._lease and self._followed.lease == self._lease:
            self._hold()
        elif self._followed.value is not None:
            self._meet(self._followed.value)
        self._refusal = ""

    def finish(self) -> None:
        """Give the name back."""
        self._followed.close()
        try:
            self._end_lease()
        except RegistryError as error:
            if not self._worker.given_up(self):
                self._say_it_stays(str(error))
            raise

    def failed(self, error: RegistryError) -> None:
        """Settle a first registration that cannot be, and log what a later one meets."""
        if self.ending:
            return
        unreachable = isinstance(error, UnreachableError)
        if self._settled.is_set():
            if not unreachable:
                self.due = monotonic() + _AFTER_REFUSAL
                if str(error) != self._refusal:
                    self._refusal = str(error)
                    _logger.error("%r is not kept registered: %s", self._name, error)
        elif unreachable and self._conflict is Conflict.STANDBY:
            self._settled.set()
        elif not unreachable or self._conflict is Conflict.ERROR or monotonic() >= self._deadline:
            self._fail(error)

    def _refresh(self) -> None:
        # A lease counts from when etcd was asked, however long the answer takes.
        lease, asked_at = self._lease, monotonic()
        answers = self._call(lambda client: list(client.refresh_lease(lease)))
        if answers and answers[0].TTL > 0:
            self._refresh_at = asked_at + self._ttl / 3
        else:
            self._lease = 0
            # The end of the lease is known before that of the key.
            self._followed.forget()

    def _claim(self) -> None:
        """Enter the name if it is free, and what is kept beside it."""
        self._end_lease()
        self._refresh_at = monotonic() + self._ttl / 3
        lease = self._lease = self._call(lambda client: client.lease(self._ttl)).id

        def put_if_free(client: EtcdClient) -> tuple[bool, list[Any]]:
            on = client.transactions
            return client.transaction(
                [on.create(self._key) == 0],
                [*(on.put(*entry, lease) for entry in self._entries), on.get(self._key)],
                [on.get(self._key)],
            )

        _, responses = self._call(put_if_free)
        for value, metadata in responses[-1]:
            revision = metadata.response_header.revision
            self._followed.take(value, metadata.lease_id, revision, unless_newer=True)

    def _hold(self) -> None:
        if not self._held:
            self._held = True
            again = " again" if self._has_been_held else ""
            level = logging.WARNING if self._has_been_held else logging.INFO
            _logger.log(level, "%r is registered%s in etcd at %s", self._name, again, self._address)
            self._has_been_held = True
            self._waiting_for = None
            self._settled.set()
        self.due = min(self._refresh_at, self._followed.due)

    def _meet(self, holder: bytes) -> None:
        """Do what is to be done while another holds the name."""
        self._end_lease()
        was_held, self._held = self._held, False
        address = holder.decode(errors="backslashreplace")
        if self._conflict is not Conflict.STANDBY:
            if self._has_been_held:
                _logger.error(
                    "the name %r has gone to %s; %s is no longer found by it",
                    self._name,
                    address,
                    self._address,
                )
                self.ending = True
                return
            if self._conflict is Conflict.ERROR or monotonic() >= self._deadline:
                self._fail(NameTakenError(f"{address} holds the name {self._name!r} in etcd"))
                return
        if was_held or holder != self._waiting_for:
            self._waiting_for = holder
            stands_by = self._conflict is Conflict.STANDBY
            patience = None if stands_by else self._deadline - monotonic()
            _logger.warning("%s", waiting(self._address, self._name, address, patience))
        self.due = self._followed.due
        if self._conflict is Conflict.STANDBY:
            self._settled.set()
        else:
            self.due = min(self.due, self._deadline)

    def _end_lease(self) -> None:
        lease = self._lease
        if not lease:
            return
        try:
            self._call(lambda client: client.revoke_lease(lease))
        except RefusedError as error:
            self._lease = 0
            if error.code != "NOT_FOUND":
                raise
        self._lease = 0

    def _say_it_stays(self, reason: str) -> None:
        _logger.warning(
            "%r could not be taken back and stays registered until its lease ends, within %d s: %s",
            self._name,
            self._ttl,
            reason,
        )

    def _fail(self, error: RegistryError) -> None:
        self._error = error
        self._settled.set()
        self.ending = True

    def _call(self, ask: Callable[[EtcdClient], T]) -> T:
        return self._connection.call(ask, lambda: self._worker.given_up(self))
