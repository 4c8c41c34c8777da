"""`await graph.run_async()` runs a graph beside the tasks of an event loop."""

import asyncio
import contextvars
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

import graphcore as gc
from graphcore.testing import wait_until


def threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("graphcore-")]


async def until(happened: threading.Event) -> None:
    """Wait in the loop for something that happens in the graph's thread."""
    async with asyncio.timeout(20):
        while not happened.is_set():
            await asyncio.sleep(0.001)


class Live:
    """A live graph that says when it ticks, and never ends by itself."""

    def __init__(self) -> None:
        self.ticked = threading.Event()
        self.out = gc.ticker("1h").for_each(lambda time: self.ticked.set()).collect()
        self.graph = gc.Graph(self.out)


def test_it_returns_the_report_of_a_run_over_history() -> None:
    out = gc.from_iterable([1, 2, 3]).sum().collect()
    report = asyncio.run(gc.Graph(out).run_async())
    assert (report.cycles, report.ended_by) == (3, gc.EndedBy.SOURCES)
    assert out.values == [1, 3, 6]


def test_the_loop_goes_on_while_a_cycle_waits() -> None:
    entered, go_on = threading.Event(), threading.Event()

    def wait(value: int) -> int:
        entered.set()
        assert go_on.wait(20)
        return value

    async def main() -> gc.RunReport:
        graph = gc.Graph(gc.constant(1).map(wait))
        task = asyncio.create_task(graph.run_async(realtime=True))
        await until(entered)
        assert not task.done()
        go_on.set()
        return await task

    assert asyncio.run(main()).ended_by is gc.EndedBy.SOURCES


def test_stop_ends_the_run_and_the_task_returns_its_report() -> None:
    async def main() -> gc.RunReport:
        live = Live()
        task = asyncio.create_task(live.graph.run_async(realtime=True))
        await until(live.ticked)
        assert live.graph.stop() is True
        return await task

    assert asyncio.run(main()).ended_by is gc.EndedBy.STOP
    assert threads() == []


def test_a_cancelled_task_stops_the_run_waits_for_its_end_and_is_cancelled() -> None:
    stopped: list[Any] = []

    class Tells(gc.MutableNode[int]):
        def start(self, state: gc.GraphState) -> None:
            state.hold()

        def cycle(self, state: gc.GraphState) -> bool:
            return False

        def stop(self, state: gc.GraphState) -> None:
            stopped.append(state.ended_by)

    async def main() -> None:
        live = Live()
        task = asyncio.create_task(gc.Graph(Tells(), live.out).run_async(realtime=True))
        await until(live.ticked)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()
        assert stopped == [gc.EndedBy.STOP]
        assert threads() == []
        assert live.graph.stop() is False

    asyncio.run(main())


def test_a_task_that_is_cancelled_again_still_waits_for_the_end() -> None:
    stopping, go_on = threading.Event(), threading.Event()

    class Slow(gc.MutableNode[int]):
        def cycle(self, state: gc.GraphState) -> bool:
            return False

        def start(self, state: gc.GraphState) -> None:
            state.hold()

        def stop(self, state: gc.GraphState) -> None:
            stopping.set()
            assert go_on.wait(20)

    async def main() -> None:
        live = Live()
        task = asyncio.create_task(gc.Graph(Slow(), live.out).run_async(realtime=True))
        await until(live.ticked)
        task.cancel()
        await until(stopping)
        task.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not task.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert threads() == []

    asyncio.run(main())


def test_a_timeout_stops_the_run() -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await gc.Graph(gc.ticker("1h")).run_async(realtime=True)
        assert threads() == []

    asyncio.run(main())


def test_an_error_of_the_run_is_raised_where_it_is_awaited() -> None:
    graph = gc.Graph(gc.constant(0).map(lambda n: 1 // n).named("share"))
    with pytest.raises(ZeroDivisionError) as caught:
        asyncio.run(graph.run_async(realtime=True))
    assert "in share (Map)" in caught.value.__notes__[0]


def test_an_error_while_a_cancelled_run_stops_is_raised_instead() -> None:
    class Fails(gc.MutableNode[int]):
        def start(self, state: gc.GraphState) -> None:
            state.hold()

        def cycle(self, state: gc.GraphState) -> bool:
            return False

        def stop(self, state: gc.GraphState) -> None:
            raise OSError("the file is full")

    async def main() -> None:
        live = Live()
        task = asyncio.create_task(gc.Graph(Fails(), live.out).run_async(realtime=True))
        await until(live.ticked)
        task.cancel()
        with pytest.raises(OSError, match="the file is full"):
            await task

    asyncio.run(main())


def test_an_error_cancels_the_other_tasks_of_a_group_and_the_other_way_round() -> None:
    async def fail(live: Live) -> None:
        await until(live.ticked)
        raise KeyError("mine")

    async def main() -> None:
        live = Live()
        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                group.create_task(live.graph.run_async(realtime=True))
                group.create_task(fail(live))
        assert [type(each) for each in caught.value.exceptions] == [KeyError]
        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.sleep(20))
                group.create_task(gc.Graph(gc.constant(0).map(lambda n: 1 // n)).run_async())
        assert [type(each) for each in caught.value.exceptions] == [ZeroDivisionError]
        assert threads() == []

    asyncio.run(main())


def test_two_graphs_run_beside_each_other_and_a_second_run_of_one_is_refused() -> None:
    async def main() -> None:
        lives = [Live(), Live()]
        tasks = [asyncio.create_task(live.graph.run_async(realtime=True)) for live in lives]
        for live in lives:
            await until(live.ticked)
        with pytest.raises(gc.RunError, match="is in another run"):
            await lives[0].graph.run_async(realtime=True)
        for live in lives:
            live.graph.stop()
        assert [report.cycles for report in await asyncio.gather(*tasks)] == [1, 1]

    asyncio.run(main())


def test_functions_see_the_context_variables_of_the_task() -> None:
    user = contextvars.ContextVar("user", default="nobody")

    async def main() -> list[str]:
        user.set("me")
        out = gc.constant(1).map(lambda n: user.get()).collect()
        await gc.Graph(out).run_async()
        return out.values

    assert asyncio.run(main()) == ["me"]


def test_a_run_whose_loop_is_thrown_away_is_stopped() -> None:
    live = Live()
    loop = asyncio.new_event_loop()
    task = loop.create_task(live.graph.run_async(realtime=True))
    loop.run_until_complete(until(live.ticked))
    loop.close()
    # The task's coroutine is closed, as when Python drops a task that is still pending.
    task.get_coro().close()  # type: ignore[union-attr]  # it has one
    task._log_destroy_pending = False  # type: ignore[attr-defined]  # it would log that it is lost
    for thread in threading.enumerate():
        if thread.name == "graphcore-run":
            thread.join(20)
    assert threads() == []
    assert live.graph.stop() is False


def test_what_a_run_raises_after_its_loop_was_closed_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    failing, ticked = threading.Event(), threading.Event()

    def fail(n: int) -> int:
        ticked.set()
        if failing.is_set():
            raise ValueError("too late")
        return n

    graph = gc.Graph(gc.ticker("1ms").map(fail))
    loop = asyncio.new_event_loop()
    task = loop.create_task(graph.run_async(realtime=True))
    loop.run_until_complete(until(ticked))
    loop.close()
    failing.set()
    wait_until(lambda: threads() == [])
    task._log_destroy_pending = False  # type: ignore[attr-defined]  # it would log that it is lost
    (record,) = caplog.records
    assert record.getMessage() == "the run failed after its event loop was closed"
    assert record.exc_info is not None and str(record.exc_info[1]) == "too late"


def test_a_web_application_serves_what_a_graph_computes_until_it_is_shut_down() -> None:
    """The lifespan of an ASGI application, as of FastAPI: start, serve, shut down."""

    class App:
        def __init__(self) -> None:
            self.live = Live()

        @asynccontextmanager
        async def lifespan(self) -> AsyncIterator[None]:
            task = asyncio.create_task(self.live.graph.run_async(realtime=True))
            try:
                yield
            finally:
                self.live.graph.stop()
                await task

        async def get(self) -> int:
            await until(self.live.ticked)
            return len(self.live.out)

    async def serve() -> None:
        app = App()
        async with app.lifespan():
            assert await asyncio.gather(*(app.get() for _ in range(20))) == [1] * 20
        assert threads() == []

    asyncio.run(serve())


def test_a_notebook_starts_a_run_in_one_cell_and_stops_it_in_another() -> None:
    """A notebook's loop runs all the time; each cell is a task of its own in it."""
    names: dict[str, Any] = {}

    async def first_cell() -> None:
        names["live"] = Live()
        names["run"] = asyncio.create_task(names["live"].graph.run_async(realtime=True))

    async def second_cell() -> int:
        await until(names["live"].ticked)
        return len(names["live"].out)

    async def third_cell() -> gc.RunReport:
        names["live"].graph.stop()
        report: gc.RunReport = await names["run"]
        return report

    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(loop.create_task(first_cell()))
        assert loop.run_until_complete(loop.create_task(second_cell())) == 1
        report = loop.run_until_complete(loop.create_task(third_cell()))
        assert report.ended_by is gc.EndedBy.STOP
    finally:
        loop.close()


INTERRUPTED = """
import asyncio, signal
import graphcore as gc

signal.signal(signal.SIGINT, signal.default_int_handler)
out = gc.ticker("1h").for_each(lambda time: print("on", flush=True)).collect()

async def main():
    try:
        await gc.Graph(out).run_async(realtime=True)
    except asyncio.CancelledError:
        print("cancelled", flush=True)
        raise

try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c_under_asyncio_run_cancels_the_task_and_stops_the_run() -> None:
    command = [sys.executable, "-c", INTERRUPTED]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "on\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60)[0] == "cancelled\ninterrupted\n"
        assert process.returncode == 0
