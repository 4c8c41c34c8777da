"""Spread the sets of a job over workers.

Sets go out in chunks, a few more than there are workers. If an executor loses a chunk, as when a
worker dies, each of its sets runs once more in a chunk of its own, so that a set that kills its
worker takes no other along; what is lost again has failed.
"""

import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from graphcore.errors import RunError
from graphcore.sweeping.executors import Workers
from graphcore.sweeping.job import Outcome
from graphcore.sweeping.pickling import loads, pickled
from graphcore.sweeping.worker import LACKING, Answer, Run, offered

_LARGEST = 32


@dataclass(frozen=True)
class _Chunk:
    """Sets that go out in one task.

    Attributes:
        places: the places of the sets.
        again: whether they have been lost before.
    """

    places: Sequence[int]
    again: bool = False


class Spread:
    """A job on workers, for any number of lists of sets.

    Args:
        run: runs sets; it goes to each worker once.
        parts: what users gave, of which `run` is made, by the names that errors have for it.
        workers: where the sets run.
    """

    def __init__(self, run: Run, parts: Mapping[str, object], workers: Workers) -> None:
        self._run = run
        self._parts = parts
        self._workers: Workers | None = workers
        self._token = uuid.uuid4().hex
        self._offer: AbstractContextManager[None] = offered(self._token, run)
        self._job: bytes | None = None  # once a worker of another process has asked for it
        self._shared: Any = None
        self._probed = False
        self._unsent = 0  # how many more tasks are sent with the job

    def __enter__(self) -> "Spread":
        """Offer the job to the threads of this process."""
        self._offer.__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        """Have the workers give up what they have not begun."""
        self._offer.__exit__(*raised)
        if self._workers is not None:
            self._workers.close()

    def __call__(self, sets: Sequence[Any], done: Callable[[Outcome], object]) -> list[Outcome]:
        """Run sets; return their outcomes in order.

        Args:
            sets: the sets.
            done: called with each outcome, in any order; what it raises ends the sweep.

        Raises:
            InvalidTypeError: for what cannot be pickled.
            RunError: if the executor takes nothing at all.
        """
        self._probe()
        outcomes: dict[int, Outcome] = {}
        waiting = deque(self._chunks(len(sets)))
        flying: dict[Future[Answer], _Chunk] = {}
        lost: list[_Chunk] = []
        try:
            while waiting or flying or lost:
                if not (waiting or flying):
                    waiting.extend(lost)
                    lost.clear()
                self._fill(flying, waiting, sets, outcomes, done)
                for future in wait(flying, return_when=FIRST_COMPLETED).done:
                    chunk = flying.pop(future)
                    try:
                        answer = future.result()
                    except (Exception, SystemExit, CancelledError) as error:
                        self._lose(chunk, error, lost, outcomes, done)
                        continue
                    if answer.where == LACKING:
                        self._unsent = max(self._unsent, 0) + 1
                        waiting.appendleft(chunk)
                        continue
                    self._take(chunk, answer, outcomes, done)
        finally:
            for future in flying:
                future.cancel()
        return [outcomes[place] for place in range(len(sets))]

    def _probe(self) -> None:
        """Ask a worker whether it is in this process, before the first sets go out."""
        if self._probed or self._workers is None:
            return
        self._probed = True
        try:
            answer = self._workers.submit(self._token, ()).result()
        except (Exception, CancelledError) as error:
            raise RunError(
                f"the executor runs nothing, so give one that is open: "
                f"{type(error).__name__}: {error}"
            ) from error
        if answer.where == LACKING:
            self._job = pickled(self._run, self._parts)
            self._share()

    def _share(self) -> None:
        assert self._job is not None and self._workers is not None
        self._shared = self._workers.share(self._job)
        self._unsent = self._workers.count

    def _chunks(self, count: int) -> list[_Chunk]:
        workers = 1 if self._workers is None else self._workers.count
        size = max(1, min(_LARGEST, count // (4 * workers)))
        return [_Chunk(range(at, min(at + size, count))) for at in range(0, count, size)]

    def _fill(
        self,
        flying: dict["Future[Answer]", _Chunk],
        waiting: deque[_Chunk],
        sets: Sequence[Any],
        outcomes: dict[int, Outcome],
        done: Callable[[Outcome], object],
    ) -> None:
        """Send out chunks, as many as are to be out at once."""
        while waiting:
            workers = self._workers
            if workers is None:
                self._fail(waiting.popleft(), "there are no workers left", outcomes, done)
                continue
            # One that runs again might kill its worker, and with it a pool and all that it runs.
            if len(flying) >= (1 if waiting[0].again else workers.count + 1):
                return
            try:
                self._send(flying, waiting[0], sets)
            except BrokenExecutor:
                if flying:
                    return  # these are lost, and after them the workers are made anew
                self._renew()
                continue
            except RuntimeError as error:
                self._workers = None
                self._fail(waiting.popleft(), f"{type(error).__name__}: {error}", outcomes, done)
                continue
            waiting.popleft()

    def _send(
        self,
        flying: dict["Future[Answer]", _Chunk],
        chunk: _Chunk,
        sets: Sequence[Any],
    ) -> None:
        assert self._workers is not None
        given: Any = [sets[place] for place in chunk.places]
        job = self._shared
        if self._job is not None:
            names = (f"set {place}" for place in chunk.places)
            given = pickled(given, dict(zip(names, given, strict=True)))
            # What is shared may be lost with a worker.
            if chunk.again or (job is None and self._unsent > 0):
                self._unsent -= 1
                job = self._job
        flying[self._workers.submit(self._token, given, job)] = chunk

    def _take(
        self,
        chunk: _Chunk,
        answer: Answer,
        outcomes: dict[int, Outcome],
        done: Callable[[Outcome], object],
    ) -> None:
        for place, each in zip(chunk.places, answer.outcomes, strict=False):
            try:
                outcome: Outcome = loads(each) if isinstance(each, bytes) else each
            except Exception as error:
                outcome = Outcome(
                    error=RunError(
                        f"the result of a worker cannot be loaded: {type(error).__name__}: {error}"
                    )
                )
            done(outcome)
            outcomes[place] = outcome

    # Lost chunks

    def _lose(
        self,
        chunk: _Chunk,
        error: BaseException,
        lost: list[_Chunk],
        outcomes: dict[int, Outcome],
        done: Callable[[Outcome], object],
    ) -> None:
        if chunk.again:
            why = f"{type(error).__name__}: {error}"
            self._fail(chunk, f"its worker was lost twice: {why}", outcomes, done)
        else:
            lost += [_Chunk([place], again=True) for place in chunk.places]

    def _renew(self) -> None:
        assert self._workers is not None
        self._workers = self._workers.again()
        if self._workers is not None and self._job is not None:
            self._share()

    def _fail(
        self,
        chunk: _Chunk,
        why: str,
        outcomes: dict[int, Outcome],
        done: Callable[[Outcome], object],
    ) -> None:
        for place in chunk.places:
            outcomes[place] = Outcome(error=RunError(why))
            done(outcomes[place])
