"""A process that calls the functions it is told to, one after the other, until it is ended.

    with working() as worker:
        worker.call("sending.bare", payload="16 B", ...)
        worker.read()

A worker stays alive from round to round, so a round costs no start of Python and no imports.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.wire.lines import hear

_PATIENCE = 60.0  # s for an answer
_ROOT = Path(__file__).parent.parent.parent


class Worker:
    """The parent's end of a worker."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def call(self, function: str, **arguments: object) -> None:
        """Begin a call of `module.function` of this package."""
        self.tell([function, arguments])

    def tell(self, line: object) -> None:
        """Send a line that the function hears."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()

    def read(self) -> dict[str, Any]:
        """Return what the function says next."""
        assert self._process.stdout is not None
        overdue = threading.Timer(_PATIENCE, self._process.kill)
        overdue.start()
        try:
            line = self._process.stdout.readline()
        finally:
            overdue.cancel()
        if not line:
            raise RuntimeError("a worker ended, or said nothing for too long")
        fields: dict[str, Any] = json.loads(line)
        return fields

    def ask(self, function: str, **arguments: object) -> dict[str, Any]:
        """Call a function and return what it says first."""
        self.call(function, **arguments)
        return self.read()


@contextmanager
def working() -> Iterator[Worker]:
    """Start a worker; end it after the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.wire.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=_ROOT,
        text=True,
    )
    try:
        yield Worker(process)
    finally:
        process.kill()
        process.communicate()


def _work() -> None:
    while True:
        name, arguments = hear()
        module, function = name.split(".")
        getattr(import_module(f"benchmarks.wire.{module}"), function)(**arguments)


if __name__ == "__main__":
    _work()
