"""What runs in a worker: some sets of a job that the worker keeps.

A job goes to a worker once: a task names its job by a token, and a worker that does not know the
token answers that it lacks the job. In the process of the sweep, threads take the job as it is.
"""

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from graphcore.errors import RunError
from graphcore.sweeping.job import Outcome
from graphcore.sweeping.pickling import dumps, loads

# Runs sets, and yields their outcomes; it asks the function before each whether to go on.
Run = Callable[[Sequence[Any], Callable[[], bool]], Iterator[Outcome]]

LACKING: Final = "lacking"
HERE: Final = "here"
ELSEWHERE: Final = "elsewhere"

_MOST_KEPT = 4
_here: dict[str, Run] = {}
_kept: "OrderedDict[str, Run]" = OrderedDict()


class Answer(NamedTuple):
    """What a worker returns.

    Attributes:
        where: whether it is in the process of the sweep; `LACKING` if it did nothing, because it
            has not got the job.
        outcomes: the outcomes of the sets, pickled one by one unless it is in that process.
    """

    where: str
    outcomes: list[Any]


@contextmanager
def offered(token: str, run: Run) -> Iterator[None]:
    """Offer a job to the threads of this process while the block runs."""
    _here[token] = run
    try:
        yield
    finally:
        _here.pop(token, None)


# A forked worker takes the job as any other worker does, so that all of them do the same.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_here.clear)


def work(token: str, sets: Any, job: bytes | None = None) -> Answer:
    """Run some sets.

    Args:
        token: the name of the job.
        sets: the sets; pickled unless the worker is in the process of the sweep.
        job: the job, pickled, if it goes with this task.
    """
    run = _here.get(token)
    if run is not None:
        # Without its token a job is over, and its threads need not go on.
        return Answer(HERE, list(run(sets, lambda: token in _here)))
    run = _kept.get(token)
    if run is None:
        if job is None:
            return Answer(LACKING, [])
        try:
            run = _kept[token] = loads(job)
        except Exception as error:
            failure = RunError(
                f"a worker cannot load the function and its data: {type(error).__name__}: {error}"
            )
            return Answer(ELSEWHERE, [dumps(Outcome(error=failure, refused=True))])
    _kept.move_to_end(token)
    while len(_kept) > _MOST_KEPT:
        _kept.popitem(last=False)
    return Answer(ELSEWHERE, [_sent(each) for each in run(loads(sets), lambda: True)])


def _sent(outcome: Outcome) -> bytes:
    """Return an outcome pickled; of one that cannot be sent, one that says why."""
    try:
        data = dumps(outcome)
        loads(data)
        return data
    except Exception as error:
        pass_on = outcome.error
        why = f"its result cannot be sent back: {type(error).__name__}: {error}"
        if pass_on is not None:
            why = f"{type(pass_on).__name__}: {pass_on}"
        failure = RunError(why)
        for note in getattr(pass_on, "__notes__", ()):
            failure.add_note(note)
        return dumps(Outcome(error=failure, refused=outcome.refused))
