"""Processes for the integration tests: each is ended, even if the test fails."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest
import trustme

from graphcore.testing import wait_until
from graphcore_zmq import EtcdRegistry, RegistryError
from tests.integration.bare import Bare
from tests.integration.etcd_server import EtcdServer, Proxy, Tls, free_port
from tests.integration.feeding import Feeding
from tests.integration.watching import Watching

PROGRAMS = Path(__file__).with_name("programs.py")


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


class Program:
    """A process that prints lines of JSON; all of them are in `said`."""

    def __init__(self, name: str, script: Path = PROGRAMS, **arguments: object) -> None:
        command = [sys.executable, str(script), name, json.dumps(arguments)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.said: list[dict[str, Any]] = []
        self._lines: Queue[dict[str, Any]] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said = json.loads(line)
            self.said.append(said)
            self._lines.put(said)

    def line_with(self, key: str, seconds: float = 60) -> dict[str, Any]:
        """Return the next line that has this key."""
        while True:
            try:
                line = self._lines.get(timeout=seconds)
            except Empty:
                raise TimeoutError(f"no line with {key!r} within {seconds} s") from None
            if key in line:
                return line

    def forget(self) -> None:
        """Drop the lines that have come up to now."""
        self._lines.queue.clear()

    def go_on(self) -> None:
        """Release a graph that holds."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None and self.process.stdin is not None
        self.process.stdout.close()
        self.process.stdin.close()


@pytest.fixture(scope="session")
def grpc_runs() -> None:
    """Have gRPC open the descriptors that it keeps for the life of the process."""
    with suppress(RegistryError):
        EtcdRegistry("http://127.0.0.1:1").lookup("nobody")


@pytest.fixture
def nothing_is_left_over(grpc_runs: None) -> Iterator[None]:
    """The test ends with the threads and descriptors with which it began."""
    threads, before = set(threading.enumerate()), descriptors()
    yield
    wait_until(lambda: set(threading.enumerate()) <= threads)
    wait_until(lambda: descriptors() <= before)


@pytest.fixture
def bare(nothing_is_left_over: None) -> Iterator[Callable[[], Bare]]:
    """Make publishers without graphcore, and close them with the test."""
    made: list[Bare] = []

    def make() -> Bare:
        made.append(Bare(len(made) + 1))
        return made[-1]

    yield make
    for each in made:
        if not each.context.closed:
            each.close()


def each_ended(make: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """Return a function that makes objects, and end all of them with the test."""
    made: list[Any] = []

    def start(*arguments: Any, **options: Any) -> Any:
        made.append(make(*arguments, **options))
        return made[-1]

    yield start
    for each in made:
        each.end()


@pytest.fixture
def watching(nothing_is_left_over: None) -> Iterator[Callable[..., Watching]]:
    """Run subscribers in threads."""
    yield from each_ended(Watching)


@pytest.fixture
def feeding(nothing_is_left_over: None) -> Iterator[Callable[..., Feeding]]:
    """Run publishers in threads."""
    yield from each_ended(Feeding)


@pytest.fixture
def program() -> Iterator[Callable[..., Program]]:
    """Start programs."""
    yield from each_ended(Program)


@pytest.fixture
def publish(program: Callable[..., Program]) -> Callable[..., Program]:
    def start(
        port: int = 0,
        first: int = 0,
        count: int = 0,
        period: str = "",
        on_full: str = "drop",
        high_water_mark: int = 10_000,
        width: int = 16,
        wait_for: int = 0,
        say_every: int = 0,
        last_value: bool = False,
        registered: str = "",
        registry: list[Any] | None = None,
        hold: bool = False,
        **options: object,
    ) -> Program:
        return program(
            "publish",
            port=port,
            first=first,
            count=count,
            period=period,
            on_full=on_full,
            high_water_mark=high_water_mark,
            width=width,
            wait_for=wait_for,
            say_every=say_every,
            last_value=last_value,
            registered=registered,
            registry=registry or [],
            hold=hold,
            options=options,
        )

    return start


@pytest.fixture
def subscribe(program: Callable[..., Program]) -> Callable[..., Program]:
    def start(
        port: int,
        say_every: int = 0,
        high_water_mark: int = 10_000,
        hold: bool = False,
        **options: object,
    ) -> Program:
        return program(
            "subscribe",
            address=f"tcp://127.0.0.1:{port}",
            say_every=say_every,
            high_water_mark=high_water_mark,
            hold=hold,
            options=options,
        )

    return start


@pytest.fixture
def follow(program: Callable[..., Program]) -> Callable[..., Program]:
    def start(port: int, high_water_mark: int = 10_000, **options: object) -> Program:
        address = f"tcp://127.0.0.1:{port}"
        return program("follow", address=address, high_water_mark=high_water_mark, options=options)

    return start


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[EtcdServer]:
    """A running etcd."""
    server = EtcdServer(tmp_path / "etcd")
    try:
        server.start()
        server.await_ready()
        yield server
    finally:
        server.kill()


@pytest.fixture
def etcd_cluster(tmp_path: Path) -> Iterator[list[EtcdServer]]:
    """Three members of one cluster, which has a leader."""
    members = {name: free_port() for name in ("one", "two", "three")}
    servers = [EtcdServer(tmp_path / "etcd", name, members) for name in members]
    try:
        for server in servers:
            server.start()
        for server in servers:
            server.await_ready()
        yield servers
    finally:
        for server in servers:
            server.kill()


@pytest.fixture
def etcd_tls(tmp_path: Path) -> Iterator[EtcdServer]:
    """An etcd that shows a certificate, and asks its clients for one."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    tls = Tls(tmp_path / "ca.pem", tmp_path / "cert.pem", tmp_path / "key.pem")
    authority.cert_pem.write_to_path(tls.ca)
    certificate.cert_chain_pems[0].write_to_path(tls.cert)
    certificate.private_key_pem.write_to_path(tls.key)
    server = EtcdServer(tmp_path / "etcd", tls=tls)
    try:
        server.start()
        server.await_ready()
        yield server
    finally:
        server.kill()


@pytest.fixture
def proxy() -> Iterator[Callable[[EtcdServer], Proxy]]:
    """Put a proxy between an etcd and its clients."""
    made: list[Proxy] = []

    def before(server: EtcdServer) -> Proxy:
        made.append(Proxy(server))
        made[-1].mend()
        return made[-1]

    yield before
    for each in made:
        each.cut()
