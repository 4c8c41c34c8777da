"""`consume_async` awaits a function for each value, and loses neither values nor errors."""

import asyncio
import threading
from collections.abc import Callable
from itertools import pairwise
from time import monotonic_ns
from typing import Any

import pytest

import graphcore as gc
from graphcore.testing import ticks, wait_until


def threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("graphcore-")]


def values(stream: gc.Stream[Any], **options: Any) -> list[Any]:
    return [value for _, value in ticks(stream, realtime=True, **options)]


async def square(n: int) -> int:
    await asyncio.sleep(0)
    return n * n


class Rendezvous:
    """Calls that end when the test says so, from another thread."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.cancelled: list[int] = []
        self._open: dict[int, tuple[asyncio.AbstractEventLoop, asyncio.Event]] = {}

    async def __call__(self, n: int) -> int:
        self._open[n] = asyncio.get_running_loop(), asyncio.Event()
        self.begun.append(n)
        try:
            await self._open[n][1].wait()
        except asyncio.CancelledError:
            self.cancelled.append(n)
            raise
        return -n

    def finish(self, n: int) -> None:
        wait_until(lambda: n in self._open)
        loop, event = self._open[n]
        loop.call_soon_threadsafe(event.set)


@pytest.mark.parametrize("concurrency", [1, 3, 100])
@pytest.mark.parametrize("capacity", [1, 1_000])
@pytest.mark.parametrize("ordered", [True, False])
def test_every_value_gives_one_result(concurrency: int, capacity: int, ordered: bool) -> None:
    squares = gc.from_iterable(range(2_000)).consume_async(
        square, concurrency=concurrency, capacity=capacity, ordered=ordered
    )
    got = values(squares)
    assert (got if ordered else sorted(got)) == [n * n for n in range(2_000)]
    assert threads() == []


def test_results_tick_in_the_order_of_the_values_whichever_call_ends_first() -> None:
    calls = Rendezvous()
    out = gc.from_iterable([1, 2, 3]).consume_async(calls, concurrency=3).collect()
    with gc.Graph(out).running() as run:
        wait_until(lambda: len(calls.begun) == 3)
        calls.finish(3)
        calls.finish(2)
        assert len(out) == 0
        calls.finish(1)
        assert run.join("20s")
    assert out.values == [-1, -2, -3]


def test_unordered_results_tick_as_they_come() -> None:
    calls = Rendezvous()
    out = gc.from_iterable([1, 2, 3]).consume_async(calls, concurrency=3, ordered=False).collect()
    with gc.Graph(out).running() as run:
        for place, n in enumerate([3, 1, 2], 1):
            calls.finish(n)
            wait_until(lambda: len(out) == place)  # noqa: B023
        assert run.join("20s")
    assert out.values == [-3, -1, -2]


def test_other_sources_tick_between_results_that_wait() -> None:
    all_submitted = threading.Event()
    seen: list[object] = []

    async def note(n: int) -> int:
        assert all_submitted.wait(20)  # so that all results come at once
        return n

    def hold_up(n: int) -> None:
        late = monotonic_ns() + 2_000_000
        while monotonic_ns() < late:
            pass
        seen.append(n)

    source = gc.from_iterable(range(20))
    results = source.consume_async(note)
    last = source.filter(lambda n: n == 19).for_each(lambda n: all_submitted.set())
    out = results.for_each(hold_up)
    beats = gc.ticker("1ms").for_each(lambda time: seen.append("beat"))
    gc.Graph(out, last, beats, results.filter(lambda n: n == 19).stop_run()).run(realtime=True)
    numbers = [place for place, each in enumerate(seen) if each != "beat"]
    assert [seen[place] for place in numbers] == list(range(20))
    assert all("beat" in seen[a:b] for a, b in pairwise(numbers[1:]))


def test_no_more_calls_are_in_flight_than_concurrency_says() -> None:
    inside: list[int] = []
    most: list[int] = []

    async def watched(n: int) -> int:
        inside.append(n)
        most.append(len(inside))
        await asyncio.sleep(0)
        inside.remove(n)
        return n

    assert len(values(gc.from_iterable(range(200)).consume_async(watched, concurrency=4))) == 200
    assert max(most) == 4


def test_a_full_queue_holds_the_graph_up() -> None:
    calls = Rendezvous()
    seen: list[int] = []
    fed = gc.from_iterable(range(10)).for_each(seen.append)
    out = fed.consume_async(calls, concurrency=1, capacity=2).collect()
    with gc.Graph(out).running() as run:
        # One call is in flight, two values wait, and the graph holds the fourth.
        wait_until(lambda: seen == [0, 1, 2, 3])
        assert run.join("20ms") is False
        assert seen == [0, 1, 2, 3]
        calls.finish(0)
        wait_until(lambda: seen == [0, 1, 2, 3, 4])
        for n in range(1, 10):
            calls.finish(n)
        assert run.join("20s")
    assert out.values == [-n for n in range(10)]


def test_stop_ends_a_graph_that_is_held_up() -> None:
    calls = Rendezvous()
    seen: list[int] = []
    fed = gc.from_iterable(range(10)).for_each(seen.append)
    graph = gc.Graph(fed.consume_async(calls, concurrency=1, capacity=1, on_end="cancel"))
    with graph.running():
        wait_until(lambda: seen == [0, 1, 2])
        assert graph.stop() is True
    assert calls.cancelled == [0]
    assert threads() == []


def test_an_error_of_a_call_ends_the_run_with_the_value_in_its_note() -> None:
    async def invert(n: int) -> float:
        await asyncio.sleep(0)
        return 1 / n

    out = gc.from_iterable([2, 1, 0, 4]).consume_async(invert).named("inverse").collect()
    with pytest.raises(ZeroDivisionError) as caught:
        out.run(realtime=True)
    assert out.values == [0.5, 1.0]
    notes = "\n".join(caught.value.__notes__)
    assert "inverse was awaiting its function for 0" in notes
    assert "in inverse (ConsumeAsync), wired at " in notes
    assert threads() == []


def test_a_call_that_cancels_itself_ends_the_run_in_one_sentence() -> None:
    async def give_up(n: int) -> None:
        raise asyncio.CancelledError

    with pytest.raises(gc.RunError, match="a call of consume_async_.* was cancelled by its own"):
        gc.constant(1).consume_async(give_up).run(realtime=True)


def test_a_function_that_returns_nothing_to_await_is_refused() -> None:
    out: Any = gc.constant(1).consume_async(lambda n: n + 1).named("post")  # type: ignore[arg-type]
    with pytest.raises(gc.InvalidTypeError, match=r"post needs a function .* async def .* 2\b"):
        out.run(realtime=True)


def test_a_call_that_swallows_its_cancellation_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from graphcore.operators import asynchronous

    monkeypatch.setattr(asynchronous, "_PATIENCE", 0.1)
    go_on, begun = threading.Event(), threading.Event()

    async def stubborn(n: int) -> None:
        begun.set()
        while not go_on.is_set():
            try:
                await asyncio.sleep(20)
            except asyncio.CancelledError:
                await asyncio.to_thread(go_on.wait, 20)

    stream = gc.constant(1).consume_async(stubborn, on_end="cancel").named("stubborn")
    graph = gc.Graph(stream)
    releasing = threading.Timer(1.0, go_on.set)
    refused = pytest.raises(gc.RunError, match="a call of stubborn swallows its cancellation")
    with refused, graph.running():
        assert begun.wait(20)
        releasing.start()
    releasing.join()


def test_calls_of_a_second_run_start_clean() -> None:
    graph = gc.Graph(out := gc.from_iterable([1, 2, 3]).consume_async(square).collect())
    for _ in range(3):
        graph.run(realtime=True)
        assert out.values == [1, 4, 9]


def test_chains_of_calls_share_one_event_loop() -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    async def note(n: int) -> int:
        loops.append(asyncio.get_running_loop())
        return n + 1

    stream = gc.from_iterable([1, 2]).consume_async(note).consume_async(note)
    assert values(stream) == [3, 4]
    assert len(loops) == 4
    assert len(set(loops)) == 1


def test_under_run_async_calls_run_in_the_very_loop() -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    async def main() -> list[int]:
        lock = asyncio.Lock()

        async def note(n: int) -> int:
            loops.append(asyncio.get_running_loop())
            async with lock:
                await asyncio.sleep(0)
            return n * 2

        out = gc.from_iterable([1, 2, 3]).consume_async(note).collect()
        await gc.Graph(out).run_async(realtime=True)
        assert loops == [asyncio.get_running_loop()] * 3
        return out.values

    assert asyncio.run(main()) == [2, 4, 6]


def test_a_cancelled_task_cancels_the_calls_in_flight() -> None:
    calls = Rendezvous()

    async def main() -> None:
        graph = gc.Graph(gc.constant(1).consume_async(calls, on_end="cancel"))
        task = asyncio.create_task(graph.run_async(realtime=True))
        while not calls.begun:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert calls.cancelled == [1]

    asyncio.run(main())
    assert threads() == []


def test_a_historical_run_is_refused() -> None:
    with pytest.raises(gc.RunError, match="it only supports real-time mode"):
        gc.constant(1).consume_async(square).run()


async def generator(n: int) -> Any:
    yield n


@pytest.mark.parametrize(
    "wire",
    [
        lambda s: s.consume_async(3),
        lambda s: s.consume_async(generator),
        lambda s: s.consume_async(square, concurrency=0),
        lambda s: s.consume_async(square, concurrency=1.5),
        lambda s: s.consume_async(square, capacity=0),
        lambda s: s.consume_async(square, ordered="yes"),
        lambda s: s.consume_async(square, on_end="drop"),
    ],
)
def test_wrong_arguments_are_refused_where_the_graph_is_wired(
    wire: Callable[[gc.Stream[int]], object],
) -> None:
    with pytest.raises((gc.InvalidTypeError, gc.InvalidValueError)) as caught:
        wire(gc.constant(1))
    assert "\n" not in str(caught.value)


def test_a_call_that_returns_no_awaitable_ends_the_run() -> None:
    with pytest.raises(TypeError, match="await"):
        gc.constant(1).consume_async(lambda n: n).run(realtime=True)  # type: ignore[arg-type]


def test_r14_calls_in_flight_are_awaited_at_the_end_and_tick() -> None:
    calls = Rendezvous()
    seen: list[int] = []
    fed = gc.from_iterable([1, 2, 3]).for_each(seen.append)
    out = fed.consume_async(calls, concurrency=2).collect()
    with gc.Graph(out).running() as run:
        wait_until(lambda: len(calls.begun) == 2 and len(seen) == 3)
        run.stop()
        for n in (2, 1, 3):
            calls.finish(n)
        assert run.join("20s")
    assert (out.values, run.report.ended_by) == ([-1, -2, -3], gc.EndedBy.STOP)
    assert calls.cancelled == []


def test_r14_what_comes_in_the_closing_instant_is_awaited_too() -> None:
    total = gc.from_iterable([1, 2, 3]).fold(lambda a, n: a + n, 0)
    lots = gc.from_iterable([1, 2, 3]).buffer(2).consume_async(lambda lot: square(len(lot)))
    totals, out = total.consume_async(square).collect(), lots.collect()
    gc.Graph(totals, out).run(realtime=True)
    assert totals.values == [36]
    assert out.values == [4, 1]


def test_r14_a_queue_that_drains_at_the_end_is_awaited_to_its_last_value() -> None:
    lists = gc.ticker("1h").map(lambda t: list(range(50)))
    out = lists.unroll().consume_async(square, concurrency=3).collect()
    gc.Graph(out).run(realtime=True, cycles=3)
    assert out.values == [n * n for n in range(50)]


def test_r14_with_cancel_calls_in_flight_are_cancelled_and_finished_ones_tick() -> None:
    calls = Rendezvous()
    gate = threading.Event()
    first = gc.from_iterable([1, 2]).consume_async(calls, concurrency=2, on_end="cancel")
    out = first.for_each(lambda n: gate.wait(20)).collect()
    with gc.Graph(out).running() as run:
        wait_until(lambda: len(calls.begun) == 2)
        calls.finish(1)
        run.stop()
        gate.set()
        assert run.join("20s")
    assert out.values in ([], [-1])
    assert calls.cancelled == [2]


def test_r14_calls_that_do_not_end_in_time_are_cancelled_and_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from graphcore.operators import asynchronous

    monkeypatch.setattr(asynchronous, "_PATIENCE", 0.2)
    calls = Rendezvous()
    out = gc.from_iterable([1, 2]).consume_async(calls, concurrency=2).named("calls").collect()
    with gc.Graph(out).running() as run:
        wait_until(lambda: len(calls.begun) == 2)
        calls.finish(1)
        run.stop()
        assert run.join("20s")
    assert out.values == [-1]
    assert calls.cancelled == [2]
    assert "calls: calls cancelled at the end of the run: 1" in caplog.text


def test_r14_an_error_of_a_call_at_the_end_is_raised() -> None:
    calls = Rendezvous()

    async def fail(n: int) -> int:
        await calls(n)
        raise OSError("the server is gone")

    graph = gc.Graph(gc.constant(1).consume_async(fail).named("calls"))
    ended = pytest.raises(OSError, match="the server is gone")
    with ended as caught, graph.running() as run:
        wait_until(lambda: calls.begun)
        run.stop()
        calls.finish(1)
        assert run.join("20s")
    assert "calls was awaiting its function for 1" in "\n".join(caught.value.__notes__)
    assert threads() == []
