"""`sweep`: run one graph for many sets of parameters (R8, R12)."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Unpack, cast

from graphcore.errors import InvalidTypeError, InvalidValueError, shorten
from graphcore.sweeping.asking import Sampler, Search, Suggest
from graphcore.sweeping.executors import workers_of
from graphcore.sweeping.grid import Parameters, check_parameters, sets_of
from graphcore.sweeping.job import Build, Job, Outcome, Take, check_options
from graphcore.sweeping.progress import Line
from graphcore.sweeping.sharing import HistoryOptions, Shared
from graphcore.sweeping.spreading import Spread
from graphcore.sweeping.table import Sweep, text_of
from graphcore.sweeping.worker import Run

_logger = logging.getLogger(__name__)


def sweep(
    build: Build,
    grid: Mapping[str, Iterable[Any]] | Iterable[Mapping[str, Any]] | Sampler | Any,
    *,
    executor: Any = None,
    take: Take | Mapping[str, Take] = "last",
    progress: bool = True,
    objective: str | Callable[[dict[str, Any]], Any] | None = None,
    trials: int | None = None,
    batch: int = 8,
    suggest: Suggest | None = None,
    **options: Unpack[HistoryOptions],
) -> Sweep:
    """Run a graph over history for each of many sets of parameters.

    Args:
        build: wires a graph. It is called with the parameters of a set, by name, and returns the
            sinks of the graph by name: streams, or what `collect` or `frame` returned.
        grid: the sets: a dict of lists, of which all combinations are run; a list of dicts; a data
            frame (anything with Arrow's C stream interface) with a row for each set; or a sampler
            with `ask` and `tell`, such as a study of optuna.
        executor: where the sets run: any `concurrent.futures.Executor`, a client of Dask, or the
            module `ray`. By default they run one after the other in this thread. `build` and the
            data in it go to each worker once.
        take: what the table has of each sink: ``"last"``, its last value, `None` if it never
            ticked; ``"columns"``, all its times and values; or a function that is given what
            `collect` or `frame` returned, and returns a value. A dict has one of them for each
            sink that it names.
        progress: whether to show a line on standard error while it runs, if that is a terminal.
        objective: for a sampler: the name of the sink whose value it is told, or a function that
            returns the value and is given the row of a set. It is told `None` for a failed set.
        trials: for a sampler: how many sets to run.
        batch: for a sampler: for how many sets it is asked before it is told their results.
        suggest: for a sampler: a function that returns the dict of parameters of what `ask`
            returned. By default that is itself a dict, or has one as `params`.
        options: those of `Graph.run` for history: `start`, `until`, `duration`, `cycles`,
            `max_cycles_at_once` and `tier`.

    Returns:
        A `Sweep`: a table with a row for each set, in the order of the grid. A set that fails has
        a row with its error, and the others run.

    Raises:
        RunError: if the executor is shut down.
        InvalidTypeError: for a `build` that cannot be pickled, if it has to be; for anything that
            is no grid, a parameter that `build` does not take or
            lacks, a `build` that does not return sinks by name, and arguments of a wrong type.
        InvalidValueError: for a grid without sets, a source that reads an iterator and so serves
            one run only, and a sampler without `objective` or `trials`.

    >>> import graphcore as gc
    >>> times, prices = [1, 2, 3, 4], [100.0, 101.0, 99.0, 102.0]
    >>> def build(span, threshold):
    ...     mean = gc.replay(times, prices).ewm(span=span).mean()
    ...     return {"mean": mean, "above": mean.filter(lambda m: m > threshold).count()}
    >>> found = gc.sweep(build, {"span": [1, 3], "threshold": [100.5]})
    >>> for row in found:
    ...     print(row["span"], row["threshold"], row["mean"], row["above"])
    1 100.5 102.0 2
    3 100.5 100.93333333333334 2
    """
    if not callable(build):
        raise InvalidTypeError(f"build must be a function that wires a graph, not {shorten(build)}")
    if not isinstance(progress, bool):
        raise InvalidTypeError(f"progress must be True or False, not {progress!r}")
    _check_take(take)
    check_options(options)
    parts = {"build": build, "take": take}
    if hasattr(grid, "ask") and hasattr(grid, "tell"):
        search = _search(cast(Sampler, grid), suggest, objective, trials, batch)
        job = Job(build, take, options, Shared(search.trials))
        with running(job, parts, executor) as run:
            return _searched(run, job, search, progress)
    for name, given in (("objective", objective), ("trials", trials), ("suggest", suggest)):
        if given is not None:
            raise InvalidTypeError(f"{name}= is for a sampler with ask and tell, not for a grid")
    sets = sets_of(grid)
    check_parameters(build, sets)
    job = Job(build, take, options, Shared(len(sets)))
    line = Line(progress, len(sets))
    try:
        with running(job, parts, executor) as run:
            outcomes = run(sets, counting(line))
    finally:
        line.end()
    return _table(sets, outcomes)


RunAll = Callable[[list[Any], Callable[[Outcome], object]], list[Outcome]]


@contextmanager
def running(run: Run, parts: Mapping[str, object], executor: Any) -> Iterator[RunAll]:
    """Return the function that runs sets with an executor, or without one in this thread.

    Args:
        run: runs sets.
        parts: what users gave, of which `run` is made, by the names that errors have for it.
        executor: the executor.
    """
    if executor is None:
        yield partial(_one_by_one, run)
    else:
        with Spread(run, parts, workers_of(executor)) as spread:
            yield spread


def _one_by_one(run: Run, sets: list[Any], done: Callable[[Outcome], object]) -> list[Outcome]:
    outcomes = []
    for outcome in run(sets, lambda: True):
        outcomes.append(outcome)
        done(outcome)
    return outcomes


def counting(line: Line) -> Callable[[Outcome], object]:
    """Return a function that counts an outcome, and raises that of a refusal."""

    def done(outcome: Outcome) -> None:
        if outcome.refused:
            assert outcome.error is not None
            raise outcome.error
        line.add(outcome.error is not None)

    return done


def _searched(run: RunAll, job: Job, search: Search, progress: bool) -> Sweep:
    sets: list[Parameters] = []
    outcomes: list[Outcome] = []
    line = Line(progress, search.trials)
    try:
        for trials, some in search.batches():
            check_parameters(job.build, some)
            found = run(some, counting(line))
            outcomes += map(search.tell, trials, some, found)
            sets += some
    finally:
        line.end()
    return _table(sets, outcomes)


def _table(sets: list[Parameters], outcomes: list[Outcome]) -> Sweep:
    first = next((number for number, each in enumerate(outcomes) if each.error is None), None)
    cells: list[Parameters] = []
    errors: list[Exception | None] = []
    for number, (parameters, outcome) in enumerate(zip(sets, outcomes, strict=True)):
        error = outcome.error
        if error is None and first is not None:
            error = _misfit(number, parameters, outcome, first, outcomes[first])
        cells.append(outcome.cells if error is None else {})
        errors.append(error)
    failed = [error for error in errors if error is not None]
    if failed:
        texts = len(failed), len(errors), text_of(failed[0])
        _logger.warning("%d of %d sets of a sweep failed; the first error: %s", *texts)
    compiled = [each.compiled for each in outcomes if each.error is None]
    return Sweep(sets, cells, errors, compiled, [each.common for each in outcomes])


def _misfit(
    number: int, parameters: Parameters, outcome: Outcome, first: int, other: Outcome
) -> Exception | None:
    """Return what keeps an outcome from being a row of the table."""
    if outcome.sinks != other.sinks:
        return InvalidValueError(
            f"set {number} gives {', '.join(outcome.cells)}, and set {first} gives "
            f"{', '.join(other.cells)}: build must return the same sinks for each set"
        )
    for name in outcome.cells:
        if name in parameters or name == "error":
            return InvalidValueError(
                f"the sink {name!r} has the name of another column: call it something else"
            )
    return None


def _search(
    sampler: Sampler,
    suggest: Suggest | None,
    objective: str | Callable[[dict[str, Any]], Any] | None,
    trials: int | None,
    batch: int,
) -> Search:
    if objective is None:
        raise InvalidValueError(
            "a sampler needs objective=, the sink whose value it is told, or a function of a row"
        )
    if not isinstance(objective, str) and not callable(objective):
        raise InvalidTypeError(
            f"objective is the name of a sink or a function of a row, not {shorten(objective)}"
        )
    if suggest is not None and not callable(suggest):
        raise InvalidTypeError(
            f"suggest must be a function of what ask returned, not {shorten(suggest)}"
        )
    if trials is None:
        raise InvalidValueError("a sampler needs trials=, the number of sets to run")
    for name, given in (("trials", trials), ("batch", batch)):
        if isinstance(given, bool) or not isinstance(given, int):
            raise InvalidTypeError(f"{name} must be a whole number, not {given!r}")
        if given < 1:
            raise InvalidValueError(f"{name} must be at least 1, not {given}")
    return Search(sampler, suggest, objective, trials, batch)


def _check_take(take: object) -> None:
    for each in take.values() if isinstance(take, Mapping) else [take]:
        named = isinstance(each, str) and each in ("last", "columns")
        if not named and not callable(each):
            raise InvalidValueError(
                f'take is "last", "columns" or a function of a sink, not {shorten(each)}'
            )
