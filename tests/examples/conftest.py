"""Examples as processes: each is ended with its children, even if the test fails.

No graph of theirs has a finding.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from graphcore.testing import wait_until

ROOT = Path(__file__).parents[2]
collect_ignore = ["checked"]  # to collect it would import it
CHECKED = Path(__file__).parent / "checked"  # its graphs must have no findings


class Example:
    """An example that runs as a user runs it."""

    def __init__(self, name: str, *arguments: object) -> None:
        path = ROOT / "docs" / "examples" / name
        command = [sys.executable, str(path), *[str(argument) for argument in arguments]]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(CHECKED)},
        )

    def children(self) -> list[int]:
        """Return the publishers among its children."""
        return [pid for pid in self.all_children() if b"spawn_main" in command_of(pid)]

    def all_children(self) -> list[int]:
        """Return its children."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in listed.split()]

    def signal(self, number: signal.Signals) -> None:
        """Signal it and its children, as a terminal does."""
        os.killpg(self.process.pid, number)

    def finish(self, seconds: float = 60) -> tuple[int, str, str]:
        """Wait for its end; return the exit code and what it wrote to stdout and stderr."""
        out, err = self.process.communicate(timeout=seconds)
        return self.process.returncode, out, err

    def end(self) -> None:
        if self.process.poll() is None:
            self.signal(signal.SIGKILL)
        self.process.communicate()


def command_of(pid: int) -> bytes:
    """Return a process's command line, empty once it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


@pytest.fixture
def example() -> Iterator[Callable[..., Example]]:
    """Start examples, and end all of them with the test."""
    started: list[Example] = []

    def start(name: str, *arguments: object) -> Example:
        started.append(Example(name, *arguments))
        return started[-1]

    yield start
    for process in started:
        process.end()


@pytest.fixture
def wait_for() -> Callable[..., None]:
    """Wait until a function returns something true."""
    return wait_until


@pytest.fixture
def ended() -> Callable[[list[int]], bool]:
    """Return whether all these processes have ended."""
    return lambda pids: not any(command_of(pid) for pid in pids)
