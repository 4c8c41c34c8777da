"""The one thread of an etcd registry: it keeps names and follows keys, while there are any.

Its work comes as tasks, which say when their next step is due. Only this thread runs tasks, and it
runs one step at a time; so a hundred names cost one thread and one connection.
"""

import logging
import threading
from abc import ABC, abstractmethod
from time import monotonic

from graphcore_zmq.registries.etcd.connection import EtcdConnection, RefusedError, UnreachableError
from graphcore_zmq.registry import RegistryError

_logger = logging.getLogger(__name__)

_PAUSE = 0.3  # s between two tries while etcd does not answer
_AFTER_REFUSAL = 1.0  # s between two tries of a task that etcd refused
_PATIENCE = 0.7  # s that `end` waits for a task, before it interrupts the call to etcd
_END = 0.9  # s that `end` waits for a task and for the end of the thread


class Task(ABC):
    """Work with etcd that is done in steps.

    Attributes:
        due: when the next step is due, by the monotonic clock (s).
        ending: whether the next step is the last; set by `EtcdWorker.end`, or by a step.
    """

    def __init__(self) -> None:
        self.due = 0.0
        self.ending = False
        self._refusal = ""

    @abstractmethod
    def step(self) -> None:
        """Do what is due, and set `due`."""

    @abstractmethod
    def finish(self) -> None:
        """Give back what the task holds."""

    @abstractmethod
    def failed(self, error: RegistryError) -> None:
        """A step has failed; the worker tries it again, unless the task is ending."""

    def say_refused(self, message: str, name: str, error: RegistryError) -> None:
        """Log a refusal once, with the name and the reason, and try again a second later."""
        self.due = monotonic() + _AFTER_REFUSAL
        if str(error) != self._refusal:
            self._refusal = str(error)
            _logger.error(message, name, error)

    def succeeded(self) -> None:
        """A step has succeeded: the next refusal is logged again."""
        self._refusal = ""


class EtcdWorker:
    """Runs tasks in a thread that begins with the first of them and ends with the last.

    Args:
        connection: what the tasks use; the thread holds it open.
    """

    def __init__(self, connection: EtcdConnection) -> None:
        self._connection = connection
        self._tasks: list[Task] = []
        # Kept apart from `due`: a running step sets `due` at its end, and would overwrite the
        # wake-up.
        self._woken: set[Task] = set()
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()
        self._resume_at = 0.0
        self._down = False
        self._hung = False

    def add(self, task: Task) -> None:
        """Begin a task."""
        with self._changed:
            self._tasks.append(task)
            if self._thread is None:
                self._hung = self._down = False
                self._thread = threading.Thread(
                    target=self._run, name="graphcore-etcd", daemon=True
                )
                self._thread.start()
            self._changed.notify_all()

    def wake(self, task: Task) -> None:
        """Make a task's next step due now; from any thread."""
        with self._changed:
            if task in self._tasks:
                self._woken.add(task)
                self._changed.notify_all()

    def end(self, task: Task) -> bool:
        """Finish a task, and the thread with the last task; returns within a second.

        Returns:
            Whether the task has finished; if not, etcd did not answer, and the task is dropped.
        """
        until = monotonic() + _END
        with self._changed:
            thread = self._thread
            task.ending = True
            self._changed.notify_all()
            # If etcd does not answer, only the first task waits for it; the others are dropped at
            # once.
            patience = 0.0 if self._hung else _PATIENCE
            finished = self._changed.wait_for(lambda: task not in self._tasks, patience)
            if not finished:
                self._hung = True
                self._drop(task)
            last = not self._tasks
        if last and not finished:
            self._connection.interrupt()
        if last and thread is not None:
            thread.join(max(until - monotonic(), 0.0))
        return finished

    def given_up(self, task: Task) -> bool:
        """Return whether a task was dropped while it waited for etcd."""
        return task not in self._tasks

    def _run(self) -> None:
        try:
            with self._connection.held():
                while (task := self._await_due()) is not None:
                    self._do(task)
        except BaseException as error:
            with self._changed:
                orphans, self._tasks, self._thread = self._tasks, [], None
                self._woken.clear()
                self._changed.notify_all()
            for task in orphans:
                task.failed(RegistryError(f"the thread for etcd ended with an error: {error!r}"))
            raise

    def _await_due(self) -> Task | None:
        with self._changed:
            while self._tasks:
                task = min(self._tasks, key=self._time_of)
                wait = self._time_of(task) - monotonic()
                if wait <= 0:
                    return task
                self._changed.wait(wait)
            self._thread = None
            return None

    def _time_of(self, task: Task) -> float:
        if task.ending:
            return 0.0
        return self._resume_at if task in self._woken else max(task.due, self._resume_at)

    def _do(self, task: Task) -> None:
        with self._changed:
            self._woken.discard(task)
        ending = task.ending
        began = monotonic()
        try:
            if ending:
                task.finish()
            else:
                task.step()
        except UnreachableError as error:
            self._unreachable(task, error)
        except RefusedError as error:
            task.failed(error)
        else:
            task.succeeded()
            # A step that asks etcd nothing succeeds even while etcd is down.
            if self._connection.answered_at >= began:
                self._answered()
        if ending:
            with self._changed:
                self._drop(task)

    def _drop(self, task: Task) -> None:
        if task in self._tasks:
            self._tasks.remove(task)
        self._woken.discard(task)
        self._changed.notify_all()

    def _unreachable(self, task: Task, error: UnreachableError) -> None:
        with self._changed:
            if task not in self._tasks:
                return  # the task was dropped; the others find out by themselves
            self._resume_at = monotonic() + _PAUSE
            # The reason of its wake-up still stands, and its own `due` may be far away.
            self._woken.add(task)
            others = [each for each in self._tasks if each is not task and not each.ending]
        for each in (task, *others):
            each.failed(error)
        if not self._down and not all(each.ending for each in (task, *others)):
            self._down = True
            _logger.warning("%s; trying again", error)

    def _answered(self) -> None:
        self._hung = False
        if self._down:
            self._down = False
            _logger.warning("etcd answers again")
