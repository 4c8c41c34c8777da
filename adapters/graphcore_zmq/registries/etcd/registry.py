"""`EtcdRegistry`: publishers found by name in etcd.

A name is a key and the address its value, so `etcdctl get quotes` prints it. If the publisher has a
public key, it is stored under `quotes/public-key`. Both keys have one lease, which the publisher
keeps alive; etcd removes them when the lease expires, so a crashed publisher is no longer found.
"""

from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from graphcore import InvalidTypeError, InvalidValueError
from graphcore.time import Duration, to_duration
from graphcore_zmq.registries.claims import settled
from graphcore_zmq.registries.etcd.claim import PUBLIC_KEY, EtcdClaim
from graphcore_zmq.registries.etcd.connection import (
    EtcdClient,
    EtcdConnection,
    GivenClient,
    Target,
    UnreachableError,
)
from graphcore_zmq.registries.etcd.key import FollowedKey, text_of
from graphcore_zmq.registries.etcd.session import Access, Endpoint, client_library
from graphcore_zmq.registries.etcd.worker import EtcdWorker, Task
from graphcore_zmq.registries.forking import Owner, start_anew_in_forks
from graphcore_zmq.registry import Conflict, NameNotFoundError, Registration, RegistryError

_SECOND = 1_000_000_000
_PORT = 2379
_FORM = 'write "http://host:2379" or "https://host:2379"'
_READ_AGAIN = 10.0  # s after which a watched key is read again


class EtcdRegistry:
    """Names in etcd.

    While names or watches use the registry, it has one thread and one connection, from the first of
    them to the last. Without any, each lookup opens a connection of its own; inside
    ``with registry:`` one connection stays open.

    Args:
        endpoints: ``"http://host:2379"``, or ``https``, or a list of the members of one cluster,
            which the registry tries in turn.
        user: name of etcd's user, if etcd requires one.
        password: of that user.
        ca_cert: file with the certificate of the authority that signed the server's certificate; by
            default gRPC's own list of authorities.
        cert: file with the client's certificate, if etcd requires one.
        key: file with the key of that certificate.
        prefix: text before each name in etcd.
        ttl: how long a name outlives a crashed publisher, in whole seconds; the publisher renews it
            every third of that. etcd grants at least 2 s.
        conflict: what `register` does if another publisher holds the name. ``"wait"`` tries for
            `ttl` and 2 s more, so that a publisher that crashed and was restarted gets its name
            back after the old lease has expired. ``"error"`` fails at once. ``"standby"`` returns
            at once, and takes the name when it is free. The same holds while etcd is unreachable.
        timeout: how long one call to one endpoint may take; never more than a third of `ttl`.
        client: a client of your own with python-etcd3's interface, in place of endpoints. It should
            have a timeout. The registry does not close it.

    Raises:
        InvalidTypeError, InvalidValueError: for invalid arguments.
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
                raise InvalidValueError(
                    "a client of your own has its own endpoints and access: give nothing else"
                )
            # After a failed call, a client with several endpoints uses the next one.
            targets = [GivenClient(client, Owner())] * max(len(getattr(client, "endpoints", ())), 1)
        else:
            # Imported here, so that a missing extra is an error where the registry is made.
            client_library("pyetcd")
        self._connection = EtcdConnection(targets, seconds)
        self._worker = EtcdWorker(self._connection)
        self._tickets: list[object] = []
        start_anew_in_forks(self)

    def start_anew(self) -> None:
        """Forget all names and watches: called in a forked child, where they are the parent's."""
        self._connection.start_anew()
        self._worker = EtcdWorker(self._connection)

    def __repr__(self) -> str:
        where = ", ".join(endpoint.url for endpoint in self._endpoints) or "a given client"
        return f"<EtcdRegistry at {where}>"

    def __enter__(self) -> Self:
        """Keep one connection open until the end of the block."""
        self._tickets.append(self._connection.hold())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection, unless names or watches still use it."""
        self._connection.release(self._tickets.pop())

    @property
    def peer(self) -> tuple[str, int] | None:
        """Host and port of the first endpoint; `None` for a client of your own."""
        if not self._endpoints:
            return None
        return self._endpoints[0].host.strip("[]"), self._endpoints[0].port

    def register(self, name: str, address: str, public_key: str | None = None) -> EtcdClaim:
        """Store an address under a name, and keep it there until it is revoked.

        The publisher's public key is stored in the same transaction, under the same lease. If
        another publisher holds the name, `conflict` says what happens. A name that etcd has lost is
        stored again, unless another publisher has taken it meanwhile.

        Returns:
            The claim; its `revoke` removes the name within a second.

        Raises:
            NameTakenError: if another publisher holds the name; the message contains its address.
            RegistryError: if etcd cannot be reached, or refuses.
        """
        return settled(self.claim(Registration(name, address, public_key)))

    def claim(self, registration: Registration) -> EtcdClaim:
        """Begin to `register`; returns at once, and the claim's `wait` tells when it is done."""
        key = self._key(registration.name)
        claim = EtcdClaim(
            self._worker, self._connection, registration, key, self._ttl, self._conflict
        )
        self._worker.add(claim)
        return claim

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
            return text_of(found.value)
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
            return client.transaction([], [get(key), get(key + PUBLIC_KEY)], [])

        with self._connection.held():
            _, (addresses, public_keys) = self._connection.call(ask)
        for address, _ in addresses:
            public_key = next((text_of(value) for value, _ in public_keys), None)
            return Registration(name, text_of(address), public_key)
        raise NameNotFoundError(f"no publisher named {name!r} found in etcd")

    def watch(self, name: str) -> "EtcdWatch":
        """Begin to follow a name, which need not be registered yet; returns at once."""
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
        found = {
            text_of(each.key).removeprefix(prefix): text_of(each.value) for each in response.kvs
        }
        return {
            name: address
            for name, address in sorted(found.items())
            if not name.endswith(PUBLIC_KEY)
        }

    def _key(self, name: str) -> str:
        if not isinstance(name, str) or not name:
            raise InvalidValueError(f"a name is a text that is not empty, not {name!r}")
        if name.endswith(PUBLIC_KEY):
            raise InvalidValueError(
                f"{name!r} cannot be a name: etcd keeps public keys under names that end so"
            )
        try:
            (self._prefix + name).encode()
        except UnicodeEncodeError:
            raise InvalidValueError(
                f"{name!r} cannot be written as UTF-8: it has half a surrogate pair"
            ) from None
        return self._prefix + name


class EtcdWatch(Task):
    """Follows one name, in the registry's thread."""

    def __init__(self, worker: EtcdWorker, connection: EtcdConnection, name: str, key: str) -> None:
        super().__init__()
        self._owner = Owner()
        self._name = name
        self._worker = worker
        self._connection = connection
        self._followed = FollowedKey(key, _READ_AGAIN, lambda: worker.wake(self))

    @property
    def address(self) -> str | None:
        """The last known address; `None` if there is none, or etcd has not answered yet.

        Raises:
            RegistryError: in a forked child of the process that began the watch.
        """
        self._owner.check(f"this watch of {self._name!r}", "begin another one here")
        found = self._followed.found
        return None if found is None else found.text

    def close(self) -> None:
        """Stop following the name; returns within a second. In a forked child, do nothing."""
        if self._owner.is_here:
            self._worker.end(self)

    # The thread's side

    def step(self) -> None:
        """Read the key, if that is due, and follow it."""
        if monotonic() >= self._followed.due:
            self._connection.call(self._followed.read, lambda: self._worker.given_up(self))
        self.due = self._followed.due

    def finish(self) -> None:
        """Stop following the name."""
        self._followed.close()

    def failed(self, error: RegistryError) -> None:
        """Log what etcd refuses; the worker tries again."""
        if not isinstance(error, UnreachableError):
            self.say_refused("cannot follow %r: %s", self._name, error)


def _whole_seconds(ttl: Duration) -> int:
    duration = to_duration(ttl)
    if duration < _SECOND or duration % _SECOND:
        given = f"{ttl!r} ns" if isinstance(ttl, int) else repr(ttl)
        raise InvalidValueError(f'a ttl is in whole seconds, such as "30s", not {given}')
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
        raise InvalidValueError("give a user and a password together")
    if (cert is None) != (key is None):
        raise InvalidValueError("give a certificate and its key together")
    return Access(user, password, _file(ca_cert), _file(cert), _file(key), timeout)


def _file(path: str | Path | None) -> Path | None:
    if path is None:
        return None
    if not isinstance(path, str | Path):
        raise InvalidTypeError(f"a certificate is given as the path of a file, not {path!r}")
    try:
        with open(path, "rb"):
            return Path(path)
    except OSError as error:
        raise InvalidValueError(f"{str(path)!r} cannot be read: {error.strerror}") from None


def _endpoints(given: str | Sequence[str], access: Access) -> list[Endpoint]:
    if not isinstance(given, Sequence):
        raise InvalidTypeError(f"endpoints are a URL or a list of URLs, not {given!r}")
    urls = [given] if isinstance(given, str) else list(given)
    if not urls:
        raise InvalidValueError(f"give at least one endpoint: {_FORM}")
    return [_endpoint(url, access) for url in urls]


def _endpoint(url: str, access: Access) -> Endpoint:
    parts = urlsplit(url if isinstance(url, str) else "")
    try:
        host, port = parts.hostname, parts.port or _PORT
    except ValueError:
        host = None
    if parts.scheme not in ("http", "https") or not host or parts.path.strip("/"):
        raise InvalidValueError(f"{url!r} is not an endpoint: {_FORM}")
    if parts.username or parts.password:
        raise InvalidValueError(
            "an endpoint has no user or password: give user= and password= beside it"
        )
    secure = parts.scheme == "https"
    if not secure and (access.ca_cert or access.cert):
        raise InvalidValueError(f"certificates need an https endpoint, not {url!r}")
    host = f"[{host}]" if ":" in host else host
    return Endpoint(f"{parts.scheme}://{host}:{port}", host, port, secure, access)
