"""`Stepper`: a graph that a test runs by hand, on a clock that stands still between two steps."""

from collections import deque
from types import TracebackType
from typing import Any, Self

from graphcore.engine.interpreted import Cycles, lines_of
from graphcore.engine.notes import noted
from graphcore.engine.plan import Node, Plan
from graphcore.engine.run.closing import close
from graphcore.engine.run.lifecycle import Control
from graphcore.engine.run.session import Session
from graphcore.engine.subgraphs import Subgraphs
from graphcore.errors import InvalidValueError, RunError
from graphcore.graph import Graph
from graphcore.node import node_of
from graphcore.origin import is_of_adapter
from graphcore.sources.receiver import ReceiverStream
from graphcore.sources.retrying import Status
from graphcore.sources.timer import Never
from graphcore.state import EndedBy, GraphState
from graphcore.time import Duration, Time, format_time, to_duration, to_time

_NEVER = 1 << 63  # ns; after every time that a run can reach


class Stepper:
    """Runs a graph step by step in the present thread, without waiting.

    Values come from `push`, and time passes by `advance`. Sources that receive from a thread, such
    as `receiver`, `produce_async` and `zmq_sub`, are not started: push what they would have ticked
    with. In a test, ``gc.never()`` can stand for any input. Timers and replays go by the stepper's
    clock. Between two steps, ``stream.value`` and collected ticks can be read.

    Args:
        roots: a `Graph`, or streams, sinks or nodes as for `Graph`.
        start: engine time of the start.

    Raises:
        RunError: on entering, if a node is in another run, or for a node that runs live only.

    >>> import graphcore as gc
    >>> prices = gc.never()
    >>> quiet = prices.silent_for("5s")
    >>> with Stepper(quiet) as step:
    ...     step.push(prices, 10.0)
    ...     step.advance("4s")
    ...     before = step.ticked(quiet)
    ...     step.advance("1s")
    ...     step.ticked(quiet), quiet.value, before
    (True, True, False)
    """

    def __init__(self, *roots: object, start: Time = 0) -> None:
        graph = roots[0] if len(roots) == 1 and isinstance(roots[0], Graph) else Graph(*roots)
        self._plan: Plan = graph._plan
        self._start = to_time(start)
        self._places = {id(node): index for index, node in enumerate(self._plan.nodes)}
        self._fed = {i for i, node in enumerate(self._plan.nodes) if _can_be_fed(node)}
        self._queues: dict[int, deque[Any]] = {index: deque() for index in self._fed}
        self._control = Control(self._plan)
        self._session: Session | None = None
        self._started = 0
        self._before = 0

    def __enter__(self) -> Self:
        """Start the nodes, and run the cycles that are due at the start."""
        self._control.claim()
        try:
            session = Session(self._plan, self._start, None, None, False)
            session.make_subgraphs = Subgraphs
            self._session = session
            self._control.begin(session)
            for index, node in enumerate(self._plan.nodes):
                node.reset()
                self._started = index + 1
                if index not in self._fed:
                    try:
                        node.start(session.states[index])
                    except Exception as error:
                        noted(error, self._plan, index, session, "start")
                        raise
            # An alarm that is never due keeps the run alive, with nothing left but watchdogs.
            session.schedule.add(_NEVER, 0)
            self._cycles = Cycles(self._plan, session)
            for index in self._fed:
                _, state, node = self._cycles.steps[index]
                self._cycles.steps[index] = (self._feed(index, node), state, node)
            self._cycles.lines = lines_of(self._cycles.steps, self._plan)
            self._run_until(session.time)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let the nodes say what they still hold, unless the block or a node failed; stop them."""
        session = self._running()
        if error is not None:
            session.ended_by = EndedBy.ERROR
        elif session.ended_by is None:
            session.ended_by = EndedBy.STOP
        try:
            if session.ended_by is not EndedBy.ERROR:
                close(self._plan, session)
        finally:
            self._stop()

    @property
    def time(self) -> int:
        """Engine time, ns."""
        return self._running().time

    def __repr__(self) -> str:
        """Show the engine time."""
        if self._session is None:
            return "<Stepper, outside of its with block>"
        return f"<Stepper at {format_time(self._session.time)}>"

    def push(self, stream: object, *values: Any) -> None:
        """Let a source tick at the present time, and run the cycles that follow at this time.

        Args:
            stream: a ``gc.never()``, a source that receives from a thread, or the stream of such a
                source that an adapter returns, as `zmq_sub` does.
            values: what it ticks with, in cycles of their own. A source that delivers bursts ticks
                with lists.

        Raises:
            InvalidTypeError: for anything but a stream or a node.
            InvalidValueError: for a stream that is not in the graph, or that has values of its own.
            RunError: if the run has ended, because a node failed or stopped it.
            Exception: what a node raises; it ends the run.
        """
        session = self._running()
        index = self._source_of(stream)
        self._queues[index].extend(values)
        if values:
            session.schedule.add(session.time, index)
        self._run_until(session.time)

    def advance(self, by: Duration) -> None:
        """Let time pass, and run the cycles that are due meanwhile.

        Args:
            by: how long.

        Raises:
            InvalidValueError: for a negative duration.
            RunError, Exception: as `push`.
        """
        length = to_duration(by)
        if length < 0:
            raise InvalidValueError(f"a duration cannot be negative: {by!r}")
        self._run_until(self._running().time + length)

    def ticked(self, stream: object) -> bool:
        """Return whether a stream has ticked in the last step: the last `push` or `advance`.

        Raises:
            InvalidTypeError: for anything but a stream or a node.
            InvalidValueError: for a stream that is not in the graph.
        """
        return self._plan.nodes[self._place_of(stream)].ticked_in > self._before

    def _running(self) -> Session:
        if self._session is None:
            raise RunError("a stepper runs within its block: with Stepper(...) as step: ...")
        return self._session

    def _run_until(self, time: int) -> None:
        session = self._running()
        if session.ended_by is EndedBy.ERROR:
            raise RunError("a node failed, which ended the run: it cannot be stepped any further")
        if session.ended_by is not None:
            raise RunError("a node has ended the run, so it cannot be stepped any further")
        self._before, session.end = session.cycle, time
        while (pending := session.next_cycle()) is not None:
            try:
                self._cycles.run(pending)
            except BaseException:
                session.ended_by = EndedBy.ERROR
                raise
        # A node that asked the run to stop has ended it; otherwise there is only nothing more now.
        if session.ended_by is EndedBy.UNTIL:
            session.ended_by, session.time = None, time

    def _feed(self, index: int, node: Node) -> Any:
        queue = self._queues[index]

        def tick(state: GraphState) -> bool:
            node.value = queue.popleft()
            if queue:
                state.schedule(state.time)
            return True

        return tick

    def _place_of(self, stream: object) -> int:
        node = node_of(stream)
        place = self._places.get(id(node))
        if place is None:
            raise InvalidValueError(f"{node.name} is not in the graph of this stepper")
        return place

    def _source_of(self, stream: object) -> int:
        index = self._place_of(stream)
        if index in self._fed:
            return index
        read = self._plan.active[index] + self._plan.passive[index]
        faces = is_of_adapter(type(self._plan.nodes[index]))
        if faces and len(read) == 1 and read[0] in self._fed:
            return read[0]
        name = self._plan.names()[index]
        why = (
            f"computes its values from {self._plan.names()[read[0]]}"
            if read
            else "has values of its own"
        )
        raise InvalidValueError(
            f"{name} {why}: push takes a gc.never(), or a source that receives from a thread"
        )

    def _stop(self) -> None:
        session, plan = self._session, self._plan
        self._session = None
        try:
            if session is not None:
                session.finish()
                session.ended.set()
                while self._started:
                    index = self._started = self._started - 1
                    if index not in self._fed:
                        plan.nodes[index].stop(session.states[index])
        finally:
            self._control.release()


def _can_be_fed(node: Node) -> bool:
    return isinstance(node, Never | ReceiverStream | Status)
