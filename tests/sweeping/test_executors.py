"""One sweep on each kind of executor gives one table."""

import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import distributed
import loky
import pytest
import ray

import graphcore as gc
from tests.sweeping import builds
from tests.sweeping.builds import GRID, Data, crossover

SPAWN = multiprocessing.get_context("spawn")


class _Loky:
    def __enter__(self) -> Any:
        self.executor = loky.get_reusable_executor(2)
        return self.executor

    def __exit__(self, *raised: Any) -> None:
        self.executor.shutdown()


class _Ray:
    def __enter__(self) -> Any:
        ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
        return ray

    def __exit__(self, *raised: Any) -> None:
        ray.shutdown()


class _Dask:
    def __enter__(self) -> Any:
        self.client = distributed.Client(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
            silence_logs=50,
            # By default, Dask tries a task four times, and starts a worker each time.
            scheduler_kwargs={"allowed_failures": 1},
        )
        return self.client.get_executor()

    def __exit__(self, *raised: Any) -> None:
        self.client.shutdown()
        self.client.close()


KINDS = {
    "threads": lambda: ThreadPoolExecutor(2),
    "processes": lambda: ProcessPoolExecutor(2, SPAWN),
    "loky": _Loky,
    "dask": _Dask,
    "ray": _Ray,
}


# Dask sets MALLOC_TRIM_THRESHOLD_ and others for its workers in this process, and leaves them set.
@pytest.fixture(autouse=True, scope="module")
def environment_of_its_own() -> Iterator[None]:
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(params=KINDS, scope="module")
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def executor(kind: str) -> Iterator[Any]:
    with KINDS[kind]() as executor:
        yield executor


def shown(found: gc.Sweep) -> list[str]:
    return [str({**row, "error": repr(row["error"])}) for row in found]


@pytest.mark.timeout(400)  # on a busy machine, a worker may take half a minute to start
@pytest.mark.filterwarnings("ignore::ResourceWarning")
class TestEachExecutor:
    def test_the_table_is_that_of_a_sweep_in_this_thread(self, executor: Any) -> None:
        here = gc.sweep(crossover, GRID)
        there = gc.sweep(crossover, GRID, executor=executor)
        assert shown(there) == shown(here)
        assert {type(error) for error in there.errors} == {type(None), ValueError}
        assert there.to_pandas().equals(here.to_pandas())

    def test_whole_columns_come_back(self, executor: Any) -> None:
        here = gc.sweep(crossover, GRID, take="columns")
        assert shown(gc.sweep(crossover, GRID, take="columns", executor=executor)) == shown(here)

    def test_the_data_go_over_once_to_each_worker(
        self, executor: Any, kind: str, tmp_path: Path
    ) -> None:
        build = partial(builds.with_data, Data(str(tmp_path)))
        found = gc.sweep(build, {"n": range(200)}, executor=executor)
        assert found.columns["out"] == list(range(200))
        loads = [each.name.split("-")[1] for each in tmp_path.glob("loaded-*")]
        pickles = list(tmp_path.glob("pickled-*"))
        if kind == "threads":
            assert loads == [] and pickles == []
        else:
            assert len(loads) == len(set(loads)) <= 2
            assert len(pickles) == 1

    def test_a_sampler_gets_the_results_in_the_order_in_which_it_asked(self, executor: Any) -> None:
        def told(executor: Any) -> list[Any]:
            log: list[Any] = []

            class Sampler:
                def ask(self) -> dict[str, int]:
                    return {"fast": 2 + len(log) % 3, "slow": 4 + len(log) // 2}

                def tell(self, trial: Any, value: Any) -> None:
                    log.append((trial, value))

            gc.sweep(crossover, Sampler(), objective="gap", trials=12, batch=5, executor=executor)
            return log

        assert told(executor) == told(None)

    def test_what_is_wrong_with_build_ends_the_sweep(self, executor: Any) -> None:
        with pytest.raises(gc.InvalidValueError, match="ticks reads an iterator"):
            gc.sweep(builds.of_iterator, {"n": range(9)}, executor=executor)

    def test_results_and_errors_that_cannot_be_sent_are_the_errors_of_their_sets(
        self, executor: Any, kind: str
    ) -> None:
        found = gc.sweep(builds.raises, {"n": [0, 1, 2]}, executor=executor)
        assert found.columns["out"] == [0, None, None]
        assert "1 and 1" in str(found.errors[1])
        if kind != "threads":
            found = gc.sweep(builds.of_lambda, {"n": [1]}, executor=executor)
            assert "its result cannot be sent back" in str(found.errors[0])

    def test_equal_sets_run_each(self, executor: Any, kind: str, tmp_path: Path) -> None:
        build = partial(builds.deadly, str(tmp_path))
        found = gc.sweep(build, [{"n": 1}, {"n": 1}], executor=executor)
        assert found.columns["out"] == [1, 1]
        assert len(list(tmp_path.glob("run-1-*"))) == 2

    # The last of its executor, because it leaves a pool of processes broken.
    def test_the_sets_of_a_worker_that_died_run_again_once(
        self, executor: Any, kind: str, tmp_path: Path
    ) -> None:
        if kind == "threads":
            pytest.skip("threads do not die")
        build = partial(builds.deadly, str(tmp_path))
        found = gc.sweep(build, {"n": range(12)}, executor=executor)
        assert found.columns["out"] == [None if n == 3 else n for n in range(12)]
        assert "its worker was lost twice" in str(found.errors[3])
        assert len(list(tmp_path.glob("run-3-*"))) <= (4 if kind == "dask" else 2)


def test_threads_get_what_cannot_be_pickled() -> None:
    lock = threading.Lock()

    def build(n: int) -> dict[str, gc.Handle]:
        with lock:
            return {"out": gc.replay([1], [n])}

    with ThreadPoolExecutor(2) as executor:
        found = gc.sweep(build, {"n": range(50)}, executor=executor)
    assert found.columns["out"] == list(range(50))


@pytest.mark.parametrize("number", range(50))
def test_threads_give_the_same_table_each_time(number: int) -> None:
    with ThreadPoolExecutor(4) as executor:
        found = gc.sweep(crossover, GRID, executor=executor)
    assert shown(found) == shown(gc.sweep(crossover, GRID))


class Breaking(Executor):
    """Runs the probe and some tasks, and then is broken."""

    def __init__(self, tasks: int, error: Exception) -> None:
        self.tasks = tasks
        self.error = error

    def submit(self, function: Any, /, *given: Any, **more: Any) -> "Future[Any]":
        self.tasks -= 1
        if self.tasks < 0:
            raise self.error
        future: Future[Any] = Future()
        future.set_result(function(*given, **more))
        return future


@pytest.mark.parametrize("error", [RuntimeError("shut down"), KeyError("odd")])
def test_an_executor_that_takes_nothing_is_refused(error: Exception) -> None:
    with pytest.raises(gc.RunError, match="the executor runs nothing, so give one that is open"):
        gc.sweep(crossover, GRID, executor=Breaking(0, error))


@pytest.mark.parametrize("made", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_an_executor_that_is_shut_down_is_refused(made: Any) -> None:
    executor = made(1)
    executor.shutdown()
    with pytest.raises(gc.RunError, match=r"give one that is open.*after shutdown"):
        gc.sweep(crossover, GRID, executor=executor)


def test_an_executor_that_stops_taking_sets_leaves_rows_with_errors() -> None:
    executor = Breaking(3, RuntimeError("no more"))
    found = gc.sweep(builds.with_data, [{"data": 0, "n": n} for n in range(50)], executor=executor)
    done = [error is None for error in found.errors]
    assert done == sorted(done, reverse=True) and 0 < done.count(True) < 50
    texts = {str(error) for error in found.errors if error is not None}
    assert texts == {"RuntimeError: no more", "there are no workers left"}


def test_large_data_go_to_dask_apart_from_the_tasks_and_a_client_is_as_good_as_its_executor() -> (
    None
):
    data = bytes(20_000_000)
    with distributed.Client(
        n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50
    ) as client:
        # Dask warns of tasks of more than 10 MB, and a warning is an error.
        build = partial(builds.with_data, data)  # type: ignore[arg-type]
        found = gc.sweep(build, {"n": [1, 2]}, executor=client)
        client.shutdown()
    assert found.columns["out"] == [1, 2]


def test_ray_that_is_not_running_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)  # the fixture may have started it
    with pytest.raises(gc.RunError, match=r"Ray is not running: call ray\.init\(\)"):
        gc.sweep(crossover, GRID, executor=ray)


def test_what_is_no_executor_is_refused() -> None:
    with pytest.raises(gc.InvalidTypeError, match=r"executor must be a concurrent\.futures"):
        gc.sweep(crossover, GRID, executor=4)


@pytest.fixture
def one_process() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(1, SPAWN) as executor:
        yield executor


def test_what_cannot_be_pickled_is_named(one_process: ProcessPoolExecutor) -> None:
    build = partial(builds.with_data, {"lock": [threading.Lock()]})  # type: ignore[arg-type]
    with pytest.raises(
        gc.InvalidTypeError,
        match=r"cannot get build: the item 0 of the item 'lock' of the item 0 of build is "
        r"<unlocked _thread.lock object at .*>, which cannot be pickled$",
    ):
        gc.sweep(build, {"n": [1]}, executor=one_process)
    with pytest.raises(gc.InvalidTypeError, match="cannot get set 0: the item 'data' of set 0 is"):
        sets = [{"n": 1, "data": threading.Lock()}]
        gc.sweep(builds.with_data, sets, executor=one_process)


def test_a_local_function_goes_with_cloudpickle_and_is_named_without(
    one_process: ProcessPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    scale = 3

    def build(n: int) -> dict[str, gc.Handle]:
        return {"out": gc.replay([1], [n * scale])}

    monkeypatch.setattr("graphcore.sweeping.pickling.has_cloudpickle", lambda: False)
    with pytest.raises(
        gc.InvalidTypeError,
        match=r"build is <function .*build.*>, which cannot be pickled; pickle sends a function by "
        "its name only: define it at the top of a module, or install cloudpickle",
    ):
        gc.sweep(build, {"n": [1]}, executor=one_process)
    monkeypatch.undo()
    found = gc.sweep(build, {"n": [1]}, executor=one_process)
    assert found.columns["out"] == [3]


def test_what_a_local_function_uses_is_named(one_process: ProcessPoolExecutor) -> None:
    lock = threading.Lock()

    def build(n: int) -> dict[str, gc.Handle]:
        with lock:
            return {"out": gc.replay([1], [n])}

    with pytest.raises(gc.InvalidTypeError, match="the variable lock of build is <unlocked"):
        gc.sweep(build, {"n": [1]}, executor=one_process)
