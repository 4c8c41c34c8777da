"""A session with one member of etcd, through the client library of the extra `etcd`.

The library takes long to import, so the first registry imports it, and not this module.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from graphcore_zmq.registries.etcd.connection import EtcdClient, RefusedError, Session
from graphcore_zmq.registry import RegistryError

# Channels that share connections also share the delay that gRPC adds after a failure.
_OPTIONS = [("grpc.use_local_subchannel_pool", 1)]


def client_library(name: str) -> Any:
    """Return a module of the client library.

    Raises:
        RegistryError: if it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise RegistryError(
            "EtcdRegistry needs etcd's client library: pip install 'graphcore[etcd]'"
        ) from error


@dataclass(frozen=True)
class Access:
    """How client and server authenticate.

    Attributes:
        user: name of etcd's user, or `None` for no authentication.
        password: of that user.
        ca_cert: file with the certificate of the authority that signed the server's certificate.
        cert: file with the client's certificate.
        key: file with the key of that certificate.
        timeout: seconds that one call may take.
    """

    user: str | None
    password: str | None
    ca_cert: Path | None
    cert: Path | None
    key: Path | None
    timeout: float

    @property
    def given(self) -> bool:
        """Whether any of it was given."""
        return any((self.user, self.ca_cert, self.cert))

    def __repr__(self) -> str:
        return f"<access of {self.user or 'nobody'}>"


@dataclass(frozen=True)
class Endpoint:
    """A member of the cluster."""

    url: str
    host: str
    port: int
    secure: bool
    access: Access

    def open(self) -> Session:
        """Begin a session; it connects with the first call."""
        return _OwnSession(self)


class _Channel:
    """A channel that raises when a call is prepared after another thread has closed it.

    gRPC checks only when the call begins; preparing one on a closed channel crashes the process.
    """

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self._lock = threading.Lock()
        self._closed = False

    def unary_unary(self, *arguments: Any, **options: Any) -> Any:
        return self._prepare(self._channel.unary_unary, arguments, options)

    def stream_stream(self, *arguments: Any, **options: Any) -> Any:
        return self._prepare(self._channel.stream_stream, arguments, options)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._channel.close()

    def _prepare(
        self, prepare: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> Any:
        with self._lock:
            if self._closed:
                raise ValueError("the channel is closed")  # as gRPC does when a call begins
            return prepare(*arguments, **options)


@cache
def _keep_grpc_running() -> Any:
    """Make a channel that is never used or closed.

    When the last channel is closed, gRPC shuts down in a thread of its own. A child that is forked
    meanwhile waits in its first call for the end of that thread, for ever (grpcio 1.85: 2 of 100
    children that were forked right after a lookup).
    """
    return client_library("grpc").insecure_channel("localhost:1")


class _OwnSession:
    def __init__(self, endpoint: Endpoint) -> None:
        _keep_grpc_running()
        self._access = access = endpoint.access
        trust = None
        if endpoint.secure:
            # Read for each session, so that renewed certificates are used.
            files = map(_read, (access.ca_cert, access.key, access.cert))
            trust = client_library("grpc").ssl_channel_credentials(*files)
        self._endpoint = client_library("pyetcd").Endpoint(
            endpoint.host, endpoint.port, endpoint.secure, trust, time_retry=0, opts=_OPTIONS
        )
        self._endpoint.channel = _Channel(self._endpoint.channel)
        self._lock = threading.Lock()
        self._client: Any = None

    def client(self) -> EtcdClient:
        with self._lock:
            if self._client is None:
                access = self._access
                client = client_library("pyetcd").MultiEndpointEtcd3Client(
                    [self._endpoint], access.timeout, access.user, access.password
                )
                # The client sends its token in the metadata; gRPC refuses credentials over http.
                client.call_credentials = None
                self._client = client
            found: EtcdClient = self._client
            return found

    def await_end(self, seconds: float) -> None:
        watcher = self._client and self._client._stubs.get("watcher")
        thread = getattr(watcher, "_callback_thread", None)
        if thread is not None:
            thread.join(seconds)

    def close(self) -> None:
        # The client's own `close` would wait for the lock of a call that hangs.
        self._endpoint.close()


def _read(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise RefusedError(f"{path} cannot be read: {error.strerror}", "UNREADABLE") from error
