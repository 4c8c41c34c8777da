"""`EtcdRegistry`: publishers found by name in etcd.

A name is a key, and the address is its value, so `etcdctl get quotes` shows it. The public key of a
publisher that has one is beside it, under `quotes/public-key`. Both are written under one lease,
which etcd ends when nobody keeps it alive: a publisher that crashed is no longer found after that.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from graphcore import InvalidTypeError, InvalidValueError
from graphcore.time import Duration, to_duration
from graphcore_zmq.registries.claims import settled
from graphcore_zmq.registries.etcd.connection import (
    EtcdClient,
    EtcdConnection,
    GivenClient,
    Target,
    UnreachableError,
)
from graphcore_zmq.registries.etcd.key import FollowedKey
from graphcore_zmq.registries.etcd.names import KeptName
from graphcore_zmq.registries.etcd.session import Access, Endpoint, client_library
from graphcore_zmq.registries.etcd.worker import EtcdWorker
from graphcore_zmq.registry import Conflict, NameNotFoundError, Registration, RegistryError

_logger = logging.getLogger(__name__)

_SECOND = 1_000_000_000
_PORT = 2379
_FORM = 'write "http://host:2379" or "https://host:2379"'
_PUBLIC_KEY = "/public-key"  # what follows a name's key
_READ_AGAIN = 10.0  # s
_AFTER_REFUSAL = 1.0  # s


class EtcdRegistry:
    """Names in etcd.

    While it has names or watches it has one thread and one connection, made with the first and
    ended with the last of them. A lookup apart from those connects for itself; inside
    ``with registry:`` the connection is kept from one lookup to the next.

    Args:
        endpoints: ``"http://host:2379"``, or ``https``, or several of the members of one cluster;
            they are tried in turn.
        user: who asks, if etcd wants to know.
        password: of that user.
        ca_cert: file of the authority that signed the server's certificate; by default those that
            gRPC trusts.
        cert: file of this client's certificate, if etcd asks for one.
        key: file of its key.
        prefix: put before each name to make its key.
        ttl: how long a name outlives a publisher that crashed, in whole seconds; it is kept alive
            every third of that. etcd grants 2 s at least.
        conflict: what `register` does if another holds the name. ``"wait"`` tries for `ttl` and 2 s
            more, so that a publisher that crashed and was restarted gets its name back when the
            dead one's lease has ended. ``"error"`` fails at once. ``"standby"`` returns at once,
            and takes the name whenever it is free. An etcd that cannot be reached is waited for
            alike.
        timeout: how long one call to one endpoint may take; never more than a third of `ttl`.
        client: a client that is ready to use, with python-etcd3's interface, instead of endpoints;
            it is not closed. It should have a timeout.

    Raises:
        InvalidTypeError, InvalidValueError: for what makes no sense.
        RegistryError: if the extra `etcd` is not installed.

    ```python
    quotes.zmq_pub(5556, ("quotes", EtcdRegistry("http://etcd:2379")))
    data, status = zmq_sub(("quotes", EtcdRegistry("http://etcd:2379")))
    ```
    """

    def __init__(
        self,
        endpoints: str | Sequence[str] = (),
        *,
        user: str | None = None,
        password: str | None = None,
        ca_cert: str | Path | None = None,
        cert: str | Path | None = None,
        key: str | Path | None = None,
        prefix: str = "",
        ttl: Duration = "30s",
        conflict: str = "wait",
        timeout: Duration = "2s",
        client: EtcdClient | None = None,
    ) -> None:
        self._ttl = _whole_seconds(ttl)
        if conflict not in list(Conflict):
            raise InvalidValueError(f'conflict is "wait", "error" or "standby", not {conflict!r}')
        self._conflict = Conflict(conflict)
        if not isinstance(prefix, str):
            raise InvalidTypeError(f"a prefix is text, not {prefix!r}")
        self._prefix = prefix
        seconds = to_duration(timeout) / _SECOND
        if seconds <= 0:
            raise InvalidValueError(f"a timeout is above 0, not {timeout!r}")
        seconds = min(seconds, self._ttl / 3)
        access = _access(user, password, ca_cert, cert, key, seconds)
        self._endpoints = [] if client else _endpoints(endpoints, access)
        targets: Sequence[Target] = self._endpoints
        if client is not None:
            if endpoints or access.given:
                raise InvalidValueError("a client that is given has its own endpoints and access")
            # One with several endpoints goes on to the next when it is asked again.
            targets = [GivenClient(client)] * max(len(getattr(client, "endpoints", ())), 1)
        else:
            # Here, where it is seen by whoever lacks it, and not with the first call.
            client_library("pyetcd")
        self._connection = EtcdConnection(targets, seconds)
        self._worker = EtcdWorker(self._connection)

    def __repr__(self) -> str:
        where = ", ".join(endpoint.url for endpoint in self._endpoints) or "a given client"
        return f"<EtcdRegistry at {where}>"

    def __enter__(self) -> Self:
        """Keep the connection open until the end of the block."""
        self._connection.hold()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection, unless names or watches use it."""
        self._connection.release()

    @property
    def peer(self) -> tuple[str, int] | None:
        """Host and port of an endpoint, towards which this host's own address can be found."""
        if not self._endpoints:
            return None
        return self._endpoints[0].host.strip("[]"), self._endpoints[0].port

    def register(self, name: str, address: str, public_key: str | None = None) -> KeptName:
        """Enter an address under a name and keep it there, until it is revoked.

        A publisher's public key is written with it, in one transaction and under one lease.

        If another holds the name, it waits, fails or stands by, as `conflict` says. Once it has the
        name, it gets it back by itself after an outage of etcd, unless another has it by then.

        Returns:
            The registration; its `revoke` takes the name back, within a second.

        Raises:
            NameTakenError: if another holds the name; the message has its address.
            RegistryError: if etcd cannot be reached, or refuses.
        """
        return settled(self.claim(Registration(name, address, public_key)))

    def claim(self, registration: Registration) -> KeptName:
        """Begin to `register`; returns at once, and its `wait` tells when that is done."""
        key, public_key = self._key(registration.name), registration.public_key
        kept = KeptName(
            self._worker,
            self._connection,
            registration.name,
            key,
            registration.address,
            None if public_key is None else (key + _PUBLIC_KEY, public_key),
            self._ttl,
            self._conflict,
        )
        self._worker.add(kept)
        return kept

    def lookup(self, name: str) -> str:
        """Return the address under a name.

        Raises:
            NameNotFoundError: if there is none.
            RegistryError: if etcd cannot be reached, or refuses.
        """
        key = self._key(name)
        with self._connection.held():
            response = self._connection.call(lambda client: client.get_response(key))
        for found in response.kvs:
            return _text(found.value)
        raise NameNotFoundError(f"no publisher named {name!r} found in etcd")

    def find(self, name: str) -> Registration:
        """Return the address under a name and the public key that was registered with it.

        Raises:
            NameNotFoundError: if nobody holds the name.
            RegistryError: if etcd cannot be reached, or refuses.
        """
        key = self._key(name)

        def ask(client: EtcdClient) -> tuple[bool, list[Any]]:
            # One transaction reads both, so they are of one publisher.
            get = client.transactions.get
            return client.transaction([], [get(key), get(key + _PUBLIC_KEY)], [])

        with self._connection.held():
            _, (addresses, public_keys) = self._connection.call(ask)
        for address, _ in addresses:
            public_key = next((_text(value) for value, _ in public_keys), None)
            return Registration(name, _text(address), public_key)
        raise NameNotFoundError(f"no publisher named {name!r} found in etcd")

    def watch(self, name: str) -> "EtcdWatch":
        """Begin to follow a name, which need not be there yet; returns at once."""
        watch = EtcdWatch(self._worker, self._connection, name, self._key(name))
        self._worker.add(watch)
        return watch

    def names(self) -> dict[str, str]:
        """Return the address of each name that begins with the prefix, in order.

        Raises:
            RegistryError: if etcd cannot be reached, or refuses.
        """
        prefix = self._prefix

        def ask(client: EtcdClient) -> Any:
            return client.get_prefix_response(prefix) if prefix else client.get_all_response()

        with self._connection.held():
            response = self._connection.call(ask)
        found = {_text(each.key).removeprefix(prefix): _text(each.value) for each in response.kvs}
        return {
            name: address
            for name, address in sorted(found.items())
            if not name.endswith(_PUBLIC_KEY)
        }

    def _key(self, name: str) -> str:
        if not isinstance(name, str) or not name:
            raise InvalidValueError(f"a name is text, and not empty: {name!r}")
        if name.endswith(_PUBLIC_KEY):
            raise InvalidValueError(f"{name!r} is no name: what ends so in etcd is a public key")
        try:
            (self._prefix + name).encode()
        except UnicodeEncodeError:
            raise InvalidValueError(f"{name!r} is no text: it has half a character") from None
        return self._prefix + name


class EtcdWatch:
    """Follows one name: a task of the registry's thread."""

    def __init__(self, worker: EtcdWorker, connection: EtcdConnection, name: str, key: str) -> None:
        self.due = 0.0
        self.ending = False
        self._name = name
        self._refusal = ""
        self._worker = worker
        self._connection = connection
        self._followed = FollowedKey(key, _READ_AGAIN, lambda: worker.wake(self))

    @property
    def address(self) -> str | None:
        """What is known to be under the name now; `None` if nothing is, or nothing is known yet."""
        value = self._followed.value
        return None if value is None else _text(value)

    def close(self) -> None:
        """Follow no more; returns within a second."""
        self._worker.end(self)

    def step(self) -> None:
        """Read the key, if that is due, and follow it."""
        if monotonic() >= self._followed.due:
            self._connection.call(self._followed.read, lambda: self._worker.given_up(self))
        self.due = self._followed.due
        self._refusal = ""

    def finish(self) -> None:
        """Follow no more."""
        self._followed.close()

    def failed(self, error: RegistryError) -> None:
        """Try again; what etcd refuses is logged."""
        if not isinstance(error, UnreachableError):
            self.due = monotonic() + _AFTER_REFUSAL
            if str(error) != self._refusal:
                self._refusal = str(error)
                _logger.error("%r cannot be followed: %s", self._name, error)


def _whole_seconds(ttl: Duration) -> int:
    duration = to_duration(ttl)
    if duration < _SECOND or duration % _SECOND:
        given = f"{ttl!r} ns" if isinstance(ttl, int) else repr(ttl)
        raise InvalidValueError(f'a ttl is of whole seconds, such as "30s", not {given}')
    return duration // _SECOND


def _access(
    user: str | None,
    password: str | None,
    ca_cert: str | Path | None,
    cert: str | Path | None,
    key: str | Path | None,
    timeout: float,
) -> Access:
    if (user is None) != (password is None):
        raise InvalidValueError("a user and a password are given together")
    if (cert is None) != (key is None):
        raise InvalidValueError("a certificate and its key are given together")
    return Access(user, password, _file(ca_cert), _file(cert), _file(key), timeout)


def _file(path: str | Path | None) -> Path | None:
    if path is None:
        return None
    if not isinstance(path, str | Path):
        raise InvalidTypeError(f"a certificate is the path of a file, not {path!r}")
    try:
        with open(path, "rb"):
            return Path(path)
    except OSError as error:
        raise InvalidValueError(f"{str(path)!r} cannot be read: {error.strerror}") from None


def _endpoints(given: str | Sequence[str], access: Access) -> list[Endpoint]:
    if not isinstance(given, Sequence):
        raise InvalidTypeError(f"endpoints are a URL or a list of some, not {given!r}")
    urls = [given] if isinstance(given, str) else list(given)
    if not urls:
        raise InvalidValueError(f"etcd has at least one endpoint: {_FORM}")
    return [_endpoint(url, access) for url in urls]


def _endpoint(url: str, access: Access) -> Endpoint:
    parts = urlsplit(url if isinstance(url, str) else "")
    try:
        host, port = parts.hostname, parts.port or _PORT
    except ValueError:
        host = None
    if parts.scheme not in ("http", "https") or not host or parts.path.strip("/"):
        raise InvalidValueError(f"{url!r} is no endpoint: {_FORM}")
    if parts.username or parts.password:
        raise InvalidValueError("a user and a password are given as such, not in an endpoint")
    secure = parts.scheme == "https"
    if not secure and (access.ca_cert or access.cert):
        raise InvalidValueError(f"certificates are for https, and the endpoint is {url!r}")
    host = f"[{host}]" if ":" in host else host
    return Endpoint(f"{parts.scheme}://{host}:{port}", host, port, secure, access)


def _text(value: bytes) -> str:
    # What is no text is no address either, and whoever connects says so.
    return value.decode(errors="backslashreplace")
