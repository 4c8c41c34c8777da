"""Security by CURVE: connections are encrypted, and each end knows the other's public key.

A publisher has a key pair and a list of its clients' public keys; a subscriber has a key pair and
the publisher's public key. A publisher with keys refuses everybody who is not on its list. A key is
text, 40 characters of Z85, or a file as `graphcore keys new` and pyzmq write it. A file with a
secret key is refused if other users may access it.
"""

import asyncio
import logging
import os
import secrets
import stat
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from struct import error as StructError
from typing import Final, Literal, overload

import zmq
from zmq.auth import CURVE_ALLOW_ANY, Authenticator, load_certificate
from zmq.utils import z85

from graphcore import InvalidTypeError, InvalidValueError
from graphcore_zmq.socket.sockets import Socket

_logger = logging.getLogger(__name__)

Key = str | Path

_CHARACTERS = 40
_QUIET = 10.0  # s between two log lines about refusals of one address
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Anyone(Enum):
    """Who may subscribe, instead of a list of keys."""

    ANYONE = "anyone"


ANYONE: Final = Anyone.ANYONE


@dataclass(frozen=True, slots=True)
class CurveServer:
    """The security of a publisher; `Curve.server` makes it.

    Attributes:
        public_key: the public key of this publisher, as text.
        clients: the public keys that may subscribe, or `ANYONE`.
    """

    public_key: str
    clients: frozenset[str] | Literal[Anyone.ANYONE]
    _secret_key: str = field(repr=False)

    def secure(self, socket: Socket) -> None:
        """Make a socket that is not bound yet accept CURVE clients only."""
        socket.curve_server = True
        socket.curve_secretkey = self._secret_key.encode()


@dataclass(frozen=True, slots=True)
class CurveClient:
    """The security of a subscriber; `Curve.client` makes it.

    Attributes:
        public_key: the public key of this subscriber, as text.
        server_key: the publisher's public key; `None` to ask its registry for it.
    """

    public_key: str
    server_key: str | None
    _secret_key: str = field(repr=False)

    def secure(self, socket: Socket) -> None:
        """Make a socket that is not connected yet accept this publisher only."""
        assert self.server_key is not None
        socket.curve_publickey = self.public_key.encode()
        socket.curve_secretkey = self._secret_key.encode()
        socket.curve_serverkey = self.server_key.encode()

    def with_server_key(self, server_key: str) -> "CurveClient":
        """Return the same for a publisher with this public key.

        Raises:
            InvalidValueError: if this is not a public key.
        """
        return replace(self, server_key=read_public_key(server_key))


class Curve:
    """Makes what `zmq_pub(..., security=...)` and `zmq_sub(..., security=...)` take.

    A key is text, 40 characters of Z85, or the `pathlib.Path` of a file.
    """

    ANYONE: Final = ANYONE

    @staticmethod
    def server(
        secret_key: Key, clients: Iterable[Key] | Literal[Anyone.ANYONE] = ()
    ) -> CurveServer:
        """Return the security of a publisher.

        Args:
            secret_key: the publisher's own.
            clients: the public keys of the subscribers; an empty list refuses everybody.
                `Curve.ANYONE` accepts everybody who knows the publisher's public key.

        Raises:
            InvalidTypeError, InvalidValueError: for an invalid key, and for a file with a secret
                key that other users may access.
        """
        secret, public = _pair(secret_key)
        if clients is ANYONE:
            return CurveServer(public, ANYONE, secret)
        if isinstance(clients, str | Path) or not isinstance(clients, Iterable):
            raise InvalidTypeError(
                f"clients is a list of public keys or Curve.ANYONE, not {clients!r}"
            )
        return CurveServer(public, frozenset(map(read_public_key, clients)), secret)

    @overload
    @staticmethod
    def client(server_key: Key | None, secret_key: Key) -> CurveClient: ...

    @overload
    @staticmethod
    def client(*, secret_key: Key) -> CurveClient: ...

    @staticmethod
    def client(server_key: Key | None = None, secret_key: Key = "") -> CurveClient:
        """Return the security of a subscriber.

        Args:
            server_key: the publisher's public key. Without it, the subscriber asks the registry
                that holds the publisher's name at each connection, and trusts its answer.
            secret_key: the subscriber's own.

        Raises:
            InvalidTypeError, InvalidValueError: for an invalid key, and for a file with a secret
                key that other users may access.
        """
        secret, public = _pair(secret_key)
        known = None if server_key is None else read_public_key(server_key)
        return CurveClient(public, known, secret)


def read_public_key(key: Key) -> str:
    """Return a public key as text.

    Raises:
        InvalidTypeError, InvalidValueError: if this is not a public key.
    """
    if isinstance(key, Path):
        return _from_file(key)[0]
    if not isinstance(key, str):
        raise InvalidTypeError(f"a key is text or a pathlib.Path, not {key!r}")
    if not _is_key(key):
        raise InvalidValueError(
            f"a public key is {_CHARACTERS} characters of Z85, or the pathlib.Path of its file, "
            f"not {key!r}"
        )
    return key


def _pair(key: Key) -> tuple[str, str]:
    """Return a secret key as text, and its public key. No error shows the secret."""
    if isinstance(key, Path):
        secret = _from_file(key)[1]
        if secret is None:
            raise InvalidValueError(f"{key} holds no secret key")
        mode = stat.S_IMODE(key.stat().st_mode)
        if mode & _OTHERS:
            raise InvalidValueError(
                f"{key} holds a secret key that other users may access (mode {mode:04o}): "
                f"protect it with chmod 600"
            )
    elif isinstance(key, str):
        secret = key
    else:
        raise InvalidTypeError(f"a key is text or a pathlib.Path, not a {type(key).__qualname__}")
    if not _is_key(secret):
        raise InvalidValueError(
            f"a secret key is {_CHARACTERS} characters of Z85, or the pathlib.Path of its file; "
            f"this text of {len(secret)} characters is not a key"
        )
    return secret, zmq.curve_public(secret.encode()).decode()


def _from_file(path: Path) -> tuple[str, str | None]:
    try:
        public, secret = load_certificate(path)
        return public.decode(), None if secret is None else secret.decode()
    except (OSError, ValueError) as error:
        raise InvalidValueError(f"{path} does not hold a key: {error}") from None


def _is_key(text: str) -> bool:
    if len(text) != _CHARACTERS:
        return False
    try:
        return z85.encode(z85.decode(text)) == text.encode()
    except (KeyError, ValueError, StructError):
        return False


# The two errors below do not show the value, because it may be a secret.


def check_server(security: CurveServer | None) -> CurveServer | None:
    """Return the security of a publisher.

    Raises:
        InvalidTypeError: if it is anything else.
    """
    if security is not None and not isinstance(security, CurveServer):
        raise InvalidTypeError(
            f"the security of a publisher is Curve.server(...) or None, not a value of "
            f"type {type(security).__qualname__}"
        )
    return security


def check_client(security: CurveClient | None) -> CurveClient | None:
    """Return the security of a subscriber.

    Raises:
        InvalidTypeError: if it is anything else.
    """
    if security is not None and not isinstance(security, CurveClient):
        raise InvalidTypeError(
            f"the security of a subscriber is Curve.client(...) or None, not a value of "
            f"type {type(security).__qualname__}"
        )
    return security


def write_keys(path: Path) -> tuple[Path, Path]:
    """Write a new pair of keys; return the files of the public and of the secret key.

    Args:
        path: the files' name without an ending. The file `.key` holds the public key; `.key_secret`
            holds both, and only its owner may read it.

    Raises:
        InvalidValueError: if such a file exists already, or cannot be written.
    """
    public, secret = zmq.curve_keypair()
    public_line = f'curve\n    public-key = "{public.decode()}"\n'
    files = path.with_name(path.name + ".key"), path.with_name(path.name + ".key_secret")
    for file in files:
        # Overwriting one of the two would leave keys that do not fit each other.
        if file.exists():
            raise InvalidValueError(f"{file} exists already")
    try:
        _write(files[1], f'{public_line}    secret-key = "{secret.decode()}"\n', 0o600)
        _write(files[0], public_line, 0o644)
    except OSError as error:
        raise InvalidValueError(f"{path} cannot be written: {error}") from None
    return files


def _write(path: Path, text: str, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(text)


class Gate:
    """Decides who may connect to one publisher, and logs who was refused.

    It is made before the publisher binds. The thread that calls `answer` closes it, before the
    context ends. A context has one gate.

    Args:
        name: the publisher's, for the log.
        server: its security.
        context: its context, which no other publisher shares.
    """

    def __init__(self, name: str, server: CurveServer, context: "zmq.Context[Socket]") -> None:
        self._name = name
        self._server = server
        self._domain = f"graphcore-{secrets.token_hex(8)}"
        self._address = ""
        self._logged: dict[str, float] = {}
        self._runner = asyncio.Runner()
        self._authenticator = Authenticator(context, log=_logger)
        self._authenticator.start()
        if server.clients is ANYONE:
            self._authenticator.configure_curve(self._domain, CURVE_ALLOW_ANY)
        else:
            self._authenticator.configure_curve_callback(self._domain, self)
        self.socket: Socket = self._authenticator.zap_socket

    def guard(self, socket: Socket) -> None:
        """Make a socket that is not bound yet ask this gate about each connection."""
        self._server.secure(socket)
        socket.zap_domain = self._domain.encode()
        # Without this, libzmq accepts everybody while nobody answers.
        socket.set(zmq.ZAP_ENFORCE_DOMAIN, 1)

    def answer(self) -> None:
        """Answer all waiting requests."""
        while self.socket.poll(0):
            request = self.socket.recv_multipart()
            self._address = request[3].decode(errors="replace")
            self._runner.run(self._authenticator.handle_zap_message(request))

    def callback(self, domain: str, key: bytes) -> bool:
        """Return whether the owner of a public key may connect; pyzmq's authenticator calls it."""
        assert self._server.clients is not ANYONE
        known = key.decode() in self._server.clients
        if not known and self._may_log(self._address):
            _logger.warning(
                "%s: refused a subscriber at %s: its public key %s is not in the list of clients",
                self._name,
                self._address,
                key.decode(),
            )
        return known

    def failed(self, event: int, host: str | None) -> None:
        """Log a handshake that failed; the publisher's monitor calls it."""
        if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            return  # `callback` has refused its key and logged it
        shown = host or "an unknown address"
        if self._may_log(shown):
            _logger.warning(
                "%s: refused a subscriber at %s: it does not use CURVE, or uses another public key "
                "of this publisher",
                self._name,
                shown,
            )

    def _may_log(self, address: str) -> bool:
        now = time.monotonic()
        self._logged = {each: at for each, at in self._logged.items() if now - at < _QUIET}
        if address in self._logged:
            return False
        self._logged[address] = now
        return True

    def close(self) -> None:
        """Stop answering; from now on everybody is refused."""
        self._authenticator.stop()
        self._runner.close()
