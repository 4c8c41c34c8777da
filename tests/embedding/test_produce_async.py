"""`produce_async` and `poll`: sources for asynchronous and for blocking code."""

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import pytest

import graphcore as gc
from graphcore.testing import ticks, wait_until


def threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("graphcore-")]


def values(stream: gc.Stream[Any], **options: Any) -> list[Any]:
    return [value for _, value in ticks(stream, realtime=True, **options)]


async def numbers() -> AsyncIterator[int]:
    for n in range(1_000):
        if n % 100 == 0:
            await asyncio.sleep(0)
        yield n


def test_each_value_ticks_in_order() -> None:
    assert values(gc.produce_async(numbers, delivery="each")) == list(range(1_000))
    bursts = values(gc.produce_async(numbers))
    assert [n for burst in bursts for n in burst] == list(range(1_000))
    assert values(gc.produce_async(numbers, delivery="latest"))[-1] == 999
    assert threads() == []


@pytest.mark.parametrize("capacity", [1, 7])
def test_a_full_inbox_holds_the_generator_up_and_loses_nothing(capacity: int) -> None:
    yielded: list[int] = []
    entered, go_on = threading.Event(), threading.Event()

    async def counted() -> AsyncIterator[int]:
        async for n in numbers():
            yielded.append(n)
            yield n

    def hold(n: int) -> int:
        entered.set()
        assert go_on.wait(20)
        return n

    out = gc.produce_async(counted, delivery="each", capacity=capacity).map(hold).collect()
    with gc.Graph(out).running() as run:
        assert entered.wait(20)
        wait_until(lambda: len(yielded) > capacity)
        assert run.join("20ms") is False
        assert len(yielded) <= 2 * capacity + 1
        go_on.set()
        assert run.join("20s")
    assert out.values == list(range(1_000))


def test_the_generator_is_cancelled_at_the_end_of_the_run_and_cleans_up() -> None:
    log: list[str] = []

    async def endless() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.sleep(3_600)
        except asyncio.CancelledError:
            log.append("cancelled")
            raise
        finally:
            await asyncio.sleep(0)
            log.append("clean")

    assert values(gc.produce_async(endless, delivery="each"), cycles=1) == [1]
    assert log == ["cancelled", "clean"]
    assert threads() == []


def test_a_generator_that_yields_after_the_end_is_closed() -> None:
    log: list[str] = []

    async def restless() -> AsyncIterator[int]:
        try:
            n = 0
            while True:
                n += 1
                yield n
        finally:
            log.append("closed")

    assert values(gc.produce_async(restless, delivery="each", capacity=10), cycles=3) == [1, 2, 3]
    assert log == ["closed"]


def test_an_error_of_the_generator_ends_the_run_after_the_values_before_it() -> None:
    async def fails() -> AsyncIterator[int]:
        yield 1
        yield 2
        raise OSError("the line is cut")

    out = gc.produce_async(fails, delivery="each").named("feed").collect()
    with pytest.raises(OSError, match="the line is cut") as caught:
        out.run(realtime=True)
    assert out.values == [1, 2]
    assert "in feed (AsyncSource), wired at" in caught.value.__notes__[0]


def test_a_generator_that_swallows_its_cancellation_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from graphcore.sources import asynchronous

    monkeypatch.setattr(asynchronous, "JOIN_SECONDS", 0.1)
    go_on = threading.Event()

    async def stubborn() -> AsyncIterator[int]:
        yield 1
        while not go_on.is_set():
            try:
                await asyncio.sleep(20)
            except asyncio.CancelledError:
                await asyncio.to_thread(go_on.wait, 20)

    stream = gc.produce_async(stubborn, delivery="each").named("stubborn")
    releasing = threading.Timer(1.0, go_on.set)
    releasing.start()
    with pytest.raises(gc.RunError, match="generator of stubborn swallows its cancellation"):
        stream.run(realtime=True, cycles=1)
    releasing.join()


def test_under_run_async_generators_run_in_the_very_loop() -> None:
    async def main() -> None:
        queue = asyncio.Queue[int | None]()
        loops: list[asyncio.AbstractEventLoop] = []

        async def from_queue() -> AsyncIterator[int]:
            loops.append(asyncio.get_running_loop())
            while (item := await queue.get()) is not None:
                yield item

        out = gc.produce_async(from_queue, delivery="each").map(lambda n: n * 2).collect()
        task = asyncio.create_task(gc.Graph(out).run_async(realtime=True))
        for n in (1, 2, None):
            queue.put_nowait(n)
        await task
        assert loops == [asyncio.get_running_loop()]
        assert out.values == [2, 4]
        assert threads() == []

    asyncio.run(main())


def test_a_cancelled_task_cancels_the_generator_in_its_loop() -> None:
    async def main() -> None:
        begun, cleaned = asyncio.Event(), asyncio.Event()

        async def endless() -> AsyncIterator[int]:
            try:
                begun.set()
                await asyncio.sleep(3_600)
                yield 1
            finally:
                cleaned.set()

        task = asyncio.create_task(gc.Graph(gc.produce_async(endless)).run_async(realtime=True))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert cleaned.is_set()

    asyncio.run(main())


def test_a_loop_that_is_closed_is_told_in_one_sentence() -> None:
    from graphcore.embedding.event_loop import RunLoop

    closed = asyncio.new_event_loop()
    closed.close()
    with pytest.raises(gc.RunError, match="the event loop of this run is closed: keep it open"):
        RunLoop(closed).call(print)
    with pytest.raises(gc.RunError, match="the event loop of this run is closed: keep it open"):
        RunLoop(closed).spawn(asyncio.sleep(0), "sleep")


def test_any_function_that_returns_an_asynchronous_iterator_will_do() -> None:
    class Counting:
        def __init__(self) -> None:
            self.n = 0

        def __aiter__(self) -> "Counting":
            return self

        async def __anext__(self) -> int:
            self.n += 1
            if self.n > 3:
                raise StopAsyncIteration
            return self.n

    stream = gc.produce_async(Counting, delivery="each")
    assert values(stream) == values(stream) == [1, 2, 3]


def test_a_function_that_returns_something_else_ends_the_run() -> None:
    with pytest.raises(gc.InvalidTypeError, match="async def with yield does; it returned 5"):
        gc.produce_async(lambda: 5).run(realtime=True)  # type: ignore[arg-type, return-value]


def test_a_historical_run_is_refused() -> None:
    with pytest.raises(gc.RunError, match="it only supports real-time mode"):
        gc.produce_async(numbers).run()
    with pytest.raises(gc.RunError, match="it only supports real-time mode"):
        gc.poll(lambda: 1, "1s").run()


async def coroutine() -> int:
    return 1


def generator(*given: object) -> Any:
    yield 1


async def receive(sender: gc.Sender[int], stop: threading.Event) -> None:
    sender.send(1)


SOURCES: dict[str, tuple[Callable[[], object], str]] = {
    "a coroutine": (lambda: gc.produce_async(coroutine), "coroutine is async without yield"),  # type: ignore[arg-type]
    "a plain generator": (lambda: gc.produce_async(generator), "write it with async def"),
    "a generator that was begun": (
        lambda: gc.produce_async(numbers()),  # type: ignore[arg-type]
        "give the function that makes it, without calling it",
    ),
    "no function": (lambda: gc.produce_async(5), "needs an async generator function, not 5"),  # type: ignore[arg-type]
    "capacity": (lambda: gc.produce_async(numbers, capacity=0), "at least 1, not 0"),
    "an async receiver": (lambda: gc.receiver(receive), "receive is async, and receiver calls"),  # type: ignore[arg-type]
    "an async generator as receiver": (lambda: gc.receiver(numbers), "give an async generator to"),  # type: ignore[arg-type]
    "a generator as receiver": (lambda: gc.receiver(generator), "to call it runs nothing of it"),
    "an async poll": (lambda: gc.poll(coroutine, "1s"), "coroutine is async, and poll calls"),
    "a generator to poll": (lambda: gc.poll(generator, "1s"), "is a generator function"),
    "for_each": (lambda: gc.constant(1).for_each(coroutine), "consume_async(function) awaits it"),  # type: ignore[arg-type]
    "map": (lambda: gc.constant(1).map(coroutine), "consume_async(function) awaits it"),  # type: ignore[arg-type]
    "filter": (lambda: gc.constant(1).filter(coroutine), "consume_async(function) awaits it"),  # type: ignore[arg-type]
    "a generator to for_each": (lambda: gc.constant(1).for_each(generator), "without yield"),
    "a generator to finally_": (lambda: gc.constant(1).finally_(generator), "without yield"),
}


@pytest.mark.parametrize("case", SOURCES)
def test_functions_of_the_wrong_kind_are_refused_in_one_sentence(case: str) -> None:
    wire, told = SOURCES[case]
    with pytest.raises((gc.InvalidTypeError, gc.InvalidValueError)) as caught:
        wire()
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_poll_calls_a_function_at_once_and_then_every_period() -> None:
    names: set[str] = set()
    counter = itertools.count()  # a loaded graph ends later than the fourth call

    def read() -> int:
        names.add(threading.current_thread().name)
        return next(counter)

    out = gc.poll(read, "1ms").named("meter").collect()
    out.run(realtime=True, cycles=4)
    assert out.values == [0, 1, 2, 3]
    assert names == {"graphcore-meter"}
    assert threads() == []


class Clock:
    """The time of a polling thread, and the event that ends it: its waits are what passes time."""

    def __init__(self) -> None:
        self.now = 5
        self.waits: list[int] = []

    def __call__(self) -> int:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.waits.append(round(seconds * 1e9))
        self.now += self.waits[-1]
        return len(self.waits) > 4


def test_calls_begin_at_multiples_of_the_period_and_one_that_takes_longer_skips_some(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from graphcore.sources import receiver

    clock = Clock()
    began: list[int] = []
    takes = iter([10, 250, 99, 100])

    def read() -> int:
        began.append(clock.now)
        clock.now += next(takes)
        return 0

    sent = SimpleNamespace(send=lambda value: None)
    monkeypatch.setattr(receiver, "monotonic_ns", clock)
    receiver.Polled(read, 100)(sent, clock)  # type: ignore[arg-type]  # all that it uses of them
    assert began == [5, 105, 405, 505]
    assert clock.waits == [0, 90, 50, 1, 100]


def test_an_error_of_a_polled_function_ends_the_run() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        gc.poll(lambda: 1 // 0, "1ms").named("meter").run(realtime=True)
    assert "in meter (Poll)" in caught.value.__notes__[0]
