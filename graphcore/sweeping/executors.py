"""The executors that a sweep takes, each as `Workers`.

Any `concurrent.futures.Executor` will do. Two need more: a client of Dask takes what all tasks need
by `scatter`, and Ray, which has no executor, runs tasks and takes that by `put`.
"""

import os
from concurrent.futures import Future, ProcessPoolExecutor
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, Protocol

from graphcore.errors import InvalidTypeError, RunError, shorten
from graphcore.sweeping.worker import Answer, work

# What is larger is scattered: Dask warns of tasks of more than 10 MB.
_SMALL = 1 << 20


class Workers(Protocol):
    """Where sets run.

    Attributes:
        count: how many sets can run at once, as far as that is known.
    """

    count: int

    def submit(self, token: str, sets: Any, job: Any = None) -> "Future[Answer]":
        """Have some worker call `work`."""

    def share(self, job: bytes) -> Any:
        """Have all workers share a job; return what stands for it in `submit`.

        `None` means that it goes with tasks.
        """

    def again(self) -> "Workers | None":
        """Return new workers in place of broken ones, `None` if that is not possible."""

    def close(self) -> None:
        """End the workers if `again` made them."""


def workers_of(executor: Any) -> Workers:
    """Return an executor as workers.

    Raises:
        InvalidTypeError: for anything but an executor.
    """
    if isinstance(executor, ModuleType) and executor.__name__ == "ray":
        return _Ray(executor)
    if hasattr(executor, "get_executor") and hasattr(executor, "scatter"):
        executor = executor.get_executor()
    if not callable(getattr(executor, "submit", None)):
        raise InvalidTypeError(
            "executor must be a concurrent.futures.Executor, a client of Dask, or the module ray, "
            f"not {shorten(executor)}"
        )
    client = getattr(executor, "_client", None)
    return _Executor(executor) if client is None else _Dask(executor, client)


class _Executor:
    """Any executor."""

    def __init__(self, executor: Any, ours: bool = False) -> None:
        self._executor = executor
        self._ours = ours
        count = getattr(executor, "_max_workers", None)
        self.count = count if isinstance(count, int) else os.cpu_count() or 1

    def submit(self, token: str, sets: Any, job: Any = None) -> "Future[Answer]":
        future: Future[Answer] = self._executor.submit(work, token, sets, job)
        return future

    def share(self, job: bytes) -> Any:
        return None

    def again(self) -> Workers | None:
        # A broken pool of processes stays broken, and says nowhere in public how it was made.
        broken: Any = self._executor
        self.close()
        kind: object = type(broken)
        if kind is ProcessPoolExecutor:
            made = ProcessPoolExecutor(
                broken._max_workers,
                broken._mp_context,
                broken._initializer,
                broken._initargs,
                max_tasks_per_child=broken._max_tasks_per_child,
            )
            return _Executor(made, ours=True)
        if type(broken).__module__.startswith("loky."):
            made = import_module("loky").get_reusable_executor(self.count)
            return None if made is broken else _Executor(made)
        return None

    def close(self) -> None:
        if self._ours:
            self._executor.shutdown()


class _Dask(_Executor):
    """The executor of a client of Dask."""

    def __init__(self, executor: Any, client: Any) -> None:
        super().__init__(executor)
        self._client = client
        self.count = sum(client.nthreads().values()) or 1

    def submit(self, token: str, sets: Any, job: Any = None) -> "Future[Answer]":
        # By default Dask answers a task as it answered an equal one before, also if that was lost.
        future: Future[Answer] = self._executor.submit(work, token, sets, job, pure=False)
        return future

    def share(self, job: bytes) -> Any:
        return self._client.scatter(job, broadcast=True) if len(job) > _SMALL else job

    def again(self) -> Workers | None:
        return self


class _Ray:
    """Tasks of Ray."""

    def __init__(self, ray: Any) -> None:
        if not ray.is_initialized():
            raise RunError("Ray is not running: call ray.init() before the sweep")
        self._ray = ray
        self._task = _ray_task(ray)
        self.count = max(1, int(ray.cluster_resources().get("CPU", 1)))

    def submit(self, token: str, sets: Any, job: Any = None) -> "Future[Answer]":
        future: Future[Answer] = self._task.remote(token, sets, job).future()
        return future

    def share(self, job: bytes) -> Any:
        return self._ray.put(job)

    def again(self) -> Workers | None:
        return self

    def close(self) -> None:
        pass


@cache
def _ray_task(ray: Any) -> Any:
    # The sweep runs sets again by itself.
    return ray.remote(max_retries=0)(work)
