"""Native runs end at a clean point, and fused runs take their place where they cannot be made."""

import os
import random
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import graphcore as gc

np = pytest.importorskip("numpy")
pytest.importorskip("llvmlite")

from graphcore.engine.native.backend import lowering, machine

COUNT = 3_000_000


@gc.node
class Rounds(gc.MutableNode[int]):
    """Loops as many rounds as its input says."""

    source: gc.Active[int]
    cycles: int = gc.state(0)

    def cycle(self, state: gc.GraphState) -> bool:
        left = self.source.value
        done = 0
        while left > 0:
            left -= 1
            done += 1
        self.cycles += 1
        self.value = done
        return True


def rounds_of(values: Any) -> Rounds:
    return Rounds(gc.replay(np.arange(len(values)), values))


@pytest.fixture(autouse=True)
def no_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GRAPHCORE_CACHE", str(tmp_path))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of cycles of each call of a kernel."""
    found: list[int] = []
    init = machine.Code.__init__

    def counted(self: machine.Code, data: bytes, arguments: Sequence[Any]) -> None:
        init(self, data, arguments)
        run = self.run

        def call(words: int, count: int) -> int:
            ran: int = run(words, count)
            found.append(ran)
            return ran

        self.run = call  # type: ignore[assignment]  # a function of ctypes

    monkeypatch.setattr(machine.Code, "__init__", counted)
    monkeypatch.setattr(machine, "_kept", type(machine._kept)())
    return found


def test_a_call_of_the_kernel_runs_few_rounds_of_loops(calls: list[int]) -> None:
    node = rounds_of(np.full(3_000, 1_000))
    gc.Graph(gc.Stream(node)).run(tier="native")
    assert node.cycles == 3_000 and node.value == 1_000
    assert sum(calls) >= 2_700
    assert max(calls) * 1_000 <= lowering._MOST_ROUNDS


def test_python_runs_a_cycle_of_more_rounds_than_a_call_may_have() -> None:
    most = lowering._MOST_ROUNDS
    values = np.where(np.arange(2_000) % 1_000 == 700, most + 1, 3)
    node = rounds_of(values)
    out = gc.Stream(node).named("rounds").collect()
    graph = gc.Graph(out)
    graph.run(tier="native")
    assert out.values == values.tolist()
    told = graph.explain("native")
    assert "rounds  native, but for Python: a loop of very many rounds (2 cycles)" in told


# Ctrl-C may come while hypothesis counts a collection, where Python can only print it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_leaves_each_node_where_it_is_after_a_cycle() -> None:
    draw = random.Random(5)
    source = gc.replay(np.arange(COUNT), np.arange(COUNT, dtype=float))
    count, total = source.count(), source.sum()
    window = source.rolling(5).sum()
    graph = gc.Graph(count, total, window)
    graph.run(tier="native")  # Ctrl-C in a destructor of llvmlite, after compiling, would be lost
    armed = threading.Event()
    interrupted = 0

    def interrupt(*_: object) -> None:
        if armed.is_set():
            raise KeyboardInterrupt

    usual = signal.signal(signal.SIGINT, interrupt)
    try:
        for _ in range(50):
            delay = draw.uniform(0.001, 0.03)
            timer = threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT))
            timer.name = "Ctrl-C"
            try:
                armed.set()
                timer.start()
                graph.run(tier="native")
                armed.clear()
            except KeyboardInterrupt:
                interrupted += 1
            armed.clear()
            timer.join()
            done = vars(count.node).get("value", 0)
            if done > 10:  # Ctrl-C may have come in the middle of a cycle that ran in Python
                before = done - 1
                assert total.value in (done * before // 2, before * (before - 1) // 2)
                assert window.value in (sum(range(done - 5, done)), sum(range(done - 6, before)))
    finally:
        signal.signal(signal.SIGINT, usual)
    assert interrupted > 10
    graph.run(tier="native")
    assert count.value == COUNT
    assert graph.explain("native").startswith(f"native: {COUNT - 8:,} of")


def test_stop_by_a_node_ends_the_run_in_its_cycle() -> None:
    @gc.node
    class Stops(gc.MutableNode[int]):
        source: gc.Active[int]

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = self.source.value
            if self.value == 5_000:
                state.stop()
            return True

    reports = []
    for tier in ("fused", "native"):
        out = gc.Stream(Stops(gc.replay(np.arange(9_000), np.arange(9_000)))).collect()
        report = gc.Graph(out).run(tier=tier)  # type: ignore[arg-type]  # a tier's name
        reports.append((report.cycles, report.end, report.ended_by, out.values))
    assert reports[0] == reports[1]
    assert reports[1][0] == 5_001


def test_a_compiler_that_fails_leaves_the_run_fused_and_warns_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(text: str) -> bytes:
        raise RuntimeError("LLVM has no register left")

    monkeypatch.setattr(machine, "_compiled", failing)
    monkeypatch.setattr("graphcore.engine.native.warning._warned", [])
    for _ in range(2):
        out = gc.replay(np.arange(900), np.arange(900)).map(lambda x: x - 0.3125).collect()
        graph = gc.Graph(out)
        graph.run(tier="native")
        assert out.values == [x - 0.3125 for x in range(900)]
        assert graph.explain("native").startswith("fused: its machine code cannot be made: LLVM")
    [record] = [each for each in caplog.records if "native runs are fused" in each.message]
    assert record.levelname == "WARNING"


def test_llvmlite_that_cannot_be_loaded_leaves_runs_fused_and_warns_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(name: str) -> None:
        raise OSError("could not find the shared object libllvmlite.so")

    monkeypatch.setattr("graphcore.engine.native.import_module", failing)
    monkeypatch.setattr("graphcore.engine.native.warning._warned", [])
    for _ in range(2):
        out = gc.replay(np.arange(900), np.arange(900)).collect()
        graph = gc.Graph(out)
        graph.run(tier="native")
        assert out.values == list(range(900))
        assert graph.explain("native").startswith("fused: llvmlite cannot be loaded: could not")
    [record] = [each for each in caplog.records if "native runs are fused" in each.message]
    assert record.levelname == "WARNING"
