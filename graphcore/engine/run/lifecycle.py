"""A run from its first `start` to its last `stop` (R10, R14), and what its errors become."""

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable, Container, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import Protocol, TypeVar

from graphcore.engine.collector import without_collections
from graphcore.engine.notes import add_note, noted
from graphcore.engine.plan import Node, Plan
from graphcore.engine.run.closing import close
from graphcore.engine.run.running import RunningSession
from graphcore.engine.run.seen import Seen
from graphcore.engine.run.session import Session
from graphcore.engine.run.signals import ending_by_signal
from graphcore.errors import RunError
from graphcore.node import MutableNode
from graphcore.state import EndedBy, RunMode

T = TypeVar("T")


class Runs(Protocol):
    """What runs the cycles of a plan."""

    def run(self, session: Session) -> None:
        """Run the plan's nodes cycle by cycle until the session is over."""


class Tier(Runs, Protocol):
    """A way of running a plan."""

    def prepare(self, mode: RunMode, watched: bool) -> None:
        """Prepare a run, before its time begins; `watched` is as `Session.watched`."""

    def look(self, session: Session, indices: Iterable[int]) -> Seen:
        """Look at the run between two cycles, in the graph's thread, or while no cycles run."""


class Control:
    """What other threads may ask of a run, from its claim on its nodes until it has ended.

    Args:
        plan: the plan to run.
        loop: the event loop that awaits the run, if there is one.

    Attributes:
        plan: the argument.
        loop: the argument.
        started: an event that is set when all nodes have started.
        release: frees the nodes; call it in a `finally`. It is one call in C: Ctrl-C could break
            into a function, or a context manager, and leave claims.
    """

    def __init__(self, plan: Plan, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.plan = plan
        self.loop = loop
        self.started = threading.Event()
        self._session: Session | None = None
        self._stopped = False
        self._thread = 0
        self._claimed: list[int] = []  # the ids of nodes, which are told apart by identity
        self.release: Callable[[], object] = partial(
            deque, map(_running.pop, self._claimed, repeat(None)), 0
        )

    def claim(self) -> None:
        """Claim the plan's nodes, before the run touches any of them (R12).

        Raises:
            RunError: if a node is in another run.
        """
        nodes = self.plan.nodes
        self._thread = threading.get_ident()
        with _running_lock:
            taken = next((node for node in nodes if id(node) in _running), None)
            if taken is not None:
                raise RunError(f"{taken.name} is in another run; a node is in one run at a time")
            # Before they are claimed, so that Ctrl-C in between leaves no claim behind.
            self._claimed.extend(map(id, nodes))
            _running.update(dict.fromkeys(self._claimed, self))

    def begin(self, session: Session) -> None:
        """Make `stop` end this session, at once if it was called before."""
        self._session = session
        if self._stopped:
            session.request_stop(EndedBy.STOP)

    @property
    def is_elsewhere(self) -> bool:
        """Whether the run is in another thread than the caller."""
        return self._thread != threading.get_ident()

    def ask(self, question: Callable[[], T]) -> T:
        """From another thread: call a function between two cycles, and return its result."""
        return question() if self._session is None else self._session.ask(question)

    def stop(self) -> None:
        """End the run after the present cycle; from any thread, and safe in a signal handler."""
        # First, so that `begin` sees this flag or this method sees the session.
        self._stopped = True
        if self._session is not None:
            self._session.request_stop(EndedBy.STOP)


_running: dict[int, Control] = {}  # by the ids of nodes
_running_lock = threading.Lock()


def control_of(node: Node) -> Control | None:
    """Return the control of the run that a node is in."""
    return _running.get(id(node))


def _forget_claims() -> None:
    """Free all nodes in a forked child: their runs go on in the parent only."""
    global _running_lock
    _running.clear()
    # A thread that held the lock is not in the child, so nobody would release it.
    _running_lock = threading.Lock()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_forget_claims)


def execute(
    plan: Plan,
    session: Session,
    tier: "Runs",
    ready: threading.Event,
    started: "Started | None" = None,
) -> None:
    """Start the nodes in order, run the tier, close, and stop all whose `start` was called.

    Args:
        plan: what is run.
        session: the run.
        tier: how to run it.
        ready: set once all nodes have started.
        started: what `begin` has started, if it was called before; if it failed, `tier` raises why.

    Raises:
        BaseException: a lone error itself; several as a group, the first to happen first.
    """
    errors: list[BaseException] = []
    is_begun = started is not None
    started = started or Started()
    realtime = session.run_mode is RunMode.REALTIME
    with ending_by_signal(session) if realtime else nullcontext():
        try:
            if not is_begun:
                begin(plan, session, ready, started)
            tier.run(session)
        except BaseException as error:  # raised again below, once the nodes are stopped
            errors.append(error)
            interrupted = isinstance(error, KeyboardInterrupt) and not realtime and started.all
            session.ended_by = EndedBy.SIGNAL if interrupted else EndedBy.ERROR
        closed = session.ended_by is EndedBy.ERROR
        told = all_stopped = False
        while not all_stopped:  # again after Ctrl-C
            try:
                if not closed:
                    closed = True
                    close(plan, session)
                if not told:
                    session.finish()
                    told = True  # before `set`: Ctrl-C in it may leave the event's lock taken
                    session.ended.set()
                stop_nodes(plan, session, started)
                all_stopped = True
            except BaseException as error:  # raised again below, with the others
                errors.append(error)
                if not isinstance(error, Exception):
                    continue
                if told:
                    add_note(error, plan, started.count, session.time, "stop")
                else:
                    session.ended_by = EndedBy.ERROR
    # They refer to the session, which refers to them: without this only the collector would free a
    # run with its nodes and their state, and a sweep makes thousands.
    session.states.clear()
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise BaseExceptionGroup("the run failed, and so did stopping it", errors)


@dataclass(slots=True)
class Started:
    """How many nodes have to be stopped, and whether that is all of them.

    Attributes:
        count: the number.
        all: whether all nodes have started.
        without: the indices of nodes that are neither started nor stopped.
    """

    count: int = 0
    all: bool = False
    without: Container[int] = ()


def begin(plan: Plan, session: Session, ready: threading.Event, started: Started) -> None:
    """Start the nodes in order.

    Args:
        plan: what is run.
        session: the run.
        ready: set once all nodes have started.
        started: where it is kept what has started, for `execute`.
    """
    # A live run may wait in `start` for others, while the whole process makes garbage.
    realtime = session.run_mode is RunMode.REALTIME
    with nullcontext() if realtime else without_collections():
        start_nodes(plan, session, started)
    ready.set()
    session.begin_answering()
    started.all = True


# These two loops have functions of their own: in CPython 3.13 a `try` around a loop in the same
# function may miss Ctrl-C at the loop's jump back (cpython issue 130279).


def start_nodes(plan: Plan, session: RunningSession, started: Started) -> None:
    """Start the nodes in order."""
    empty = MutableNode.start  # which does nothing; most nodes have it
    for index, node in enumerate(plan.nodes):
        try:
            node.reset()
            started.count += 1
            is_empty = getattr(node.start, "__func__", None) is empty
            if not (is_empty or index in started.without):
                node.start(session.states[index])
        except Exception as error:
            # They have not ticked with what they set in `start` (R5), and never will.
            for earlier in plan.nodes[:index]:
                vars(earlier).pop("value", None)
            noted(error, plan, index, session, "start")
            raise


def stop_nodes(plan: Plan, session: RunningSession, started: Started) -> None:
    """Stop the nodes whose `start` was called, the last one first."""
    empty = MutableNode.stop  # which does nothing; most nodes have it
    while started.count:
        index, stop = started.count - 1, plan.nodes[started.count - 1].stop
        is_empty = getattr(stop, "__func__", None) is empty
        # Between this line and the call there is no point at which Ctrl-C could break in.
        started.count = index
        if not (is_empty or index in started.without):
            stop(session.states[index])
