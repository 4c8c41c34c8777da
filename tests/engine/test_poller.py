"""Sources whose sockets the graph's thread reads between cycles: `state.poll`."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import graphcore as gc
from graphcore.testing import wait_until

END = 255  # the byte that stops the run
RENEW = 254  # the byte after which the pipe is another one


class Pipe:
    """A pollable that takes the bytes of a pipe, each with the name of the thread that read it."""

    def __init__(self, take: Callable[[int, str], None]) -> None:
        self._take = take
        self.due = float("inf")
        self.served_when_due = False
        self._reads: list[int] = []
        self.renew()

    def renew(self) -> None:
        """Go on with a new pipe."""
        read, self._write = os.pipe()
        self._reads += read, self._write
        self.descriptors = (read,)

    def serve(self, ready: int | None, idle: float) -> None:
        if ready is None:
            self.served_when_due, self.due = True, float("inf")
            return
        for byte in os.read(ready, 1_000):
            self._take(byte, threading.current_thread().name)
            if byte == RENEW:
                self.renew()
                self.due = 0.0

    def say(self, byte: int) -> None:
        os.write(self._write, bytes([byte]))

    def close(self) -> None:
        for each in self._reads:
            os.close(each)


class Polled(gc.MutableNode[tuple[int, str]]):
    """Ticks with each byte of its pipe."""

    def start(self, state: gc.GraphState) -> None:
        self.taken: list[tuple[int, str]] = []

        def take(byte: int, thread: str) -> None:
            self.taken.append((byte, thread))
            state.wake()

        self.pipe = Pipe(take)
        state.hold()
        state.poll(self.pipe)

    def upstreams(self) -> gc.Upstreams:
        return gc.Upstreams()

    def cycle(self, state: gc.GraphState) -> bool:
        if not self.taken:
            return False
        self.value = self.taken.pop(0)
        if self.value[0] == END:
            state.stop()
        elif self.taken:
            state.schedule(state.time)
        return True

    def stop(self, state: gc.GraphState) -> None:
        state.end_poll(self.pipe)
        self.pipe.close()


Script = Callable[[Polled], None]
Sink = Callable[[gc.Stream[tuple[int, str]]], gc.Stream[Any]]
HERE, SECOND = "MainThread", "graphcore-poller"


@pytest.fixture
def run() -> Iterator[Callable[..., list[tuple[int, str]]]]:
    """Run a polled source, and beside it a script that writes to its pipe; return its ticks."""
    before = set(threading.enumerate()), len(os.listdir("/proc/self/fd"))

    def run_it(script: Script, *sinks: Sink, **options: Any) -> list[tuple[int, str]]:
        node = Polled()
        stream = gc.Stream(node)
        out = stream.collect()
        errors: list[BaseException] = []

        def whole() -> None:
            wait_until(lambda: hasattr(node, "pipe"))
            try:
                script(node)
            except BaseException as error:
                errors.append(error)
            finally:
                node.pipe.say(END)

        thread = threading.Thread(target=whole)
        thread.start()
        gc.Graph(out, *(sink(stream) for sink in sinks)).run(
            realtime=True, duration="30s", **options
        )
        thread.join()
        assert errors == []
        return out.values

    yield run_it
    assert (set(threading.enumerate()), len(os.listdir("/proc/self/fd"))) == before


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the second thread never read, however long the machine takes for a cycle."""
    monkeypatch.setattr("graphcore.engine.poller.AWAY", 60.0)


def await_tick(node: Polled, byte: int) -> None:
    wait_until(lambda: node.ticked_in and node.value[0] == byte)


@pytest.mark.parametrize("spin", [0, "20ms"])
@pytest.mark.usefixtures("alone")
def test_the_graphs_thread_reads_what_comes_while_it_waits(run, spin: Any) -> None:
    def script(node: Polled) -> None:
        for byte in range(5):
            node.pipe.say(byte)
            await_tick(node, byte)

    values = run(script, spin=spin)
    assert values == [*((byte, HERE) for byte in range(5)), (END, HERE)]


@pytest.mark.usefixtures("alone")
def test_a_source_that_is_due_is_served_and_its_new_descriptor_is_waited_for(run) -> None:
    def script(node: Polled) -> None:
        node.pipe.say(RENEW)
        wait_until(lambda: node.pipe.served_when_due)
        node.pipe.say(2)
        await_tick(node, 2)

    assert run(script) == [(RENEW, HERE), (2, HERE), (END, HERE)]


def test_a_second_thread_reads_while_a_cycle_takes_long_and_the_first_goes_on_after_it(run) -> None:
    go_on = threading.Event()

    def script(node: Polled) -> None:
        node.pipe.say(0)
        await_tick(node, 0)
        for byte in range(1, 4):
            node.pipe.say(byte)
            wait_until(lambda byte=byte: (byte, SECOND) in node.taken)
        go_on.set()
        await_tick(node, 3)
        node.pipe.say(4)
        await_tick(node, 4)

    def hold(value: tuple[int, str]) -> None:
        if value[0] == 0:
            assert go_on.wait(20)

    values = run(script, lambda stream: stream.for_each(hold))
    assert [byte for byte, _ in values] == [0, 1, 2, 3, 4, END]
    assert {thread for _, thread in values[1:4]} == {SECOND}


class Busy(gc.MutableNode[int]):
    """Is due again as soon as its cycle is over."""

    def start(self, state: gc.GraphState) -> None:
        state.schedule(state.time)

    def upstreams(self) -> gc.Upstreams:
        return gc.Upstreams()

    def cycle(self, state: gc.GraphState) -> bool:
        state.schedule(state.time + 1)
        return False


@pytest.mark.usefixtures("alone")
def test_a_run_that_never_waits_reads_all_the_same(run) -> None:
    def script(node: Polled) -> None:
        for byte in range(5):
            node.pipe.say(byte)
            await_tick(node, byte)

    values = run(script, lambda _: gc.Stream(Busy()))
    assert values == [*((byte, HERE) for byte in range(5)), (END, HERE)]


@pytest.mark.usefixtures("alone")
def test_values_of_a_receiver_end_the_wait(run) -> None:
    echoed: list[int] = []
    answers: list[Polled] = []

    def answer(sender: gc.Sender[int], stop: threading.Event) -> None:
        wait_until(lambda: answers)
        for number in range(20):
            sender.send(number)
            wait_until(lambda number=number: echoed[-1:] == [number])

    def script(node: Polled) -> None:
        answers.append(node)
        wait_until(lambda: len(echoed) == 20)

    assert run(script, lambda _: gc.receiver(answer).unroll().for_each(echoed.append)) == [
        (END, HERE)
    ]


@pytest.mark.parametrize("spin", [0, "10s"])
def test_a_signal_ends_the_wait(spin: Any) -> None:
    node = Polled()

    def interrupt() -> None:
        wait_until(lambda: hasattr(node, "pipe"))
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    report = gc.Stream(node).run(realtime=True, duration="30s", spin=spin)
    thread.join()
    assert report.ended_by == "signal"


def test_alarms_go_off_while_the_run_waits_for_sockets(run) -> None:
    counted: list[int] = []

    def script(node: Polled) -> None:
        wait_until(lambda: len(counted) == 20)

    run(script, lambda _: gc.ticker("5ms").count().limit(20).for_each(counted.append))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"receive": "fast"}, 'receive is "thread" or "inline", not \'fast\''),
        ({"spin": "-1ms"}, "spin is a duration of 0 or more, not '-1ms'"),
    ],
)
def test_what_a_run_does_not_take_is_refused(options: Any, message: str) -> None:
    with pytest.raises(gc.InvalidValueError) as refused:
        gc.constant(1).run(realtime=True, **options)
    assert str(refused.value) == message


def test_a_system_without_poll_is_told_of_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("select.poll")
    with pytest.raises(gc.RunError, match=r"needs select\.poll, .*: use receive=\"thread\""):
        gc.Stream(Polled()).run(realtime=True)
