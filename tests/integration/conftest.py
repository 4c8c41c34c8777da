"""Processes for the integration tests: each is ended, however the test goes."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest

PROGRAMS = Path(__file__).with_name("programs.py")


class Program:
    """A process that prints lines of JSON."""

    def __init__(self, *arguments: object) -> None:
        command = [sys.executable, str(PROGRAMS), *[str(argument) for argument in arguments]]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._lines: Queue[dict[str, Any]] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(json.loads(line))

    def line_with(self, key: str, seconds: float = 60) -> dict[str, Any]:
        """Return the next line that has this key."""
        while True:
            try:
                line = self._lines.get(timeout=seconds)
            except Empty:
                raise TimeoutError(f"no line with {key!r} within {seconds} s") from None
            if key in line:
                return line

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def program() -> Iterator[Callable[..., Program]]:
    """Start programs, and end all of them with the test."""
    started: list[Program] = []

    def start(*arguments: object) -> Program:
        started.append(Program(*arguments))
        return started[-1]

    yield start
    for each in started:
        each.end()


@pytest.fixture
def publish(program: Callable[..., Program]) -> Callable[..., Program]:
    def start(
        port: int = 0,
        count: int = 0,
        period: str = "",
        on_full: str = "drop",
        high_water_mark: int = 10_000,
        width: int = 16,
        wait_for: int = 0,
    ) -> Program:
        options = (port, count, period, on_full, high_water_mark, width, wait_for)
        return program("publish", *options)

    return start


@pytest.fixture
def subscribe(program: Callable[..., Program]) -> Callable[..., Program]:
    def start(port: int, say_every: int = 0, high_water_mark: int = 10_000) -> Program:
        address = f"tcp://127.0.0.1:{port}"
        return program("subscribe", address, say_every, high_water_mark)

    return start
