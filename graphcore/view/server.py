"""`Server`: the thread that answers those who view the runs of one graph.

A viewer is a connection, with a `Visit`. While there is no viewer, the thread sleeps without a
timer, and the graph is not asked anything.
"""

import asyncio
import json
import logging
import os
import socket
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from graphcore.engine.plan import Plan
from graphcore.engine.run.lifecycle import Tier
from graphcore.engine.run.session import Session
from graphcore.state import RunMode
from graphcore.view.logs import LogTail
from graphcore.view.lookout import Lookout, Wanted
from graphcore.view.structure import Structure
from graphcore.view.visits import RequestError, Run, Visit

_logger = logging.getLogger(__name__)

MOST_VIEWERS = 64
LONGEST_LINE = 65_536  # bytes of a request
LONGEST_MESSAGE = 1 << 24  # bytes of an answer: 500 lines of log and 5,000 points fit
_INTERVAL = 0.25  # s
_SHORTEST = 0.01  # s between two looks, for a page that asks without end
_PATIENCE = 1.0  # s for the last messages to leave
_ALONE = 3.0  # s after which a paused run that nobody views any more goes on
_JOIN_SECONDS = 5.0

Serve = Callable[["Server", asyncio.Event], Awaitable[None]]
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Server:
    """Answers viewers, from `start` to `stop`.

    Args:
        plan: the plan of the graph.
        serve: what to run in the thread's event loop: it lets viewers in by `attend`, and returns
            soon after its event is set.
        paused: whether historical runs begin in a pause.
    """

    def __init__(self, plan: Plan, serve: Serve, paused: bool = False) -> None:
        self._plan = plan
        self._serve = serve
        self._begins_paused = paused
        self._structure = Structure(plan)
        self._lookout = Lookout(self._on_sight)
        self._log: LogTail | None = None
        self._present: tuple[Session, Tier] | None = None
        self._run = Run()
        self._viewers: list[_Viewer] = []
        self._attending: set[asyncio.Task[Any]] = set()
        self._thread = threading.Thread(target=self._whole, name="graphcore-view", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._ending, self._soon, self._visited = (asyncio.Event() for _ in range(3))
        self._error: BaseException | None = None

    # From other threads

    def start(self) -> None:
        """Start the thread, and wait until it serves.

        Raises:
            BaseException: what kept it from serving.
        """
        self._thread.start()
        try:
            self._ready.wait()
        except BaseException:  # Ctrl-C
            self.stop()
            raise
        if self._error is not None:
            self._thread.join()
            raise self._error

    def stop(self) -> None:
        """Send the last messages, close all connections, and end the thread."""
        if self._loop is None:
            self._ending.set()
        self._call(lambda: self._ending.set())
        self._thread.join(_JOIN_SECONDS)
        if self._thread.is_alive():
            _logger.warning("%s goes on: it does not answer", self._thread.name)

    def begin(self, session: Session, tier: Tier) -> None:
        """Show a run that begins, or is in progress."""
        if self._begins_paused and session.run_mode is RunMode.HISTORICAL:
            session.questions.pause(True)
        self._call(lambda: self._begun(session, tier))

    def end(self, session: Session, failure: str) -> None:
        """Show that a run has ended."""
        self._call(lambda: self._has_ended(session, failure))

    def _on_sight(self) -> None:
        self._call(lambda: self._soon.set())

    def _call(self, function: Callable[[], object]) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: there is nobody left to tell
                self._loop.call_soon_threadsafe(function)

    # In the thread

    def _whole(self) -> None:
        try:
            with asyncio.Runner() as runner:
                self._loop = runner.get_loop()
                runner.run(self._main())
        except BaseException as error:  # raised by `start`, if it waits
            if self._ready.is_set():
                _logger.exception("the live view has failed")
            self._error = error
        finally:
            self._close_log()
            self._ready.set()

    async def _main(self) -> None:
        closing = asyncio.Event()
        watching = asyncio.create_task(self._watch())
        serving = asyncio.ensure_future(self._serve(self, closing))
        ending = asyncio.create_task(self._ending.wait())
        try:
            await asyncio.wait({serving, ending}, return_when=asyncio.FIRST_COMPLETED)
            await self._flush()
        finally:
            closing.set()
            tasks = [watching, ending, *self._attending]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await serving

    def serves(self) -> None:
        """Say that viewers can connect from now on."""
        self._ready.set()

    def _begun(self, session: Session, tier: Tier) -> None:
        self._present = session, tier
        self._run = Run(session, self._run.number + 1)
        self._lookout.forget()
        self._soon.set()

    def _has_ended(self, session: Session, failure: str) -> None:
        self._run = Run(session, self._run.number, failure, True)
        self._lookout.ask_anew()
        self._soon.set()

    async def _watch(self) -> None:
        """Look at the run, and show what is seen, as long as somebody views it."""
        while True:
            await self._visited.wait()
            self._look()
            await self._wait(_INTERVAL)  # until it is seen, but a cycle may take long
            self._show()
            await self._wait(_INTERVAL)
            await asyncio.sleep(_SHORTEST)

    async def _wait(self, seconds: float) -> None:
        """Wait until something new is to be seen or shown, but no longer than this."""
        # Not `wait_for`: on Python 3.11, it may swallow the cancellation that ends this task.
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._soon.wait()
        self._soon.clear()

    def _look(self) -> None:
        if self._present is None:
            return
        wanted = [viewer.visit.wanted for viewer in self._viewers]
        self._lookout.look(
            *self._present,
            Wanted(
                frozenset().union(*(each.rows for each in wanted)),
                frozenset().union(*(each.whole for each in wanted)),
                frozenset().union(*(each.charted for each in wanted)),
            ),
        )

    def _show(self) -> None:
        """Let each viewer be sent its next message."""
        points = self._lookout.take_points()
        for viewer in self._viewers:
            viewer.visit.add_points(points)
            viewer.turn.set()

    async def _flush(self) -> None:
        """Give viewers the last state."""
        self._look()
        self._show()
        end = asyncio.get_running_loop().time() + _PATIENCE
        while any(viewer.turn.is_set() or viewer.is_busy for viewer in self._viewers):
            if asyncio.get_running_loop().time() > end:
                return
            await asyncio.sleep(_SHORTEST)

    # Viewers

    async def connect(self) -> Connection:
        """Return the viewer's end of a new connection within this process."""
        inside, outside = socket.socketpair()
        ours = await asyncio.open_connection(sock=inside, limit=LONGEST_LINE)
        self._attending.add(asyncio.create_task(self.attend(*ours)))
        return await asyncio.open_connection(sock=outside, limit=LONGEST_MESSAGE)

    async def attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer a viewer until it leaves."""
        task = asyncio.current_task()
        assert task is not None
        self._attending.add(task)
        try:
            if len(self._viewers) >= MOST_VIEWERS:
                text = f"{MOST_VIEWERS} pages view this graph already: close one of them"
                await _send(writer, {"refused": text})
                return
            viewer = _Viewer(Visit(self._structure, self._plan.nodes))
            self._enter(viewer)
            try:
                await self._answer(viewer, reader, writer)
            finally:
                self._leave(viewer)
        except (OSError, RequestError, ValueError) as error:  # ValueError: a line that is too long
            _logger.debug("a page of the live view has gone: %s", error)
        except asyncio.CancelledError:
            # Only the end of the view cancels this task. Python 3.11 would log that as an error.
            _logger.debug("the live view has ended while a page was open")
        finally:
            writer.close()
            self._attending.discard(task)

    async def _answer(
        self, viewer: "_Viewer", reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await _send(writer, {"hello": {"nodes": self._structure.count, "pid": os.getpid()}})
        showing = asyncio.create_task(self._show_to(viewer, writer))
        try:
            while line := await reader.readline():
                answer = viewer.visit.receive(line, self._run)
                if answer:
                    await _send(writer, answer)
                self._soon.set()
        finally:
            showing.cancel()
            await asyncio.gather(showing, return_exceptions=True)

    async def _show_to(self, viewer: "_Viewer", writer: asyncio.StreamWriter) -> None:
        # A page that is slow to read gets fewer messages: one is under way at a time.
        try:
            while True:
                await viewer.turn.wait()
                viewer.turn.clear()
                viewer.is_busy = True
                assert self._log is not None
                sight, waiting = self._lookout.sight, self._lookout.waiting
                message = viewer.visit.message(self._run, sight, waiting, self._log)
                await _send(writer, {"now": message})
                viewer.is_busy = False
        except OSError:
            pass  # the page has gone
        except Exception:
            _logger.exception("the live view cannot show the run to a page")
        finally:
            viewer.is_busy = False
            writer.close()  # so that the page is told

    def _enter(self, viewer: "_Viewer") -> None:
        if self._log is None:
            self._log = LogTail()
            self._log.open()
        self._viewers.append(viewer)
        self._visited.set()

    def _leave(self, viewer: "_Viewer") -> None:
        self._viewers.remove(viewer)
        if self._viewers:
            return
        self._visited.clear()
        self._lookout.forget()
        self._close_log()
        if self._run.is_historical:
            asyncio.get_running_loop().call_later(_ALONE, self._go_on)

    def _go_on(self) -> None:
        session = self._run.session
        if session is not None and not self._viewers and not self._run.has_ended:
            session.questions.pause(False)

    def _close_log(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None


class _Viewer:
    """A connection.

    Args:
        visit: what it is shown.

    Attributes:
        turn: an event that is set when it is to be sent the present state.
        is_busy: whether a message is under way.
    """

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.turn = asyncio.Event()
        self.is_busy = False


async def _send(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
    writer.write(json.dumps(message, allow_nan=False).encode() + b"\n")
    await writer.drain()
