"""What a native run does beyond giving the same values: it traps, tells, stops, and keeps code."""

import dataclasses
import importlib.util
import linecache
import math
import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

import graphcore as gc

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
pytest.importorskip("llvmlite")

from graphcore.engine.native import run as native_run
from graphcore.engine.native import tier as native_tier
from graphcore.engine.native.backend import machine, object_cache
from graphcore.engine.native.frontend.translation import Text, Translation
from graphcore.engine.native.frontend.variables import Variables
from graphcore.engine.native.ir import Kernel
from graphcore.engine.native.run import Pace

factor = 2.0
VALUES = [x * 0.5 for x in range(500)]


@pytest.fixture(autouse=True)
def short_pace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(native_tier, "PACE", Pace(3, 50, apart=0))
    monkeypatch.setenv("GRAPHCORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(machine, "_kept", type(machine._kept)())


def both(wire: Callable[[], Any], **options: Any) -> tuple[gc.Graph, list[Any]]:
    """Run a wiring on the fused and on the native tier; return the native graph and the ticks."""
    outs = [wire() for _ in range(2)]
    graphs = [gc.Graph(out) for out in outs]
    for graph, tier in zip(graphs, ("fused", "native"), strict=True):
        graph.run(tier=tier, **options)  # type: ignore[arg-type]  # a tier's name
    assert list(map(repr, outs[0])) == list(map(repr, outs[1]))
    return graphs[1], outs[1].values


def floats(count: int = 500) -> "gc.Stream[float]":
    return gc.replay(np.arange(count), np.arange(count) * 0.5)


def first_line(graph: gc.Graph) -> str:
    return graph.explain("native").partition("\n")[0]


def test_numbers_run_in_machine_code() -> None:
    graph, values = both(lambda: floats().map(lambda x: x * factor).ewm(span=5).mean().collect())
    assert len(values) == 500
    assert first_line(graph) == "native: 497 of 500 cycles ran in machine code"
    assert graph.explain("native").count("  native") == 4


def test_a_list_of_numbers_runs_in_machine_code() -> None:
    graph, _ = both(lambda: gc.replay(list(range(90)), list(range(90))).sum().collect())
    assert first_line(graph) == "native: 87 of 90 cycles ran in machine code"


@pytest.mark.parametrize("figure", ["sum", "mean", "std", "min", "count", "skew"])
@pytest.mark.parametrize("dtype", [np.int64, np.bool_])
def test_statistics_of_integers_run_in_machine_code(figure: str, dtype: Any) -> None:
    values = np.random.default_rng(3).integers(0, 2 if dtype is np.bool_ else 100, 700)

    def wire() -> Any:
        numbers = gc.replay(np.arange(700), values.astype(dtype))
        resets = numbers.filter(lambda x: x == 57)
        return getattr(numbers.rolling(20, reset=resets), figure)().collect()

    graph, _ = both(wire)
    assert re.match(r"native: 6\d\d of 700", first_line(graph))


@pytest.mark.parametrize(
    "figure", ["var", "std", "sem", "zscore", "skew", "kurt", "idxmin", "idxmax"]
)
def test_sums_of_a_walk_are_taken_anew_in_machine_code(figure: str) -> None:
    walk = np.random.default_rng(3).normal(size=3_000).cumsum()

    def wire() -> Any:
        return getattr(gc.replay(np.arange(3_000), walk).rolling(20), figure)().collect()

    graph, values = both(wire)
    expected = getattr(pd.Series(walk).rolling(20), figure, None)
    if expected is not None:
        np.testing.assert_allclose(values, expected().dropna(), rtol=1e-6)
    assert first_line(graph).startswith("native: 2,9")
    assert "but for Python" not in graph.explain("native")


@pytest.mark.parametrize("figure", ["corr", "cov"])
def test_sums_of_pairs_of_walks_are_taken_anew_in_machine_code(figure: str) -> None:
    walks = np.random.default_rng(3).normal(size=(2, 3_000)).cumsum(axis=1)

    def wire() -> Any:
        x, y = (gc.replay(np.arange(3_000), each) for each in walks)
        return getattr(x.rolling(20), figure)(y).collect()

    graph, values = both(wire)
    x, y = map(pd.Series, walks)
    np.testing.assert_allclose(values, getattr(x.rolling(20), figure)(y).dropna(), rtol=1e-6)
    assert "but for Python" not in graph.explain("native")


def test_an_average_of_integers_beyond_64_bits_is_pythons() -> None:
    def wire() -> Any:
        numbers = gc.replay(np.arange(400), np.arange(400))
        return numbers.map(lambda x: x * 10**17).rolling(3).sum().collect()

    graph, values = both(wire)
    assert values[-1] == 3.98e19 * 3
    assert re.match(r"native: [1-9]\d of 400", first_line(graph))


def test_a_flag_that_only_python_changes_is_read_anew() -> None:
    @gc.node
    class Flagged(gc.MutableNode[float]):
        source: gc.Active[float]
        is_late: bool = gc.state(False)

        def cycle(self, state: gc.GraphState) -> bool:
            if self.source.value == 100.0:
                self.is_late = bool(repr(self.source.value))
            self.value = -self.source.value if self.is_late else self.source.value
            return True

    graph, values = both(lambda: gc.Stream(Flagged(floats())).collect())
    assert values[199] == 99.5 and values[200] == -100.0 and values[-1] == -249.5
    assert first_line(graph) == "native: 496 of 500 cycles ran in machine code"


def test_a_flag_that_both_change_is_no_constant() -> None:
    @gc.node
    class Flagged(gc.MutableNode[float]):
        source: gc.Active[float]
        is_late: bool = gc.state(False)

        def cycle(self, state: gc.GraphState) -> bool:
            late, self.is_late = self.is_late, self.source.value % 7 == 3
            self.value = -self.source.value if late else self.source.value
            return True

    _, values = both(lambda: gc.Stream(Flagged(floats())).collect())
    assert [x for x in values if x < 0][:2] == [-3.5, -10.5]


def test_a_tuple_that_gets_deeper_in_each_cycle_is_pythons() -> None:
    graph, values = both(lambda: floats(30).scan(lambda a, x: (a, x), 0).map(len).collect())
    assert values == [2] * 30
    assert "nested too deep" in graph.explain("native")


def test_a_type_test_of_a_value_of_several_kinds_is_pythons() -> None:
    def kind(x: float) -> int:
        y = int(x) if x % 3 == 0 else x
        if isinstance(y, int):
            return 1
        return 2

    graph, values = both(lambda: floats().map(kind).collect())
    assert first_line(graph).startswith("native: 49")
    assert values[:7] == [1, 2, 2, 2, 2, 2, 1]


def test_a_cycle_that_needs_python_is_left_to_it() -> None:
    def shorter(x: float) -> float:
        return float(str(x)) if x == 100.0 else x

    graph, values = both(lambda: floats().map(shorter).named("shorter").collect())
    assert values[200] == 100.0
    assert first_line(graph) == "native: 496 of 500 cycles ran in machine code"
    assert "shorter  native, but for Python: a call of str (1 cycle)" in graph.explain("native")


def test_python_compiles_only_what_it_runs() -> None:
    def compiled() -> set[str]:
        return {name for name in linecache.cache if name.startswith("<graphcore ")}

    before = compiled()
    graph = gc.Graph(floats().map(lambda x: str(x) if x > 200.0 else "").count())
    graph.run(tier="native", cycles=300)
    assert len(compiled() - before) == 1  # the cycles before the kernel
    graph.run(tier="native")
    assert len(compiled() - before) == 2  # and those that it leaves


def test_a_window_that_has_wrapped_around_its_memory_is_as_before_after_a_trap() -> None:
    def shorter(x: float) -> float:
        return float(str(x)) if x % 45.5 == 20.0 else x

    graph, _ = both(lambda: floats(2_000).map(shorter).lag(60).collect())
    assert "a call of str (22 cycles)" in graph.explain("native")


def test_integers_that_leave_64_bits_are_pythons() -> None:
    _, values = both(lambda: floats(200).map(lambda _: 2).product().collect())
    assert values[-1] == 2**200


def test_a_run_that_always_needs_python_says_so() -> None:
    graph, _ = both(lambda: floats().map(str).named("text").collect())
    assert first_line(graph) == "fused: each cycle is left for Python, because of a call of str"


def test_a_run_whose_cycles_all_turn_out_to_need_python_names_the_node() -> None:
    def same(x: float) -> float:
        return float(str(x)) if x >= 0 else x

    graph, _ = both(lambda: floats().map(same).named("same").collect())
    assert first_line(graph) == "native: 0 of 500 cycles ran in machine code"
    assert "same  native, but for Python: a call of str" in graph.explain("native")


def test_a_run_of_bytes_says_that_there_are_no_numbers() -> None:
    graph, _ = both(lambda: floats().map(lambda x: bytes(3) if x >= 0 else b"").collect())
    assert first_line(graph).endswith("because of an expression that gives no number")


def test_an_error_in_the_middle_of_a_chunk_is_pythons() -> None:
    def inverse(x: float) -> float:
        return 1 / (x - 100.0)

    raised = []
    for tier in ("fused", "native"):
        out = floats().map(inverse).named("inverse").collect()
        with pytest.raises(ZeroDivisionError) as caught:
            gc.Graph(out).run(tier=tier)
        notes = [note.partition(", wired at")[0] for note in caught.value.__notes__]
        raised.append((str(caught.value), notes, list(out)))
    assert raised[0] == raised[1]
    assert len(raised[1][2]) == 200


@pytest.mark.parametrize("tier", ["fused", "native"])
def test_a_global_is_read_anew(tier: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    out = floats().map(lambda x: x * factor).collect()
    graph = gc.Graph(out)
    graph.run(tier=tier)
    monkeypatch.setitem(globals(), "factor", 3)
    graph.run(tier=tier)
    assert out.values == [0.5 * i * 3 for i in range(500)]


def test_deques_and_lists_stay_the_same_objects() -> None:
    @gc.node
    class Recent(gc.MutableNode[float]):
        source: gc.Active[float]
        recent: deque[float] = gc.state(factory=deque)

        def start(self, state: gc.GraphState) -> None:
            self.given = self.recent

        def cycle(self, state: gc.GraphState) -> bool:
            self.recent.append(self.source.value)
            if len(self.recent) > 100:  # the ring has to grow
                self.recent.popleft()
            self.value = self.recent[0] + self.recent[-1]
            return True

    node = Recent(floats())
    out = gc.Stream(node).collect()
    graph = gc.Graph(out)
    graph.run(tier="native")
    assert first_line(graph).startswith("native: 497")
    assert node.recent is node.given and list(node.recent) == [0.5 * i for i in range(400, 500)]
    assert out.values[-1] == 200.0 + 249.5


def test_other_runs_are_fused_and_say_why() -> None:
    feedback: Any = gc.feedback()
    feedback.bind(floats() + feedback.map(lambda x: x if x < 100 else 0.0).limit(1))
    graph = gc.Graph(feedback.named("again").collect())
    graph.run(tier="native")
    assert first_line(graph) == "fused: again may ask for a cycle at any time"
    paced = gc.Graph(gc.replay(lambda: [(1, 2.0)]).named("paced").collect())
    paced.run(tier="native")
    assert first_line(paced) == "fused: the events of paced are not known before the run"
    live = gc.Graph(gc.constant(1).collect())
    live.run(realtime=True, tier="native")
    assert first_line(live) == "fused: the run is in real time"


def test_numbers_compared_by_identity_are_left_to_python() -> None:
    @gc.node
    class Same(gc.MutableNode[bool]):
        source: gc.Active[float]
        last: Any = gc.state(None)

        def cycle(self, state: gc.GraphState) -> bool:
            value = self.source.value
            self.value = value is self.last
            self.last = value
            return True

    graph = gc.Graph(gc.Stream(Same(floats())).collect())
    graph.run(tier="native")
    assert first_line(graph).startswith("fused: it asks whether two values are the same object")


def test_explain_before_a_native_run_and_of_an_unknown_tier_is_refused() -> None:
    graph = gc.Graph(floats())
    with pytest.raises(gc.RunError, match="no run of this graph was native yet"):
        graph.explain("native")
    with pytest.raises(ValueError, match="not 'interpreted'"):
        graph.explain("interpreted")  # type: ignore[arg-type]  # what is refused


def test_without_llvmlite_the_tier_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphcore.engine.native.find_spec", lambda name: None)
    assert importlib.util.find_spec("llvmlite")
    with pytest.raises(gc.RunError, match="needs llvmlite: pip install 'graphcore\\[native\\]'"):
        gc.Graph(floats()).run(tier="native")


def test_bounds_end_a_native_run_as_any_other() -> None:
    for options in ({"cycles": 123}, {"until": 222}, {"start": 100, "duration": 77}):
        both(lambda: floats().count().collect(), **options)
        reports = [
            gc.Graph(floats().count()).run(tier=tier, **options) for tier in ("fused", "native")
        ]
        assert reports[0].cycles == reports[1].cycles
        assert (reports[0].end, reports[0].ended_by) == (reports[1].end, reports[1].ended_by)


def test_another_thread_reads_and_stops_a_native_run() -> None:
    # 3e7 cycles: far more than run before the other thread stops them.
    count = gc.replay(np.arange(30_000_000), np.zeros(30_000_000)).map(math.cos).sum()
    seen: list[float] = []
    with gc.Graph(count).running(realtime=False, tier="native") as run:
        while len(seen) < 3 or seen[-1] < 10:
            try:
                seen.append(count.value)
            except gc.NoValueError:
                continue
        run.stop()
    assert run.report is not None
    assert run.report.ended_by is gc.EndedBy.STOP
    assert seen == sorted(seen)
    assert count.value == run.report.cycles < 30_000_000


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done: `translated` for each translation, `compiled` for each compilation."""
    done: list[str] = []
    compile_text, translate = machine._compiled, native_run.translate

    def compiled(text: str) -> bytes:
        done.append("compiled")
        return compile_text(text)

    def translated(*given: Any) -> Any:
        done.append("translated")
        return translate(*given)

    monkeypatch.setattr(machine, "_compiled", compiled)
    monkeypatch.setattr(native_run, "translate", translated)
    return done


def again(wire: Callable[[gc.Stream[float]], gc.Stream[Any]] = lambda x: x + 1.25) -> list[Any]:
    """Run a graph as another process would; return its values."""
    machine._kept.clear()
    out = wire(floats().named("floats")).named("more").collect()
    graph = gc.Graph(out.named("values"))
    for number, node in enumerate(graph.nodes):
        node.serial = number
    graph.run(tier="native")
    assert graph.explain("native").startswith("native")
    return out.values


def test_machine_code_is_kept_in_a_file_and_a_damaged_one_is_made_anew(made: list[str]) -> None:
    first = again()
    assert made == ["translated", "compiled"]
    assert again() == first and len(made) == 2
    folder = object_cache.folder()
    assert folder is not None
    code, translation = sorted(folder.iterdir(), key=lambda file: b"ELF" not in file.read_bytes())
    for file, done in ((code, ["translated", "compiled"]), (translation, ["translated"])):
        made.clear()
        file.write_bytes(file.read_bytes()[:-1] + b"?")
        assert again() == first and made == done
        assert again() == first and made == done
        file.chmod(0o666)  # others may have written it
        assert again() == first and made == 2 * done
        assert again() == first and made == 2 * done


LIMIT = 3.0


def limited(x: float) -> float:
    y = x if x < LIMIT else LIMIT
    return y + 0.0


def test_a_kept_translation_reads_numbers_anew(
    made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in (3.0, 5.0, -1.0):
        monkeypatch.setattr(sys.modules[__name__], "LIMIT", limit)
        assert again(lambda x: x.map(limited)) == [min(x, limit) + 0.0 for x in VALUES]
    assert made.count("translated") == 1


def test_a_kept_translation_is_not_used_where_what_it_reached_has_changed(
    made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules[__name__]
    expected = again(lambda x: x.map(limited))
    assert made.count("translated") == 1
    monkeypatch.setattr(module, "LIMIT", 3)  # of another kind
    assert again(lambda x: x.map(limited)) == expected
    assert made.count("translated") == 2
    monkeypatch.setattr(module, "LIMIT", 3.0)
    again(lambda x: x.map(absolute))
    count = made.count("translated")
    monkeypatch.setattr(module, "abs", lambda x: 7.0, raising=False)  # hides a builtin
    assert again(lambda x: x.map(absolute)) == [7.0 + 0.5] * len(VALUES)
    assert made.count("translated") > count


def test_a_kept_translation_is_not_used_for_other_places_of_items(made: list[str]) -> None:
    for place in (0, 1):

        def wire(x: gc.Stream[float], place: int = place) -> gc.Stream[Any]:
            return x.map(lambda x: (x, -x)).map(itemgetter(place)) + 0.0

        assert again(wire) == [(x, -x)[place] + 0.0 for x in VALUES]
    assert made.count("translated") == 2


def absolute(x: float) -> float:
    y = abs(x)
    return y + 0.5


def test_a_kept_translation_is_not_used_for_another_function(made: list[str]) -> None:
    def wired(text: str) -> Callable[[gc.Stream[float]], gc.Stream[Any]]:
        name = f"<cell {text}>"
        linecache.cache[name] = (len(text), None, text.splitlines(True), name)
        exec(compile(text, name, "exec"), vars(sys.modules[__name__]))
        return lambda x: x.map(globals()["made_by_text"])

    for factor in (2, 3, 3):
        text = f"def made_by_text(x):\n    y = x * {factor}.0\n    return y + 0.0\n"
        assert again(wired(text)) == [x * factor + 0.0 for x in VALUES]
    assert made.count("translated") == 2


def test_a_file_tells_all_of_a_translation() -> None:
    """One who adds a part to a translation adds it to `kept` as well."""
    # The tables of keys are in none: `kept.key_of` refuses a graph that has them.
    kernel = ["start", "body", "variables", "carried", "rings", "lists", "reasons", "tables"]
    translation = ["kernel", "variables", "surroundings", "carried", "inputs", "constants", "held"]
    translation.append("tables")
    text = ["source", "namespace", "carried", "read", "values", "alarms", "symbols"]
    state = "categories kinds lengths classes changed flow constants lasting of_objects _varying"
    for cls, names in ((Kernel, kernel), (Translation, translation), (Text, text)):
        assert [field.name for field in dataclasses.fields(cls)] == names
    assert list(vars(Variables())) == state.split()


PROGRAM = """
import graphcore as gc, numpy as np
out = (gc.replay(np.arange(900), np.arange(900.0)) * 1.75).ewm(span=3).mean()
graph = gc.Graph(out)
graph.run(tier="native")
print(out.value, graph.explain("native").partition(" cycles")[0])
"""


def test_processes_may_write_and_read_the_cache_folder_at_once(tmp_path: Path) -> None:
    environment = {**os.environ, "GRAPHCORE_CACHE": str(tmp_path / "shared")}
    command = [sys.executable, "-c", PROGRAM]
    for _ in range(2):
        children = [
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
            for _ in range(3)
        ]
        told = {child.communicate(timeout=120)[0] for child in children}
        assert len(told) == 1 and told.pop().endswith("native: 644 of 900\n")
    assert len(list((tmp_path / "shared").iterdir())) == 2  # with the translation


def test_a_cache_folder_that_cannot_be_written_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GRAPHCORE_CACHE", str(tmp_path / "file"))
    for _ in range(2):
        machine._kept.clear()
        gc.Graph(floats().map(lambda x: x - 1.25)).run(tier="native")
    [record] = [each for each in caplog.records if "machine code is not kept" in each.message]
    assert record.levelname == "WARNING"
