"""`LocalRegistry`: names shared by the processes of one host, in a file, without a server.

The file is an SQLite database. A publisher takes a name in one transaction, so exactly one of those
that claim it at the same moment gets it. It renews the name every third of `ttl`; a name that was
not renewed for `ttl` is free. Times are those of the system's monotonic clock: all processes of a
host share it, and a change of the wall clock does not move it.
"""

import logging
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from graphcore import InvalidTypeError, InvalidValueError
from graphcore.time import Duration, to_duration
from graphcore_zmq.registries.claims import Claim, State, settled
from graphcore_zmq.registries.forking import ForkBarrier, start_anew_in_forks
from graphcore_zmq.registries.polling import PollingWatch
from graphcore_zmq.registry import Conflict, NameNotFoundError, Registration, RegistryError

_logger = logging.getLogger(__name__)

_STEP = 0.1  # s between two looks at a name that another publisher holds
# s that a try waits while another process locks the file
_PATIENCE = 2.0
_BRIEFLY = 0.3  # while a revoke may wait for that try
_JOIN = 0.3  # s that a revoke waits for the end of the thread
_CREATE = """
    CREATE TABLE IF NOT EXISTS names (
        name TEXT PRIMARY KEY, address TEXT NOT NULL, holder TEXT NOT NULL,
        renewed INTEGER NOT NULL, ttl INTEGER NOT NULL, public_key TEXT
    )"""
_IS_CREATED = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'names'"
# A time after now was written before the system was last started.
_ALIVE = "renewed <= :now AND :now < renewed + ttl"

# SQLite's mutexes and its list of locked files belong to the process: a child that is forked in the
# middle of a transaction finds them locked for ever.
_barrier = ForkBarrier()


class LocalClaim(Claim):
    """A claim on a name in a file, which the registry's thread keeps.

    Attributes:
        token: marks in the file which claim has stored the name.
    """

    def __init__(
        self, registry: "LocalRegistry", registration: Registration, ttl: float, conflict: Conflict
    ) -> None:
        super().__init__(registration, str(registry), ttl, conflict)
        self.token = secrets.token_hex(8)
        self._registry = registry

    def _give_back(self) -> None:
        self._registry.give_back(self)


class LocalRegistry:
    """Names in a file, for the processes of one host.

    Args:
        path: the file. The first registration creates it. Its folder has to exist, also for a
            lookup; a subscriber logs that it does not, and waits until it does.
        ttl: how long a name outlives a publisher that was killed.
        conflict: what `register` does if another publisher holds the name. ``"wait"`` tries for
            `ttl` and 2 s, ``"error"`` fails at once, ``"standby"`` returns at once, and takes the
            name when it is free.

    Raises:
        InvalidTypeError, InvalidValueError: for invalid arguments.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, ttl: Duration = "10s", conflict: str = "wait"
    ) -> None:
        if not isinstance(path, str | os.PathLike) or not os.fspath(path):
            raise InvalidTypeError(f"a local registry is a file's path, not {path!r}")
        self._path = Path(path).absolute()
        self._ttl = to_duration(ttl)
        if self._ttl <= 0:
            raise InvalidValueError(f"the ttl of a name is above 0, not {ttl!r}")
        if conflict not in list(Conflict):
            raise InvalidValueError(f'conflict is "wait", "error" or "standby", not {conflict!r}')
        self._conflict = Conflict(conflict)
        self.start_anew()
        start_anew_in_forks(self)

    def start_anew(self) -> None:
        """Forget all claims: called in a forked child, whose claims are the parent's."""
        self._claims: list[LocalClaim] = []
        self._thread: threading.Thread | None = None
        self._fault = ""
        # Also held while a transaction renews names, so that it does not store a revoked one again.
        self._changed = threading.Condition()

    def __repr__(self) -> str:
        return f"LocalRegistry({str(self._path)!r})"

    def register(self, name: str, address: str, public_key: str | None = None) -> LocalClaim:
        """Store an address under a name, with the publisher's public key if it has one.

        Raises:
            NameTakenError: if another publisher holds the name; the message contains its address.
            RegistryError: if the file cannot be read and written.
        """
        return settled(self.claim(Registration(name, address, public_key)))

    def claim(self, registration: Registration) -> LocalClaim:
        """Begin to `register`; the claim's `wait` tells when it is done.

        Raises:
            RegistryError: if the file cannot be read and written.
        """
        claim = LocalClaim(self, registration, self._ttl / 1e9, self._conflict)
        holders = self._take([claim], _PATIENCE)
        with self._changed:
            self._claims.append(claim)
            self._settle([claim], holders)
            if self._claims and self._thread is None:
                self._thread = threading.Thread(
                    target=self._keep, name="graphcore-registry", daemon=True
                )
                self._thread.start()
            self._changed.notify_all()
        return claim

    def lookup(self, name: str) -> str:
        """Return the address under a name.

        Raises:
            NameNotFoundError: if nobody holds the name.
            RegistryError: if the file cannot be read.
        """
        return self.find(name).address

    def find(self, name: str) -> Registration:
        """Return the address under a name and the public key that was registered with it.

        Raises:
            NameNotFoundError: if nobody holds the name.
            RegistryError: if the file cannot be read.
        """
        for found in self._read("AND name = :name", name=name):
            return found
        raise NameNotFoundError(f"no publisher named {name!r} found in {self}")

    def names(self) -> dict[str, str]:
        """Return the address of each name, in order.

        Raises:
            RegistryError: if the file cannot be read.
        """
        return {found.name: found.address for found in self._read()}

    def watch(self, name: str) -> PollingWatch:
        """Begin to follow a name, which need not be registered yet; returns at once."""
        return PollingWatch(self, name)

    def give_back(self, claim: LocalClaim) -> None:
        """Remove a claim's name from the file; the thread ends with the last claim."""
        with self._changed:
            if claim not in self._claims:
                return  # it has ended, and its name with it
            self._claims.remove(claim)
            self._changed.notify_all()
            thread = None if self._claims else self._thread
            try:
                with self._transaction(_BRIEFLY) as database:
                    database.execute("DELETE FROM names WHERE holder = ?", (claim.token,))
            except RegistryError as error:
                _logger.warning(
                    "%r could not be removed and stays registered until it expires, within %g s: "
                    "%s",
                    claim.registration.name,
                    self._ttl / 1e9,
                    error,
                )
        if thread is not None:
            thread.join(_JOIN)

    # Keeping names

    def _take(self, claims: list[LocalClaim], patience: float) -> list[str | None]:
        """Store each claim's name if it is free or its own; return who holds it instead."""
        holders: list[str | None] = []
        with self._transaction(patience) as database:
            now = time.monotonic_ns()
            database.execute(f"DELETE FROM names WHERE NOT ({_ALIVE})", {"now": now})
            for claim in claims:
                wanted = claim.registration
                row = database.execute(
                    "SELECT address, holder FROM names WHERE name = ?", (wanted.name,)
                ).fetchone()
                if row is not None and row[1] != claim.token:
                    holders.append(row[0])
                    continue
                holders.append(None)
                if row is None:
                    claim.lose()
                database.execute(
                    "INSERT OR REPLACE INTO names VALUES (?, ?, ?, ?, ?, ?)",
                    (wanted.name, wanted.address, claim.token, now, self._ttl, wanted.public_key),
                )
        return holders

    def _settle(self, claims: list[LocalClaim], holders: list[str | None]) -> None:
        for claim, holder in zip(claims, holders, strict=True):
            if holder is None:
                claim.take()
            else:
                claim.meet(holder)
        self._drop_ended()

    def _drop_ended(self) -> None:
        self._claims = [claim for claim in self._claims if claim.state is not State.ENDED]

    def _keep(self) -> None:
        """Renew the names that are held, and take the others when they are free."""
        renew_at = time.monotonic() + self._ttl / 3e9
        with self._changed:
            while self._claims:
                wait = renew_at - time.monotonic()
                waiting = self._fault or any(each.state is not State.HELD for each in self._claims)
                if wait > 0:
                    self._changed.wait(min(wait, _STEP) if waiting else wait)
                renew = time.monotonic() >= renew_at
                due = [each for each in self._claims if renew or each.state is not State.HELD]
                try:
                    if due and (renew or self._are_due(due)):
                        self._settle(due, self._take(due, _BRIEFLY))
                except RegistryError as error:
                    self._say_fault(str(error))
                    for claim in due:
                        claim.fail(error)
                    self._drop_ended()
                    self._changed.wait(_STEP)
                    continue
                self._say_fault("")
                if renew:
                    renew_at = time.monotonic() + self._ttl / 3e9
            self._thread = None

    def _are_due(self, claims: list[LocalClaim]) -> bool:
        """Return whether `_take` would change anything; only reads, which is cheaper."""
        held, now = self.names(), time.monotonic()
        return any(
            each.registration.name not in held or (not each.settled and now >= each.deadline)
            for each in claims
        )

    def _say_fault(self, fault: str) -> None:
        if fault and not self._fault:
            _logger.warning("cannot renew names: %s", fault)
        elif self._fault and not fault:
            _logger.warning("names are renewed again in %s", self)
        self._fault = fault

    # The file

    @contextmanager
    def _transaction(self, patience: float) -> Iterator[sqlite3.Connection]:
        self._exists()
        with self._open("rwc", patience) as database:
            database.execute("BEGIN IMMEDIATE")
            with database:  # commits, or rolls back after an error
                database.execute(_CREATE)
                yield database

    def _read(self, which: str = "", **values: str) -> list[Registration]:
        if not self._exists():
            return []
        with self._open("rw", _PATIENCE) as database:
            # One transaction: its view of the rows begins before the clock is read below. Otherwise
            # a row could be renewed after that, and a time after now counts as written before the
            # last start of the system.
            database.execute("BEGIN")
            if not database.execute(_IS_CREATED).fetchone()[0]:
                return []
            rows = database.execute(
                f"SELECT name, address, public_key FROM names WHERE {_ALIVE} {which} ORDER BY name",
                {"now": time.monotonic_ns(), **values},
            )
            return [Registration(*row) for row in rows]

    def _exists(self) -> bool:
        """Return whether the file is there; its folder has to be."""
        try:
            self._path.stat()
        except FileNotFoundError:
            if self._path.parent.is_dir():
                return False
            reason = f"the folder {self._path.parent} does not exist"
        except OSError as error:
            reason = str(error.strerror)
        else:
            return True
        raise RegistryError(f"{self._path} cannot be used as a registry: {reason}")

    @contextmanager
    def _open(self, mode: str, patience: float) -> Iterator[sqlite3.Connection]:
        try:
            uri = f"file:{quote(str(self._path))}?mode={mode}"
            with (
                _barrier.held(),
                closing(
                    sqlite3.connect(uri, uri=True, timeout=patience, isolation_level=None)
                ) as database,
            ):
                # A renewal must not wait for the disk. The file is still consistent after a process
                # is killed; only a crash of the system may damage it.
                database.execute("PRAGMA synchronous = OFF")
                yield database
        except sqlite3.Error as error:
            raise RegistryError(f"{self._path} cannot be used as a registry: {error}") from error
