"""The connection to etcd: opened when needed, and after a failure again, to the next endpoint.

Each session of the client library knows one endpoint. The library's own failover would leave the
watches of the failed connection behind, and gRPC would delay each further try for longer.
"""

import random
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any, Protocol, TypeVar
from weakref import WeakValueDictionary

from graphcore_zmq.registries.forking import ForkBarrier, Owner
from graphcore_zmq.registry import RegistryError

T = TypeVar("T")

_UNANSWERED = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED")
_LAST_WORDS = 1.0  # s that the threads of a closed session may take to end
_NO_TRUST = ("CERTIFICATE_VERIFY_FAILED", "SSL_ERROR_SSL", "certificate")

# Unlike a `WeakSet`, it lists its members in one step, while other threads add to it.
_connections: "WeakValueDictionary[int, EtcdConnection]" = WeakValueDictionary()


class UnreachableError(RegistryError):
    """No endpoint answered."""


class RefusedError(RegistryError):
    """An endpoint answered with an error.

    Args:
        message: the sentence.
        code: gRPC's name for the reason, such as ``"NOT_FOUND"``.
    """

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class EtcdClient(Protocol):
    """The part of python-etcd3's API that the registry uses."""

    transactions: Any

    @property
    def watcher(self) -> Any:
        """Calls back when a key changes."""

    def get_response(self, key: str) -> Any:
        """Read a key."""

    def get_prefix_response(self, key_prefix: str) -> Any:
        """Read all keys that begin with a prefix."""

    def get_all_response(self) -> Any:
        """Read all keys."""

    def lease(self, ttl: int) -> Any:
        """Grant a lease."""

    def refresh_lease(self, lease_id: int) -> Iterable[Any]:
        """Keep a lease alive."""

    def revoke_lease(self, lease_id: int) -> None:
        """End a lease."""

    def transaction(
        self, compare: list[Any], success: list[Any], failure: list[Any]
    ) -> tuple[bool, list[Any]]:
        """Compare and write in one step."""


class Session(Protocol):
    """A connection to one endpoint."""

    def client(self) -> EtcdClient:
        """Return the client; the first call authenticates if the endpoint has a user."""

    def close(self) -> None:
        """End the connection and all calls on it; from any thread. Returns at once."""

    def await_end(self, seconds: float) -> None:
        """Wait until the threads of a closed session have ended."""


class Target(Protocol):
    """An endpoint for sessions."""

    @property
    def url(self) -> str:
        """The endpoint's name in errors."""

    def open(self) -> Session:
        """Begin a session; it connects with the first call."""


@dataclass(frozen=True)
class GivenClient:
    """A client that the user has made, and closes.

    Attributes:
        given: the client.
        owner: the process that has given it.
        url: its name in errors.
    """

    given: EtcdClient
    owner: Owner
    url: str = "the given client"

    def open(self) -> Session:
        """Begin a session with the client.

        Raises:
            RefusedError: in a forked child, which would use the parent's connection.
        """
        try:
            self.owner.check("the given client", "make a registry with a client of its own here")
        except RegistryError as error:
            raise RefusedError(str(error), "FORKED") from None
        return self

    def client(self) -> EtcdClient:
        """Return the client."""
        return self.given

    def close(self) -> None:
        """Leave it open: its owner closes it."""

    def await_end(self, seconds: float) -> None:
        """Return at once: it stays open."""


class EtcdConnection:
    """At most one open session, shared by all holders of the connection. Any thread may use it.

    Args:
        targets: the endpoints, which are used in turn.
        timeout: seconds that one call may take; the connection only names it in errors.

    Attributes:
        answered_at: when a call last succeeded, by the monotonic clock (s).
    """

    def __init__(self, targets: Sequence[Target], timeout: float) -> None:
        self._targets = targets
        self._timeout = timeout
        self.answered_at = 0.0
        # A random first endpoint spreads many clients over the members of a cluster.
        self._next = random.randrange(len(targets))
        self._session: Session | None = None
        self._holders: set[object] = set()
        self._lock = threading.RLock()
        _connections[id(self)] = self

    def start_anew(self) -> None:
        """In a forked child: begin without a session and without holders."""
        self._session = None
        self._holders = set()
        self._lock = threading.RLock()

    def suspend(self) -> None:
        """Close the session and wait until its threads have ended; the next call opens another."""
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            session.close()
            session.await_end(_LAST_WORDS)

    def hold(self) -> object:
        """Keep the connection open between calls; return a ticket to `release`."""
        ticket = object()
        with self._lock:
            self._holders.add(ticket)
        return ticket

    def release(self, ticket: object) -> None:
        """End a `hold`; the last one closes the connection. A ticket of a parent does nothing."""
        with self._lock:
            self._holders.discard(ticket)
            session = None
            if not self._holders:
                session, self._session = self._session, None
        if session is not None:
            with _barrier.held():
                session.close()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the connection open for a block."""
        ticket = self.hold()
        try:
            yield
        finally:
            self.release(ticket)

    def call(
        self, ask: Callable[[EtcdClient], T], given_up: Callable[[], bool] = lambda: False
    ) -> T:
        """Call the endpoint in use; if it does not answer, try the others in turn.

        Args:
            ask: makes the call with the client.
            given_up: returns True when the caller no longer waits; asked before each try.

        Raises:
            UnreachableError: if no endpoint answered within its timeout, or the call was given up.
            RefusedError: if an endpoint answered with an error.
        """
        began = monotonic()
        tried: list[str] = []
        untrusted = 0
        renewed = False
        while True:
            error: Exception | None = None
            with _barrier.held():
                url, session = self._current(given_up)
                try:
                    answer = ask(session.client())
                except Exception as raised:
                    error = raised
            if error is None:
                self.answered_at = monotonic()
                return answer
            code, text = _explain(error)
            if code == "UNAUTHENTICATED" and not renewed:
                # The server has forgotten the token in a restart, or the token has expired.
                renewed = True
                self._drop(session)
                continue
            if code not in _UNANSWERED:
                raise RefusedError(f"etcd at {url} refused: {text}", code) from error
            if not self._drop(session) and code == "CANCELLED":
                continue  # another thread has closed the session, and so ended this call
            tried.append(url)
            untrusted += any(mark in text for mark in _NO_TRUST)
            if len(tried) < len(self._targets):
                continue
            if code == "DEADLINE_EXCEEDED":
                text = f"no answer within {self._timeout:g} s"
            urls = ", ".join(dict.fromkeys(tried))
            places = f"tried {urls} for {monotonic() - began:.1f} s: {text}"
            if untrusted == len(tried):
                raise RefusedError(
                    f"etcd cannot be reached safely: {places}", "UNTRUSTED"
                ) from error
            raise UnreachableError(f"etcd cannot be reached: {places}") from error

    def interrupt(self) -> None:
        """End all calls that are under way; other endpoints are tried for them."""
        with self._lock:
            session = self._session
        if session is not None:
            self._drop(session)

    def _current(self, given_up: Callable[[], bool]) -> tuple[str, Session]:
        with self._lock:
            # Checked under the lock, so that no session is opened after an interruption.
            if given_up():
                raise UnreachableError("etcd did not answer in time")
            target = self._targets[self._next]
            if self._session is None:
                self._session = target.open()
            return target.url, self._session

    def _drop(self, session: Session) -> bool:
        """Close a session that failed; return whether it was the one in use."""
        with self._lock:
            in_use = self._session is session
            if in_use:
                self._session = None
                self._next = (self._next + 1) % len(self._targets)
        if in_use:
            with _barrier.held():
                session.close()
        return in_use


def _suspend_all() -> None:
    for reference in _connections.valuerefs():
        if (connection := reference()) is not None:
            connection.suspend()


# gRPC's handlers make its state in the child sound, but only if no thread is in gRPC when the
# process forks: grpcio 1.85 skips them otherwise, and one child in five then crashed (SIGABRT in
# ev_epoll1_linux.cc) where the parent had two watches. A watch always has a thread in gRPC, so the
# sessions are closed before a fork. The names live on: their leases do not depend on a connection.
_barrier = ForkBarrier(_suspend_all)


def _explain(error: Exception) -> tuple[str, str]:
    """Return gRPC's code and text for an error of a client.

    Errors are told apart by gRPC's status: clients differ in the types that they raise.

    Raises:
        Exception: the error itself, if it does not come from a client.
    """
    for status in (error, error.__cause__, error.__context__):
        code = getattr(status, "code", None)
        if callable(code) and (found := code()) is not None:
            details = getattr(status, "details", lambda: None)()
            return str(found.name), str(details or found.name)
    if isinstance(error, ValueError):  # gRPC raises it for a channel that was closed meanwhile
        return "CANCELLED", str(error)
    if type(error).__module__.partition(".")[0] in ("pyetcd", "etcd3"):
        # The client raises these without a status: a watch timed out, or no endpoint is left.
        return "UNAVAILABLE", str(error) or type(error).__name__
    raise error
