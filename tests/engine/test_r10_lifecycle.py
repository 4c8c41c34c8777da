"""R10: start in order, stop in reverse, whatever happens; nothing outlives a run."""

import dis
import sys
import threading
from collections import defaultdict
from contextlib import nullcontext
from types import CodeType, FrameType
from typing import Any

import pytest

import graphcore as gc


class Traced(gc.MutableNode[int]):
    """Logs its lifecycle, and fails where the test says."""

    def __init__(
        self,
        name: str,
        log: list[str],
        *upstreams: gc.MutableNode[Any],
        fails: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        self.name, self.log, self.reads, self.fails = name, log, upstreams, fails

    def upstreams(self) -> gc.Upstreams:
        return gc.Upstreams(active=self.reads)

    def _step(self, step: str) -> None:
        self.log.append(f"{step} {self.name}")
        if step in self.fails:
            raise ValueError(f"{step} {self.name}")

    def start(self, state: gc.GraphState) -> None:
        if not self.reads:
            state.schedule(state.time)
        self._step("start")

    def cycle(self, state: gc.GraphState) -> bool:
        self._step("cycle")
        self.value = 0
        return True

    def stop(self, state: gc.GraphState) -> None:
        self._step("stop")


def chain(log: list[str], **fails: tuple[str, ...]) -> gc.Graph:
    a = Traced("a", log, fails=fails.get("a", ()))
    b = Traced("b", log, a, fails=fails.get("b", ()))
    c = Traced("c", log, b, fails=fails.get("c", ()))
    return gc.Graph(c)


def messages(group: BaseExceptionGroup[BaseException]) -> list[str]:
    return [str(error) for error in group.exceptions]


STARTS, CYCLES, STOPS = (
    [f"{step} {name}" for name in names]
    for step, names in (("start", "abc"), ("cycle", "abc"), ("stop", "cba"))
)


@pytest.mark.parametrize("realtime", [False, True])
def test_r10_nodes_start_in_order_and_stop_in_reverse(realtime: bool) -> None:
    log: list[str] = []
    chain(log).run(realtime=realtime)
    assert log == STARTS + CYCLES + STOPS


def test_r10_an_error_in_a_cycle_stops_every_node_and_is_raised_itself() -> None:
    log: list[str] = []
    with pytest.raises(ValueError, match="^cycle b"):
        chain(log, b=("cycle",)).run()
    assert log == [*STARTS, "cycle a", "cycle b", *STOPS]


def test_r10_after_an_error_in_start_all_nodes_whose_start_was_called_are_stopped() -> None:
    log: list[str] = []
    with pytest.raises(ValueError, match="^start b"):
        chain(log, b=("start",)).run()
    assert log == ["start a", "start b", "stop b", "stop a"]


def test_r10_after_an_error_in_stop_the_other_nodes_are_still_stopped() -> None:
    log: list[str] = []
    with pytest.raises(ValueError, match="^stop b"):
        chain(log, b=("stop",)).run()
    assert log == STARTS + CYCLES + STOPS


def test_r10_with_errors_from_stop_the_cycles_error_comes_first_in_a_group() -> None:
    log: list[str] = []
    with pytest.raises(ExceptionGroup) as caught:
        chain(log, a=("stop",), b=("cycle",), c=("stop",)).run()
    assert messages(caught.value) == ["cycle b", "stop c", "stop a"]
    assert log == [*STARTS, "cycle a", "cycle b", *STOPS]


def test_r10_with_errors_from_stop_an_error_from_start_comes_first_in_a_group() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        chain([], a=("stop",), b=("start", "stop")).run()
    assert messages(caught.value) == ["start b", "stop b", "stop a"]


def test_r10_several_errors_from_stop_alone_are_a_group_in_the_order_of_stopping() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        chain([], a=("stop",), c=("stop",)).run()
    assert messages(caught.value) == ["stop c", "stop a"]


def test_r10_ctrl_c_stops_every_node_and_is_raised_afterwards() -> None:
    log: list[str] = []
    a = Traced("a", log)

    def interrupt(value: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gc.Graph(Traced("b", log), gc.Stream(a).map(interrupt)).run()
    assert log[-2:] == ["stop b", "stop a"]


def test_r10_ctrl_c_with_an_error_from_stop_is_a_group_with_ctrl_c_first() -> None:
    a = Traced("a", [], fails=("stop",))

    def interrupt(value: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(BaseExceptionGroup) as caught:
        gc.Stream(a).map(interrupt).run()
    kinds = [type(error) for error in caught.value.exceptions]
    assert kinds == [KeyboardInterrupt, ValueError]


def test_r10_the_graph_runs_again_after_an_error() -> None:
    log: list[str] = []
    a = Traced("a", log, fails=("cycle",))
    graph = gc.Graph(a)
    with pytest.raises(ValueError, match="cycle a"):
        graph.run()
    a.fails = ()
    assert graph.run().cycles == 1


def obedient(sender: gc.Sender[int], stop: threading.Event) -> None:
    sender.send(1)
    stop.wait()


@pytest.mark.parametrize("fails", [False, True])
def test_r10_no_thread_outlives_a_run(fails: bool) -> None:
    before = set(threading.enumerate())
    received = [gc.receiver(obedient) for _ in range(3)]
    seen: list[set[threading.Thread]] = []

    def look(burst: list[int]) -> None:
        seen.append(set(threading.enumerate()) - before)
        if fails:
            raise ValueError("in a cycle")

    graph = gc.Graph(*[stream.for_each(look) for stream in received])
    if fails:
        with pytest.raises(ValueError, match="in a cycle"):
            graph.run(realtime=True, cycles=1)
    else:
        graph.run(realtime=True, cycles=1)
    assert any(seen)
    assert all(t.name.startswith("graphcore-receiver_") for threads in seen for t in threads)
    assert set(threading.enumerate()) == before


def test_r10_no_thread_outlives_a_run_whose_start_failed() -> None:
    before = set(threading.enumerate())
    failing = Traced("a", [], fails=("start",))
    received = gc.receiver(obedient)
    with pytest.raises(ValueError, match="start a"):
        gc.Graph(received, failing, gc.receiver(obedient)).run(realtime=True)
    assert set(threading.enumerate()) == before


def test_r10_a_users_thread_that_does_not_obey_stop_is_named_in_an_error() -> None:
    free = threading.Event()

    def stubborn(sender: gc.Sender[int], stop: threading.Event) -> None:
        free.wait(60)

    log: list[str] = []
    first = Traced("first", log)
    received = gc.receiver(stubborn).named("stubborn feed")
    try:
        with pytest.raises(gc.RunError, match="thread of stubborn feed did not end within 5 s"):
            gc.Graph(first, received).run(realtime=True, cycles=1)
        assert log[-1] == "stop first"
    finally:
        threads = [t for t in threading.enumerate() if "stubborn feed" in t.name]
        free.set()
        for thread in threads:
            thread.join(10)
    assert len(threads) == 1
    assert not threads[0].is_alive()


JUMP_BACKWARD = dis.opmap["JUMP_BACKWARD"]


class Interrupting:
    """A trace function that raises KeyboardInterrupt at a place where Python may do so.

    Such places are the calls and returns of Python functions, and the jumps back of loops.
    """

    def __init__(self) -> None:
        self.seen: list[tuple[CodeType, int, str]] = []
        self.place: int | None = None
        self.ran = self.in_stop = False

    def __call__(self, frame: FrameType, event: str, _: Any) -> Any:
        code, at = frame.f_code, frame.f_lasti
        self.ran |= code.co_filename.startswith("<graphcore") or code.co_qualname == "Cycles.run"
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        if event in ("call", "return") or (event == "opcode" and code.co_code[at] == JUMP_BACKWARD):
            if len(self.seen) == self.place:
                self.in_stop = code is Held.stop.__code__
                raise KeyboardInterrupt
            self.seen.append((code, at, event))
        return self

    def run(self, graph: gc.Graph, place: int | None) -> None:
        """Run a graph, and raise at the nth place of the run; at none if there are fewer."""
        self.seen, self.place = [], None
        traced = sys.gettrace()
        sys.settrace(self)
        try:
            if sys.version_info >= (
                3,
                12,
            ):  # which trace a function's jumps from its second call on
                graph.run()
            self.seen, self.place, self.ran = [], place, False
            graph.run()
        finally:
            sys.settrace(traced)

    def times(self) -> dict[tuple[CodeType, int, str], list[int]]:
        """Return for each place that was traced when the run came by."""
        times = defaultdict[tuple[CodeType, int, str], list[int]](list)
        for nth, place in enumerate(self.seen):
            times[place].append(nth)
        return times


@gc.node
class Held(gc.MutableNode[int]):
    """Counts its ticks, and says whether it was stopped."""

    source: gc.Active[int]
    count: int = gc.state(0)
    held: bool = False

    def start(self, state: gc.GraphState) -> None:
        self.held = True

    def cycle(self, state: gc.GraphState) -> bool:
        self.count += 1
        self.value = self.count
        return True

    def stop(self, state: gc.GraphState) -> None:
        self.held = False


@gc.node
class Passing(gc.MutableNode[int]):
    """A node without `start` and `stop`."""

    source: gc.Active[int]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value
        return True


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_r10_ctrl_c_at_any_place_leaves_no_node_unstopped_half_written_or_claimed() -> None:
    met = set[object]()
    for sources in (1, 2, 9):  # of nine, the alarms are in a heap
        first, *others = (gc.replay([1, 2, 3], "abc") for _ in range(sources))
        inner = Held(first.merge_first(*others) if others else first)
        outer = Held(inner)
        graph = gc.Graph(Passing(outer))
        graph.run()  # which compiles it, and so comes to other places than later runs
        interrupting = Interrupting()
        interrupting.run(graph, None)
        # A second value comes to the same places by the same way, whatever the number of sources.
        for place, times in interrupting.times().items():
            if place in met:
                continue
            met.add(place)
            for nth in {*times[:2], times[-1]}:
                inner.held = outer.held = False
                try:
                    interrupting.run(graph, nth)
                except KeyboardInterrupt as error:
                    kept = error  # and with it the objects in its traceback
                else:
                    continue  # Python has it ignored where an iterator is closed
                assert kept
                assert interrupting.in_stop or not (inner.held or outer.held)
                if interrupting.ran:
                    for each in (inner, outer):
                        assert vars(each).get("value", 0) == each.count
                        assert each.count - each.ticked_in in (0, 1)
                    assert inner.count - outer.count in (0, 1)
        graph.run()
        assert outer.count == 3


class TimeOfStop(gc.MutableNode[int]):
    """Records the time in `stop`, and calls the test's function in the cycle at 20 ns."""

    def __init__(self, then: str = "") -> None:
        super().__init__()
        self.then = then
        self.times: list[tuple[int, int]] = []

    def start(self, state: gc.GraphState) -> None:
        state.schedule(state.time)

    def cycle(self, state: gc.GraphState) -> bool:
        if state.elapsed < 20:
            state.schedule(state.time + 10)
        elif self.then == "stop":
            state.stop()
        elif self.then == "raise":
            raise ValueError("at 20")
        return False

    def stop(self, state: gc.GraphState) -> None:
        self.times.append((state.time, state.elapsed))


@pytest.mark.parametrize(
    ("options", "then", "ended"),
    [
        ({"until": 15}, "", 15),
        ({"start": 5, "duration": 15}, "", 20),
        ({"until": 20, "duration": 17}, "", 17),
        ({"until": 10}, "", 10),
        ({"until": 25}, "", 20),  # ended because nothing was scheduled
        ({}, "", 20),
        ({"cycles": 2}, "", 10),
        ({"until": 30}, "stop", 20),
        ({"until": 30}, "raise", 20),
    ],
)
def test_r10_the_time_in_stop_is_that_at_which_the_run_ended(
    options: dict[str, Any], then: str, ended: int
) -> None:
    node = TimeOfStop(then)
    with pytest.raises(ValueError, match="at 20") if then == "raise" else nullcontext():
        gc.Graph(node).run(**options)
    assert node.times == [(ended, ended - options.get("start", 0))]


def test_r10_the_report_still_tells_the_time_of_the_last_cycle() -> None:
    node = TimeOfStop()
    assert gc.Graph(node).run(until=15).end == 10
    assert node.times == [(15, 15)]


def test_r10_the_time_in_stop_of_a_real_time_run_is_the_present() -> None:
    class Slow(TimeOfStop):
        """Takes 20 ms for its cycle, and ends the run."""

        def cycle(self, state: gc.GraphState) -> bool:
            threading.Event().wait(0.02)
            state.stop()
            return False

    slow, bounded = Slow(), TimeOfStop()
    report = gc.Graph(slow).run(realtime=True, duration="10s")
    assert slow.times[0][0] >= report.end + 20_000_000
    # Long enough that the first cycle begins before the end, on a busy machine too.
    report = gc.Graph(bounded, gc.ticker("1s")).run(realtime=True, duration="300ms")
    assert bounded.times[0][1] > 300_000_000
    assert report.end < report.start + 300_000_000
