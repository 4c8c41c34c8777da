"""Runs `programs` as processes, each of which prints its result as a line."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def _program(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "benchmarks.programs", *[str(each) for each in arguments]]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _line(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"{process.args} ended and said nothing")
    fields: dict[str, Any] = json.loads(line)
    return fields


@contextmanager
def started(program: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Run a program that goes on after its first line, until the end of the block."""
    with _program(program, *arguments) as running:
        _line(running)
        yield running


def measure_pair(publisher: str, subscriber: str, count: int) -> dict[str, Any]:
    """Run a publisher and a subscriber of this many values; return the subscriber's line."""
    with _program(publisher, count) as publishing:
        address = f"tcp://127.0.0.1:{_line(publishing)['port']}"
        with _program(subscriber, count, address) as subscribing:
            return _line(subscribing)


def measure_publisher(
    publisher: str, subscriber: str, count: int, subscribers: int
) -> dict[str, Any]:
    """Run a publisher of this many values with this many subscribers; return its last line."""
    with _program(publisher, count, subscribers) as publishing:
        address = f"tcp://127.0.0.1:{_line(publishing)['port']}"
        with _program(subscriber, subscribers, address):
            return _line(publishing)


def measure_one(program: str, *arguments: object) -> dict[str, Any]:
    """Run a program by itself; return its line."""
    with _program(program, *arguments) as running:
        return _line(running)
