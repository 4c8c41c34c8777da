"""`LocalRegistry`: names shared by the processes of one host, in a file, without a server.

The file is an SQLite database. A claim is one of its transactions, so exactly one of those who
claim a name at once gets it. A publisher renews its name every third of `ttl`; a name that was not
renewed for `ttl` is free. Times are of the system's monotonic clock, which all processes of a host
share and which no change of the wall clock moves.
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
from graphcore_zmq.registries.claims import settled, waiting
from graphcore_zmq.registries.polling import PollingWatch
from graphcore_zmq.registry import (
    Conflict,
    NameNotFoundError,
    NameTakenError,
    Registration,
    RegistryError,
)

_logger = logging.getLogger(__name__)

_GRACE = 2.0  # s beyond `ttl` for which a name that is held is waited for
_STEP = 0.1  # s between two looks at a name that another holds
# s that the file may be locked by others before a try has failed
_PATIENCE = 2.0
_BRIEFLY = 0.3  # where a revoke may have to wait for it
_JOIN = 0.3  # s
_CREATE = """
    CREATE TABLE IF NOT EXISTS names (
        name TEXT PRIMARY KEY, address TEXT NOT NULL, holder TEXT NOT NULL,
        renewed INTEGER NOT NULL, ttl INTEGER NOT NULL, public_key TEXT
    )"""
_IS_CREATED = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'names'"
# A time ahead of now is of before the last start of the system.
_ALIVE = "renewed <= :now AND :now < renewed + ttl"


class LocalRegistration:
    """A name that a publisher holds, waits for or stands by for; `revoke` gives it back.

    `wait` and `revoke` are for whoever registers, all else is the registry's.
    """

    def __init__(
        self,
        registry: "LocalRegistry",
        name: str,
        address: str,
        public_key: str | None,
        patience: float,
    ) -> None:
        self._registry = registry
        self._settled = threading.Event()
        self._error: RegistryError | None = None
        self._deadline = time.monotonic() + patience
        self.name = name
        self.address = address
        self.public_key = public_key
        self.holder = secrets.token_hex(8)
        self.held = False
        self.waits_for: str | None = None

    def wait(self, seconds: float) -> bool:
        """Wait until the name is held, or stood by for; return whether it is so.

        Raises:
            NameTakenError: if another holds it, and went on holding it.
            RegistryError: if the file cannot be read and written.
        """
        settled = self._settled.wait(seconds)
        if self._error is not None:
            raise self._error
        return settled

    def revoke(self) -> None:
        """Take the name back; returns within a second, errors are logged."""
        self._registry.revoke(self)

    @property
    def patience(self) -> float:
        """For how long the name is still to be waited for, in seconds."""
        return self._deadline - time.monotonic()

    @property
    def late(self) -> bool:
        """Whether the name has been waited for long enough."""
        return not self._settled.is_set() and self.patience <= 0

    def settle(self, error: RegistryError | None = None) -> None:
        """Have `wait` return, or raise."""
        self._error = error
        self._settled.set()


class LocalRegistry:
    """Names in a file, for the processes of one host.

    Args:
        path: the file; it is created with the first registration, in a folder that is there.
        ttl: after how long a name is free again whose publisher was killed.
        conflict: what `register` does with a name that another holds. ``"wait"`` tries for `ttl`
            and 2 s, ``"error"`` fails at once, ``"standby"`` returns and takes the name when it is
            free.

    Raises:
        InvalidTypeError, InvalidValueError: for what is no path, duration or way of doing that.
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
        self._registrations: list[LocalRegistration] = []
        self._thread: threading.Thread | None = None
        self._fault = ""
        # Held also while the file is written, so that what is revoked is not renewed behind it.
        self._changed = threading.Condition()

    def __repr__(self) -> str:
        return f"LocalRegistry({str(self._path)!r})"

    def register(self, name: str, address: str, public_key: str | None = None) -> LocalRegistration:
        """Enter an address under a name, with the publisher's public key if it has one.

        Raises:
            NameTakenError: if another holds the name, unless this registry stands by.
            RegistryError: if the file cannot be read and written.
        """
        return settled(self.claim(Registration(name, address, public_key)))

    def claim(self, wanted: Registration) -> LocalRegistration:
        """Begin to `register`; its `wait` tells when that is done.

        Raises:
            RegistryError: if the file cannot be read and written.
        """
        patience = self._ttl / 1e9 + _GRACE if self._conflict is Conflict.WAIT else 0.0
        registration = LocalRegistration(
            self, wanted.name, wanted.address, wanted.public_key, patience
        )
        holders = self._take([registration], _PATIENCE)
        with self._changed:
            self._registrations.append(registration)
            self._settle([registration], holders)
            if self._registrations and self._thread is None:
                self._thread = threading.Thread(
                    target=self._keep, name="graphcore-registry", daemon=True
                )
                self._thread.start()
            self._changed.notify_all()
        return registration

    def lookup(self, name: str) -> str:
        """Return the address under a name.

        Raises:
            NameNotFoundError: if nobody holds it.
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
        """Return all names and their addresses.

        Raises:
            RegistryError: if the file cannot be read.
        """
        return {found.name: found.address for found in self._read()}

    def watch(self, name: str) -> PollingWatch:
        """Begin to follow a name."""
        return PollingWatch(self, name)

    def revoke(self, registration: LocalRegistration) -> None:
        """Give a name back; the thread ends with the last one."""
        with self._changed:
            if registration in self._registrations:
                self._registrations.remove(registration)
            self._changed.notify_all()
            thread = None if self._registrations else self._thread
            try:
                with self._transaction(_BRIEFLY) as database:
                    database.execute(
                        "DELETE FROM names WHERE name = ? AND holder = ?",
                        (registration.name, registration.holder),
                    )
            except RegistryError as error:
                _logger.warning(
                    "%r could not be taken back and stays until it expires, within %g s: %s",
                    registration.name,
                    self._ttl / 1e9,
                    error,
                )
        if thread is not None:
            thread.join(_JOIN)

    # Keeping names

    def _take(self, registrations: list[LocalRegistration], patience: float) -> list[str | None]:
        """Renew these names, or take them if they are free; return who holds each instead."""
        holders: list[str | None] = []
        with self._transaction(patience) as database:
            now = time.monotonic_ns()
            database.execute(f"DELETE FROM names WHERE NOT ({_ALIVE})", {"now": now})
            for each in registrations:
                found = database.execute(
                    "SELECT address, holder FROM names WHERE name = ?", (each.name,)
                ).fetchone()
                if found is not None and found[1] != each.holder:
                    holders.append(found[0])
                    continue
                holders.append(None)
                if each.held and found is None:
                    _logger.warning("%r had expired and is registered again", each.name)
                database.execute(
                    "INSERT OR REPLACE INTO names VALUES (?, ?, ?, ?, ?, ?)",
                    (each.name, each.address, each.holder, now, self._ttl, each.public_key),
                )
        return holders

    def _settle(self, registrations: list[LocalRegistration], holders: list[str | None]) -> None:
        """Do for each what follows from who holds its name."""
        for each, holder in zip(registrations, holders, strict=True):
            was_held, each.held = each.held, holder is None
            if holder is None:
                if each.waits_for is not None:
                    _logger.warning("%s has got the name %r", each.address, each.name)
                    each.waits_for = None
                each.settle()
                continue
            if was_held:
                _logger.error(
                    "the name %r has gone to %s; %s is no longer found by it",
                    each.name,
                    holder,
                    each.address,
                )
            if self._conflict is Conflict.STANDBY:
                each.settle()
            elif was_held or each.late:
                if not was_held:
                    each.settle(NameTakenError(f"{holder} holds the name {each.name!r} in {self}"))
                self._registrations.remove(each)
                continue
            if holder != each.waits_for:
                each.waits_for = holder
                patience = None if self._conflict is Conflict.STANDBY else each.patience
                _logger.warning("%s", waiting(each.address, each.name, holder, patience))

    def _keep(self) -> None:
        """Renew the names that are held, and take the others when they are free."""
        renew_at = time.monotonic() + self._ttl / 3e9
        with self._changed:
            while self._registrations:
                wait = renew_at - time.monotonic()
                waiting = self._fault or any(not each.held for each in self._registrations)
                if wait > 0:
                    self._changed.wait(min(wait, _STEP) if waiting else wait)
                renew = time.monotonic() >= renew_at
                due = [each for each in self._registrations if renew or not each.held]
                try:
                    if due and (renew or self._are_due(due)):
                        self._settle(due, self._take(due, _BRIEFLY))
                except RegistryError as error:
                    self._fail(due, error)
                    self._changed.wait(_STEP)
                    continue
                self._say_fault("")
                if renew:
                    renew_at = time.monotonic() + self._ttl / 3e9
            self._thread = None

    def _are_due(self, registrations: list[LocalRegistration]) -> bool:
        """Return whether one of these can be settled now; only reads, as that is cheap."""
        held = self.names()
        return any(each.late or each.name not in held for each in registrations)

    def _fail(self, registrations: list[LocalRegistration], error: RegistryError) -> None:
        self._say_fault(str(error))
        for each in registrations:
            if each.late:
                each.settle(error)
                self._registrations.remove(each)

    def _say_fault(self, fault: str) -> None:
        if fault and not self._fault:
            _logger.warning("names cannot be renewed now: %s", fault)
        elif self._fault and not fault:
            _logger.warning("names are renewed again in %s", self)
        self._fault = fault

    # The file

    @contextmanager
    def _transaction(self, patience: float) -> Iterator[sqlite3.Connection]:
        with self._open("rwc", patience) as database:
            database.execute("BEGIN IMMEDIATE")
            with database:  # commits, or takes back after an error
                database.execute(_CREATE)
                yield database

    def _read(self, which: str = "", **values: str) -> list[Registration]:
        if not self._path.exists():
            return []
        with self._open("rw", _PATIENCE) as database:
            if not database.execute(_IS_CREATED).fetchone()[0]:
                return []
            rows = database.execute(
                f"SELECT name, address, public_key FROM names WHERE {_ALIVE} {which} ORDER BY name",
                {"now": time.monotonic_ns(), **values},
            )
            return [Registration(*row) for row in rows]

    @contextmanager
    def _open(self, mode: str, patience: float) -> Iterator[sqlite3.Connection]:
        try:
            uri = f"file:{quote(str(self._path))}?mode={mode}"
            with closing(
                sqlite3.connect(uri, uri=True, timeout=patience, isolation_level=None)
            ) as database:
                # A renewal must not wait for the disk. A killed process leaves the file in order
                # all the same; only a system that goes down may not.
                database.execute("PRAGMA synchronous = OFF")
                yield database
        except sqlite3.Error as error:
            raise RegistryError(f"{self._path} cannot be used as a registry: {error}") from error
