"""A run is native where that pays and fused elsewhere, by default, and says why."""

import subprocess
import sys
from typing import Any

import pytest

import graphcore as gc

np = pytest.importorskip("numpy")
pytest.importorskip("llvmlite")

from graphcore.engine.native import paying


@pytest.fixture(autouse=True)
def few_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paying, "FEWEST_EVENTS", 2_000)
    monkeypatch.setattr(paying, "FEWEST_AGAIN", 500)
    monkeypatch.setenv("GRAPHCORE_CACHE", "")


def numbers(count: int) -> "gc.Stream[float]":
    return gc.replay(np.arange(count), np.arange(count) * 0.5)


def how(graph: gc.Graph, **options: Any) -> str:
    graph.run(**options)
    return graph.explain("auto").partition("\n")[0]


def test_a_long_run_over_arrays_is_native() -> None:
    out = numbers(2_000).map(lambda x: x + 1).collect()
    assert how(gc.Graph(out)) == "native: 1,744 of 2,000 cycles ran in machine code"
    assert out.values == [x * 0.5 + 1 for x in range(2_000)]


def test_a_short_run_is_fused_until_there_is_machine_code() -> None:
    graph = gc.Graph(numbers(2_000).map(lambda x: x + 1))
    short = "fused: machine code pays from 2,000 events on, and here are 600"
    assert how(graph, cycles=600) == short
    assert how(graph).startswith("native")
    assert how(graph, cycles=600) == "native: 592 of 600 cycles ran in machine code"
    assert how(graph, cycles=400).endswith("pays from 500 events on, and here are 400")


def test_events_in_a_list_are_fused() -> None:
    graph = gc.Graph(gc.replay(list(range(3_000)), list(range(3_000))).sum())
    assert how(graph) == "fused: no source has its events in arrays"


def test_a_run_that_cannot_be_native_says_so() -> None:
    seen: list[float] = []
    graph = gc.Graph(numbers(3_000).for_each(seen.append))
    assert how(graph).startswith("fused: each cycle is left for Python")
    assert len(seen) == 3_000
    assert how(graph, progress=False, realtime=True, duration="1ms") == (
        "fused: the run is in real time"
    )


def test_after_a_run_that_was_mostly_python_runs_are_fused() -> None:
    graph = gc.Graph(numbers(4_000).map(lambda x: len(str(x)) if x % 5 == 0 else 0).count())
    first, second, third = how(graph), how(graph), how(graph)
    assert first.startswith("native: ") and int(first.split()[1].replace(",", "")) < 2_000
    assert second == third == "fused: an earlier run left most of its cycles for Python"


def test_other_tiers_do_not_count_as_a_run_on_this_one() -> None:
    graph = gc.Graph(numbers(10))
    graph.run(tier="fused")
    with pytest.raises(gc.RunError, match=r'was auto yet: run\(tier="auto"\)'):
        graph.explain("auto")


def test_a_profile_of_such_a_run_is_one_of_the_fused_tier() -> None:
    report = gc.Graph(numbers(3_000).sum()).run(tier="auto", profile=True)
    assert report.profile is not None


PROGRAM = """
import sys
sys.modules["llvmlite"] = None
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name == "llvmlite" else find(name)
import graphcore as gc
graph = gc.Graph(gc.replay([1, 2], [3, 4]).sum())
graph.run()
print(graph.explain("auto"))
"""


def test_without_llvmlite_all_runs_are_fused() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.stdout == "fused: llvmlite is not installed\n", done.stderr


def test_a_sweep_takes_machine_code_if_all_sets_together_have_events_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []
    run = gc.Graph.run

    def noted(graph: gc.Graph, **options: Any) -> Any:
        report = run(graph, **options)
        told.append(graph.explain("auto").partition("\n")[0])
        return report

    monkeypatch.setattr(gc.Graph, "run", noted)

    def build(n: int) -> dict[str, gc.Handle]:
        return {"sum": numbers(800).map(lambda x: x * n).sum()}

    gc.sweep(build, {"n": [1, 2]}, tier="auto", progress=False)
    gc.sweep(build, {"n": [1, 2, 3]}, tier="auto", progress=False)
    short = "fused: machine code pays from 1,000 events on, and here are 800"
    first, later = (f"native: {cycles} of 800 cycles ran in machine code" for cycles in (544, 792))
    assert told == [short, short, first, later, later]
