"""How a command ends: its exit code, its last sentence, and how it answers Ctrl-C and SIGTERM.

A command that ended normally exits with 0. An error is one sentence on standard error, and the
exit code 1.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import typer

import graphcore as gc

_FAILED = 1
_INTERRUPTED = 130
_SAME_PRESS = 0.5  # s

_Answer = Callable[[int, FrameType | None], Any]


class Signals:
    """Answers SIGINT and SIGTERM for as long as a command runs.

    The first signal ends the command normally. A SIGINT after that raises `KeyboardInterrupt`, so
    the command waits no longer. Signals that arrive within half a second of an answered one are
    ignored: a terminal sends Ctrl-C to all its processes, and a wrapper such as `make` or `uv run`
    passes it on to the command, which then receives one press twice. A signal that arrives after
    the end of the command is ignored: it could only change the exit code or cause a traceback.
    """

    def __init__(self) -> None:
        self._answered = -_SAME_PRESS
        self._ended = False
        # Made before any other node of the command, so that the graph starts it first.
        self._in_run = _AnswerOnce(gc.never(), self._once)

    def __enter__(self) -> "Signals":
        """Answer signals from here on, with `KeyboardInterrupt` while no graph runs."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._once(_interrupt))
        return self

    def __exit__(self, *error: object) -> None:
        """Ignore signals from here on; `graphcore.cli.main` replaces the handlers."""
        self._ended = True

    def run(self, *roots: object) -> None:
        """Run a graph in real time.

        Raises:
            KeyboardInterrupt: on Ctrl-C while the graph was already stopping.
        """
        try:
            gc.Graph(self._in_run, *roots).run(realtime=True)
        except BaseExceptionGroup as group:
            interrupts, others = group.split(KeyboardInterrupt)
            if interrupts is None:
                raise
            if others is not None:
                _say_errors(others)
            raise KeyboardInterrupt from None

    def _once(self, answer: _Answer) -> _Answer:
        """Return a handler that gives one press of Ctrl-C to `answer` once."""

        def handle(number: int, frame: FrameType | None) -> None:
            now = time.monotonic()
            if now - self._answered >= _SAME_PRESS and not self._ended:
                self._answered = now
                answer(number, frame)

        return handle


@gc.node
class _AnswerOnce(gc.MutableNode[None]):
    """Makes the signal handlers of the present run see one press of Ctrl-C once.

    The run has set its own handlers before the nodes start, and sets the earlier ones at its end.
    """

    source: gc.Active[Any]
    once: Callable[[_Answer], _Answer]

    def start(self, state: gc.GraphState) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            assert callable(handler)
            signal.signal(number, self.once(handler))

    def cycle(self, state: gc.GraphState) -> bool:
        return False


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def ending_in_one_sentence() -> Iterator[Signals]:
    """Turn the error of a command into a sentence on standard error and an exit code.

    The text of a `KeyboardInterrupt`, if it has one, says what Ctrl-C left unfinished.
    """
    with Signals() as signals:
        try:
            yield signals
            sys.stdout.flush()
        except BrokenPipeError:
            # The reader of the output has closed the pipe. The rest of the buffer must not fail at
            # exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except KeyboardInterrupt as interrupt:
            say(str(interrupt) or "interrupted")
            raise typer.Exit(_INTERRUPTED) from None
        except (gc.GraphcoreError, OSError, ExceptionGroup) as error:
            _say_errors(error)
            raise typer.Exit(_FAILED) from None


def say(sentence: str) -> None:
    """Write a sentence to standard error."""
    typer.echo(f"graphcore: {sentence}", err=True)


def _say_errors(error: BaseException) -> None:
    """Write a sentence for an error, or for each error of a group."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            _say_errors(each)
    else:
        say(" ".join(str(error).split()) or type(error).__name__)
