"""A name kept in etcd: stored if it is free, kept alive, stored again after its lease is lost.

Each name has a lease of its own. So the lease of a key tells whose key it is, also after an answer
of etcd was lost.
"""

import logging
from collections.abc import Callable
from time import monotonic
from typing import Any, TypeVar

from graphcore_zmq.registries.claims import Claim, State
from graphcore_zmq.registries.etcd.connection import (
    EtcdClient,
    EtcdConnection,
    RefusedError,
    UnreachableError,
)
from graphcore_zmq.registries.etcd.key import FollowedKey, Found
from graphcore_zmq.registries.etcd.worker import EtcdWorker, Task
from graphcore_zmq.registry import Conflict, Registration, RegistryError

T = TypeVar("T")

_logger = logging.getLogger(__name__)

PUBLIC_KEY = "/public-key"  # follows a name's key


class EtcdClaim(Claim, Task):
    """A claim on a name in etcd, which the registry's thread keeps.

    Args:
        worker: the thread.
        connection: its connection.
        registration: what is stored.
        key: the key in etcd for the name.
        ttl: of the lease, in seconds.
        conflict: what to do while another publisher holds the name.
    """

    def __init__(
        self,
        worker: EtcdWorker,
        connection: EtcdConnection,
        registration: Registration,
        key: str,
        ttl: int,
        conflict: Conflict,
    ) -> None:
        Claim.__init__(self, registration, "etcd", ttl, conflict)
        Task.__init__(self)
        self._worker = worker
        self._connection = connection
        self._key = key
        self._entries = [(key, registration.address)]
        if registration.public_key is not None:
            self._entries.append((key + PUBLIC_KEY, registration.public_key))
        self._ttl = ttl
        self._followed = FollowedKey(key, ttl / 3, lambda: worker.wake(self))
        self._lease = 0
        self._refresh_at = 0.0

    def _give_back(self) -> None:
        # The worker revokes the lease, which removes the key. Without a lease nothing is stored.
        if not self._worker.end(self) and self._lease:
            self._say_it_stays("etcd did not answer in time")

    # The thread's side

    def step(self) -> None:
        """Keep the lease alive, look at the key, and do what follows from it."""
        if self._lease and monotonic() >= self._refresh_at:
            self._refresh()
        if monotonic() >= self._followed.due:
            self._call(self._followed.read)
        if self._followed.found is None:
            self.lose()
            self._store_if_free()
        found = self._followed.found  # read once: the watch may change it at any moment
        if found is None:
            return  # removed again meanwhile: the watch has woken this task for another step
        if self._lease and found.lease == self._lease:
            self.take()
            self.due = min(self._refresh_at, self._followed.due)
        else:
            self._end_lease()
            self.meet(found.text)
            self.due = self._followed.due
            if not self.settled:
                self.due = min(self.due, self.deadline)
        if self.state is State.ENDED:
            self.ending = True

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
        """Settle a claim that etcd refuses or does not answer, and log a later refusal."""
        if self.ending:
            return
        is_refused = not isinstance(error, UnreachableError)
        if is_refused and self.settled:
            self.say_refused("%r is not kept registered: %s", self.registration.name, error)
        self.fail(error, is_final=is_refused)
        if self.state is State.ENDED:
            self.ending = True

    def _refresh(self) -> None:
        # The ttl counts from the request, not from the answer, which may take long.
        lease, asked_at = self._lease, monotonic()
        answers = self._call(lambda client: list(client.refresh_lease(lease)))
        if answers and answers[0].TTL > 0:
            self._refresh_at = asked_at + self._ttl / 3
        else:
            self._lease = 0
            # This answer may arrive before the watch reports that the key is gone.
            self._followed.forget()

    def _store_if_free(self) -> None:
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
            self._followed.note(Found(value, metadata.lease_id), revision, unless_newer=True)

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
            "%r could not be removed and stays registered until its lease ends, within %d s: %s",
            self.registration.name,
            self._ttl,
            reason,
        )

    def _call(self, ask: Callable[[EtcdClient], T]) -> T:
        return self._connection.call(ask, lambda: self._worker.given_up(self))
