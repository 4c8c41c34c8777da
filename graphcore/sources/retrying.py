"""Sources that begin again after an error: the delays between attempts, and the status stream."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from math import isfinite
from typing import Any, NamedTuple, Protocol

from graphcore.errors import InvalidTypeError, InvalidValueError
from graphcore.node import MutableNode, Source
from graphcore.state import GraphState
from graphcore.time import Duration, to_duration

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Backoff:
    """Delays that grow from each attempt of a source to the next.

    Args:
        first: the delay after the first failure.
        longest: the delay that none exceeds.
        factor: how many times longer each delay is than the one before, at least 1.
        attempts: how many times to begin again, `None` for any number of times.

    Raises:
        InvalidTypeError: for an argument of a wrong type.
        InvalidValueError: for a delay that is negative, a factor below 1, or no attempt.

    >>> from itertools import islice
    >>> list(islice(Backoff("1s", longest="5s").delays(), 4))
    [1000000000, 2000000000, 4000000000, 5000000000]
    """

    first: Duration = "1s"
    longest: Duration = "1min"
    factor: float = 2.0
    attempts: int | None = None

    def __post_init__(self) -> None:
        """Check the arguments."""
        _delay(self.first)
        _delay(self.longest)
        if isinstance(self.factor, bool) or not isinstance(self.factor, int | float):
            raise InvalidTypeError(f"factor must be a number, not {self.factor!r}")
        if not isfinite(self.factor) or self.factor < 1:
            raise InvalidValueError(f"factor must be at least 1 and finite, not {self.factor!r}")
        attempts = self.attempts
        if attempts is not None:
            if isinstance(attempts, bool) or not isinstance(attempts, int):
                raise InvalidTypeError(f"attempts must be a whole number, not {attempts!r}")
            if attempts < 1:
                raise InvalidValueError(f"attempts must be at least 1, not {attempts}")

    def delays(self) -> Iterator[int]:
        """Yield the delays, ns."""
        return islice(self._without_end(), self.attempts)

    def _without_end(self) -> Iterator[int]:
        delay: float = to_duration(self.first)
        longest = to_duration(self.longest)
        while True:
            yield min(int(delay), longest)
            delay = min(delay * self.factor, longest)


Retry = Iterable[Duration] | Backoff


class SourceState(StrEnum):
    """What a source does."""

    RUNNING = "running"
    WAITING = "waiting"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """What a source does, and how it went before.

    Attributes:
        state: `RUNNING` from the beginning of each attempt, `WAITING` after one that failed,
            `ENDED` after one that returned.
        failures: how many attempts have failed since the source last sent a value.
        error: what the last of these raised.
        delay: how long the source waits before it begins again, ns; 0 unless it waits.
    """

    state: SourceState
    failures: int = 0
    error: Exception | None = None
    delay: int = 0


class Link(NamedTuple):
    """How a simulation tells that the connection of a source breaks.

    Attributes:
        node: the source that ticks with it.
        up: with what, when the connection is there, at first and again.
        down: when it breaks.
        gap: before the first value after an outage in which values were lost.
    """

    node: Source[Any]
    up: list[Any]
    down: list[Any]
    gap: list[Any]


class Status(Source[SourceStatus]):
    """Ticks when its source begins, fails and waits, or ends; each in a cycle of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.source: MutableNode[Any] | None = None
        self._state: GraphState | None = None
        self._waiting: deque[SourceStatus] = deque()

    def partners(self) -> tuple[MutableNode[Any], ...]:
        """Return the source, which tells its status only if it runs."""
        return () if self.source is None else (self.source,)

    def start(self, state: GraphState) -> None:
        # This node is made before its source, so it starts before it and stops after it.
        self._waiting = deque()
        self._state = state

    def tell(self, status: SourceStatus) -> None:
        """From any thread: tick with a status, if this node is in the run."""
        if self._state is not None:
            self._waiting.append(status)
            self._state.wake()

    def cycle(self, state: GraphState) -> bool:
        if not self._waiting:
            return False
        self.value = self._waiting.popleft()
        if self._waiting:
            state.schedule(state.time)
        return True

    def stop(self, state: GraphState) -> None:
        self._state = None

    def simulated_link(self) -> Link:
        """Return the statuses that come with an outage."""
        broken = SourceStatus(SourceState.WAITING, 1, ConnectionError("simulated"))
        return Link(self, [SourceStatus(SourceState.RUNNING)], [broken], [])


class Sending(Protocol):
    """The part of a sender that tells whether an attempt got anywhere."""

    has_sent: bool


class Attempts:
    """The attempts of a source in one run.

    Args:
        name: the source's name, for the log.
        retry: returns the delays between the attempts, ns.
        status: the source's status node.
        sender: what the source sends with.
    """

    def __init__(
        self,
        name: str,
        retry: Callable[[], Iterator[int]],
        status: Status | None,
        sender: Sending,
    ) -> None:
        self._name = name
        self._retry = retry
        self._status = status
        self._delays = retry()
        self._failures = 0
        self._error: Exception | None = None
        self._sender = sender

    def begin(self) -> None:
        """Say that an attempt begins."""
        self._tell(SourceState.RUNNING)

    def end(self) -> None:
        """Say that the source has ended."""
        self._tell(SourceState.ENDED)

    def fail(self, error: Exception) -> int | None:
        """Return how long to wait before the next attempt, ns; `None` if there is none.

        The delays begin anew if the source has sent a value since the last failure.
        """
        if self._sender.has_sent:
            self._failures, self._delays = 0, self._retry()
        self._sender.has_sent = False
        self._failures += 1
        self._error = error
        delay = next(self._delays, None)
        if delay is not None:
            _logger.warning(
                "%s failed and begins again in %g s: %r", self._name, delay / 1e9, error
            )
            self._tell(SourceState.WAITING, delay)
        return delay

    def _tell(self, state: SourceState, delay: int = 0) -> None:
        if self._status is not None:
            failures = 0 if self._sender.has_sent else self._failures
            self._status.tell(
                SourceStatus(state, failures, self._error if failures else None, delay)
            )


def delays_of(retry: Retry | None) -> Callable[[], Iterator[int]]:
    """Return a function that returns the delays of a `retry=`, ns; without one there are none.

    Raises:
        InvalidTypeError: if it is neither a list of durations nor a `Backoff`.
        InvalidValueError: for a list without delays, or a delay that is negative.
    """
    if retry is None:
        return lambda: iter(())
    if isinstance(retry, Backoff):
        return retry.delays
    if isinstance(retry, str) or not isinstance(retry, Iterable):
        raise InvalidTypeError(
            f'retry must be a list of delays, as in ["1s", "10s"], or a Backoff, not {retry!r}'
        )
    delays = [_delay(each) for each in retry]
    if not delays:
        raise InvalidValueError("retry needs at least one delay: leave it out for no retry")
    return lambda: iter(delays)


def _delay(given: Duration) -> int:
    nanoseconds = to_duration(given)
    if nanoseconds < 0:
        raise InvalidValueError(f"a delay cannot be negative: {given!r}")
    return nanoseconds
