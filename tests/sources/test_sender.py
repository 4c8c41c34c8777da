"""`Sender`: whatever threads do at one time, no value is lost, reordered or left waiting."""

import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import numpy as np
import pytest

import graphcore as gc

MANY = 3_000


@pytest.fixture
def busy_switching() -> Iterator[None]:
    """Let threads take turns as often as CPython can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def in_threads(*functions: Callable[[], None]) -> None:
    """Run functions at the same time, and wait for all of them."""
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


WAYS: dict[str, Callable[[gc.Sender[int], int], None]] = {
    "send": lambda sender, first: [sender.send(n) for n in range(first, first + MANY)] and None,
    "send_many of lists": lambda sender, first: (
        [
            sender.send_many(list(range(n, min(n + 7, first + MANY))))
            for n in range(first, first + MANY, 7)
        ]
        and None
    ),
    "send_many of an iterator": lambda sender, first: sender.send_many(
        iter(range(first, first + MANY))
    ),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("capacity", [1, 5, 100_000])
@pytest.mark.parametrize("delivery", ["burst", "each"])
def test_values_of_several_threads_all_arrive_in_order_and_none_runs_an_empty_cycle(
    busy_switching: None, way: str, capacity: int, delivery: Any
) -> None:
    def run(sender: gc.Sender[int], stop: threading.Event) -> None:
        in_threads(*(lambda k=k: WAYS[way](sender, k * MANY) for k in range(3)))  # type: ignore[misc]  # its own k

    received: gc.Stream[Any] = gc.receiver(run, capacity=capacity, delivery=delivery)
    out = received.collect()
    report = out.run(realtime=True)
    values = out.values if delivery == "each" else [n for burst in out.values for n in burst]
    assert len(values) == 3 * MANY
    for k in range(3):
        own = [n for n in values if n // MANY == k]
        assert own == list(range(k * MANY, (k + 1) * MANY))
    assert report.cycles == len(out.values)
    if delivery == "burst" and way == "send":
        # Each of several threads may exceed the capacity by one value.
        assert max(map(len, out.values)) <= capacity + 2


def test_a_value_sent_while_another_thread_replaces_its_own_is_not_lost(
    busy_switching: None,
) -> None:
    sent = [("sent", n) for n in range(MANY)]

    def run(sender: gc.Sender[Any], stop: threading.Event) -> None:
        in_threads(
            lambda: [sender.send(each) for each in sent] and None,
            lambda: [sender.replace(("replaced", n)) for n in range(MANY)] and None,
        )

    out = gc.receiver(run).unroll().collect()
    out.run(realtime=True)
    assert [each for each in out.values if each[0] == "sent"] == sent
    replaced = [n for kind, n in out.values if kind == "replaced"]
    assert replaced == sorted(set(replaced))
    assert replaced[-1] == MANY - 1


def test_replace_merges_with_a_value_that_waits() -> None:
    held = threading.Event()

    def run(sender: gc.Sender[Any], stop: threading.Event) -> None:
        for value in ([1], [2], [3]):
            sender.replace(value, lambda waiting, new: waiting + new)
        sender.send([4])
        held.set()

    hold = gc.constant(0).for_each(lambda _: held.wait(20))
    out = gc.receiver(run).unroll().collect()
    gc.Graph(hold, out).run(realtime=True)
    assert out.values == [[1, 2, 3], [4]]


@pytest.mark.parametrize("values", [[1, 2, 3], (1, 2, 3)])
def test_send_many_hands_over_a_list_together_as_far_as_it_fits(values: Any) -> None:
    def run(sender: gc.Sender[int], stop: threading.Event) -> None:
        sender.send_many(values)
        sender.send_many(values[:0])

    stream: gc.Stream[Any] = gc.receiver(run)
    out = stream.collect()
    out.run(realtime=True)
    assert out.values == [[1, 2, 3]]
    small: gc.Stream[Any] = gc.receiver(run, capacity=2)
    out = small.collect()
    out.run(realtime=True)
    assert out.values == [[1, 2], [3]]


def test_send_many_sends_what_an_iterator_yields_before_it_yields_more() -> None:
    arrived = threading.Semaphore(0)

    def values() -> Iterator[int]:
        for n in range(3):
            yield n
            assert arrived.acquire(timeout=20)

    stream = gc.receiver(lambda sender, stop: sender.send_many(values()))
    out = stream.for_each(lambda _: arrived.release()).collect()
    out.run(realtime=True)
    assert out.values == [[0], [1], [2]]


def test_send_many_of_a_list_blocks_until_there_is_room_and_is_stopped_at_the_end() -> None:
    left: list[type[BaseException]] = []

    def run(sender: gc.Sender[int], stop: threading.Event) -> None:
        try:
            sender.send_many([0] * 1_000)
        except gc.Stopped as error:
            left.append(type(error))
            raise

    report = gc.receiver(run, capacity=10).run(realtime=True, cycles=5)
    assert report.ended_by is gc.EndedBy.CYCLES
    assert left == [gc.Stopped]


@pytest.mark.parametrize("way", ["send", "send_many", "replace", "sized"])
def test_a_thread_is_stopped_before_any_node_is(way: str) -> None:
    stopped = threading.Event()

    def run(sender: gc.Sender[Any], stop: threading.Event) -> None:
        ways: dict[str, Callable[[], object]] = {
            "send": lambda: sender.send(0),
            "send_many": lambda: sender.send_many([0]),
            "replace": lambda: sender.replace(0),
            "sized": lambda: sender.send(0, size=2),
        }
        assert stop.wait(20)
        try:
            ways[way]()
        except gc.Stopped:
            stopped.set()
            raise

    @gc.node
    class Last(gc.MutableNode[None]):
        """Stops first, before the receiver, which comes before it in the order."""

        source: gc.Active[Any]

        def cycle(self, state: gc.GraphState) -> bool:
            return False

        def stop(self, state: gc.GraphState) -> None:
            assert stopped.wait(20)

    gc.Graph(Last(gc.receiver(run))).run(realtime=True, duration="10ms")
    assert stopped.is_set()


@pytest.mark.parametrize("delivery", ["each", "burst", "latest"])
def test_an_error_of_the_thread_is_raised_once(delivery: Any) -> None:
    def run(sender: gc.Sender[int], stop: threading.Event) -> None:
        sender.send(1)
        sender.error(KeyError("first"))
        sender.error(KeyError("second"))
        raise KeyError("third")

    with pytest.raises(KeyError, match="first"):
        gc.receiver(run, delivery=delivery).run(realtime=True)


def test_a_value_sent_at_any_line_of_taking_others_arrives_and_runs_no_empty_cycle() -> None:
    line = 0
    while values_sent_at(line) == ["first", "second"]:
        line += 1
    assert line > 5  # each line of `take` had its turn


def values_sent_at(line: int) -> list[str]:
    """Run a receiver that gets a second value while the graph's thread is at a line of `take`."""
    arrived = threading.Event()
    senders: list[gc.Sender[str]] = []
    others: list[threading.Thread] = []
    lines = 0

    def run(sender: gc.Sender[str], stop: threading.Event) -> None:
        senders.append(sender)
        sender.send("first")
        assert arrived.wait(20), "the second value is left waiting"
        for other in others:
            other.join()

    def call(frame: Any, event: str, given: object) -> Any:
        return each_line if frame.f_code is gc.Sender.take.__code__ else None

    def each_line(frame: Any, event: str, given: object) -> Any:
        nonlocal lines
        lines += event == "line"
        if lines == line + 1 and not others:
            others.append(threading.Thread(target=senders[0].send, args=("second",)))
            others[0].start()
            others[0].join(0.05)  # it either ends, or waits for the lock with its value appended
        elif event == "return" and not others:
            arrived.set()
        return each_line

    received: gc.Stream[str] = gc.receiver(run, delivery="each")
    out = received.collect()
    done = received.for_each(lambda value: arrived.set() if value == "second" else None)
    graph = gc.Graph(out, done)
    sys.settrace(call)
    try:
        report = graph.run(realtime=True)
    finally:
        sys.settrace(None)
    assert report.cycles == len(out.values)
    return out.values


def test_values_that_count_for_several_leave_their_room_when_they_are_taken() -> None:
    def run(sender: gc.Sender[int], stop: threading.Event) -> None:
        for value in range(20):
            assert sender.wait_for_room(20)
            sender.send(value, size=3)
            sender.send_many([value])

    out = gc.receiver(run, capacity=5).unroll().collect()
    out.run(realtime=True)
    assert out.values == [each for value in range(20) for each in (value, value)]


def test_a_value_that_counts_for_several_fills_the_inbox() -> None:
    room: list[bool] = []
    held = threading.Event()

    def run(sender: gc.Sender[int], stop: threading.Event) -> None:
        for size in (1, 3, 1):
            room.append(sender.wait_for_room(0))
            sender.send(0, size=size)
        room.append(sender.wait_for_room(0))
        held.set()

    hold = gc.constant(0).for_each(lambda _: held.wait(20))
    gc.Graph(hold, gc.receiver(run, capacity=5)).run(realtime=True)
    assert room == [True, True, True, False]


def test_numbers_of_numpy_that_threads_and_tasks_send_become_pythons() -> None:
    def send(sender: gc.Sender[Any], stop: threading.Event) -> None:
        sender.send_many([np.uint8(200), np.True_])
        sender.send("text")

    async def produce() -> AsyncIterator[Any]:
        yield np.float32(0.5)

    sent, produced = gc.receiver(send, delivery="each"), gc.produce_async(produce, delivery="each")
    polled = gc.poll(lambda: np.int16(3), "1ms").limit(1)
    outs = [stream.collect() for stream in (sent, produced, polled)]
    gc.Graph(*outs).run(realtime=True, duration="100ms")
    assert [out.values for out in outs] == [[200, True, "text"], [0.5], [3]]
    assert [type(value) for out in outs for value in out.values] == [int, bool, str, float, int]
