"""Forks: a child process has copies of its parent's objects, and none of its threads.

In the child a registry starts anew: without names, watches, threads or a connection. The claims,
watches and clients of the parent stay the parent's: the child can neither use nor end them.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol
from weakref import WeakSet

from graphcore_zmq.registry import RegistryError

# s that a fork waits for calls that are under way
_BRIEFLY = 0.2  # before they are interrupted
_PATIENCE = 3.0  # after that


class StartsAnew(Protocol):
    """An object with threads, locks or connections of its own."""

    def start_anew(self) -> None:
        """Begin again in a forked child: replace the locks, and leave all else of the parent alone.

        Another thread of the parent may have held the locks, and will never release them here.
        """


class Owner:
    """The process that has begun something, and whose thread or connection serves it."""

    def __init__(self) -> None:
        self._process = os.getpid()

    @property
    def is_here(self) -> bool:
        """Whether this is the owning process, and not a fork of it."""
        return os.getpid() == self._process

    def check(self, what: str, instead: str) -> None:
        """Refuse what belongs to the parent.

        Raises:
            RegistryError: in a fork of the owning process.
        """
        if not self.is_here:
            raise RegistryError(
                f"{what} belongs to process {self._process}; this process is a fork of it: "
                f"{instead}"
            )


class ForkBarrier:
    """Delays forks while calls are under way that must not be copied half into a child.

    A fork waits 3 s at most, in case a call hangs, or a signal handler forks in the middle of one.

    Args:
        interrupt: makes calls return; called before a fork, after they had a moment to do so.
    """

    def __init__(self, interrupt: Callable[[], None] = lambda: None) -> None:
        self._interrupt = interrupt
        self._start_anew()
        if hasattr(os, "register_at_fork"):  # Windows has no fork
            os.register_at_fork(
                before=self._close, after_in_parent=self._reopen, after_in_child=self._start_anew
            )

    @contextmanager
    def held(self) -> Iterator[None]:
        """Delay forks for a block; while a fork is on its way, wait for it."""
        with self._changed:
            self._changed.wait_for(lambda: not self._forking)
            self._calls += 1
        try:
            yield
        finally:
            with self._changed:
                self._calls -= 1
                self._changed.notify_all()

    def _close(self) -> None:
        self._changed.acquire()
        self._forking = True
        self._changed.wait_for(lambda: not self._calls, _BRIEFLY)
        self._interrupt()
        self._changed.wait_for(lambda: not self._calls, _PATIENCE)

    def _reopen(self) -> None:
        self._forking = False
        self._changed.notify_all()
        self._changed.release()

    def _start_anew(self) -> None:
        self._changed = threading.Condition()
        self._calls = 0
        self._forking = False


_objects: "WeakSet[StartsAnew]" = WeakSet()


def start_anew_in_forks(each: StartsAnew) -> None:
    """Call an object's `start_anew` in each child that is forked while the object lives."""
    _objects.add(each)


def _start_all_anew() -> None:
    for each in list(_objects):
        each.start_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_all_anew)
