"""The fused tier works wherever Python does; where a source is not available, nodes are called."""

import linecache
import os
import shutil
import subprocess
import sys
import textwrap
import types
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import graphcore as gc
from tests.differential.both import fed, on_both_tiers
from tests.differential.recipe import graph_of

ROOT = Path(__file__).parents[2]
GRAPHCORE = Path(gc.__file__).parent

PROGRAM = """
import graphcore as gc

@gc.node
class Fails(gc.MutableNode):
    source: gc.Active
    seen: int = gc.state(0)

    def cycle(self, state):
        self.seen += 1
        assert self.source.value < 3, "three"
        self.value = self.source.value * 2
        return True

def wire():
    source = gc.replay([1, 2, 3, 4], [1, 2, 3, 4]).named("source")
    mapped = source.filter(lambda n: n != 2).map(lambda n: n + 1).named("mapped")
    return gc.Stream(Fails(source)).named("fails").collect(), mapped.count().collect()

def outcome(tier):
    outs = wire()
    try:
        gc.Graph(*outs).run(tier=tier)
        error = None
    except AssertionError as raised:
        error = [str(raised), *raised.__notes__[0].splitlines()[-2:]]
    return [list(out) for out in outs], outs[0].node.source.seen, error
"""
TOLD = """
print(outcome("fused") == outcome("interpreted"), outcome("fused")[1], outcome("fused")[2])
lines = [line.split("  ") for line in gc.Graph(*wire()).explain().splitlines()]
explained = dict(lines)
print(explained["fails"], "|", explained["mapped"])
"""
ASSERTED = "['three', 'at 1970-01-01T00:00:00.000000003Z (3 ns)', 'reading source = 3']"


def python(*arguments: object, path: object = ROOT, cwd: object = None) -> list[str]:
    """Run Python in a process of its own; return the lines that it prints."""
    command = [sys.executable, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=100, env=environment, cwd=str(cwd or ROOT)
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_program_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM + TOLD)
    assert python(tmp_path / "program.py") == [f"True 3 {ASSERTED}", "fused | fused"]


@pytest.mark.parametrize("level", ["-O", "-OO"])
def test_assertions_are_left_out_on_both_tiers_with_python_O(tmp_path: Path, level: str) -> None:
    (tmp_path / "program.py").write_text(PROGRAM + TOLD)
    assert python(level, tmp_path / "program.py") == ["True 4 None", "fused | fused"]


def test_nodes_of_a_program_on_the_command_line_are_called_because_it_has_no_source() -> None:
    told, explained = python("-c", PROGRAM + TOLD)
    assert told == f"True 3 {ASSERTED}"
    if sys.version_info < (3, 13):  # because it keeps the text of `-c`
        assert explained == "called: the source of its cycle is not available | fused"


def test_a_zip_without_sources_has_its_nodes_called(tmp_path: Path) -> None:
    """The archive holds only compiled code, of graphcore and of the program."""
    sources = tmp_path / "sources"
    shutil.copytree(GRAPHCORE, sources / "graphcore", ignore=shutil.ignore_patterns("*.pyc"))
    (sources / "program.py").write_text(PROGRAM)
    with zipfile.PyZipFile(str(tmp_path / "all.zip"), "w") as archive:
        archive.writepy(str(sources / "graphcore"))
        archive.writepy(str(sources / "program.py"))
        assert {Path(name).suffix for name in archive.namelist()} == {".pyc"}
    shutil.rmtree(sources)  # compiled code holds the path of its source
    program = "import graphcore; print(graphcore.__file__); from program import *" + TOLD
    where, told, explained = python("-c", program, path=tmp_path / "all.zip", cwd=tmp_path)
    assert where.startswith(str(tmp_path / "all.zip"))
    assert told == f"True 3 {ASSERTED}"
    assert explained.count("called: the source of its cycle is not available") == 2


def notebook() -> Callable[[str], dict[str, Any]]:
    """Return a function that runs a cell as IPython does: without a file, with the text in
    linecache."""
    module = types.ModuleType("__main__")
    number = 0

    def run_cell(text: str) -> dict[str, Any]:
        nonlocal number
        number += 1
        name = f"<ipython-input-{number}-{abs(hash(text)):x}>"
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        exec(compile(text, name, "exec"), vars(module))
        return vars(module)

    return run_cell


def explained(stream: gc.Stream[Any]) -> str:
    """Return what `explain` says of a stream's own node."""
    graph = gc.Graph(stream)
    line = graph.explain().splitlines()[graph.nodes.index(stream.node)]
    return line.partition("  ")[2]


def test_a_cell_of_a_notebook_is_fused_and_so_is_one_that_defines_the_same_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(linecache, "cache", dict(linecache.cache))
    run_cell = notebook()
    cell = """
import graphcore as gc

@gc.node
class Scaled(gc.MutableNode):
    source: gc.Active

    def cycle(self, state):
        self.value = self.source.value * {factor}
        return True

function = lambda x: x + {factor}
"""
    for factor in (10, 20):
        names = run_cell(cell.format(factor=factor))
        wire = fed(lambda source: names["Scaled"](source.map(names["function"])), 1, 2)  # noqa: B023  # run at once
        assert on_both_tiers(wire).values == [(1 + factor) * factor, (2 + factor) * factor]
        source = gc.replay([1], [1])
        assert explained(gc.Stream(names["Scaled"](source)).named("cell")) == "fused"
        assert f"+ {factor}" in gc.Graph(source.map(names["function"])).fused_source()


def test_a_cell_whose_text_is_gone_has_its_nodes_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linecache, "cache", dict(linecache.cache))
    names = notebook()(PROGRAM)
    monkeypatch.setattr(linecache, "cache", {})
    source = gc.replay([1], [1])
    assert explained(gc.Stream(names["Fails"](source)).named("cell")).startswith("called: ")
    assert on_both_tiers(fed(names["Fails"], 1, 2)).values == [2, 4]


def test_the_source_of_a_file_that_changed_since_its_import_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linecache, "cache", dict(linecache.cache))
    path = tmp_path / "changing.py"
    text = textwrap.dedent(
        """
        import graphcore as gc
        @gc.node
        class Node(gc.MutableNode):
            source: gc.Active
            def cycle(self, state):
                self.value = self.source.value + 1
                return True
        function = lambda x: x * 10
        """
    )
    names: dict[str, Any] = {"__name__": "changing"}
    exec(compile(text, str(path), "exec"), names)
    monkeypatch.setitem(sys.modules, "changing", types.ModuleType("changing"))
    path.write_text(text.replace("+ 1", "+ 2").replace("* 10", "* 30"))
    wire = fed(lambda source: names["Node"](source.map(names["function"])), 1, 2)
    assert on_both_tiers(wire).values == [11, 21]


@pytest.mark.parametrize("set_hook", [sys.settrace, sys.setprofile], ids=["trace", "profile"])
def test_under_a_debugger_or_coverage_the_tiers_agree(
    set_hook: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Only a run on the fused tier logs that a tracer sees nothing of it.
    monkeypatch.setattr("graphcore.tiers._tell", lambda text: None)
    events: set[str] = set()

    def hook(frame: types.FrameType, event: str, argument: object) -> Any:
        events.add(event)
        return hook

    def wire() -> gc.Collected[Any]:
        source = gc.replay([1, 2, 3, 4], [1, 2, 3, 4])
        mapped = source.filter(lambda n: n != 2).map(lambda n: 6 // (n - 4))
        return mapped.sum().collect()

    get_hook = {sys.settrace: sys.gettrace, sys.setprofile: sys.getprofile}[set_hook]
    before = get_hook()
    set_hook(hook)
    try:
        seen = on_both_tiers(wire)
    finally:
        set_hook(before)
    assert seen.values == [-2, -8]
    assert seen.error.startswith("ZeroDivisionError: integer division or modulo by zero\nin map_")
    assert "call" in events


def test_a_debugger_steps_through_the_lines_of_the_fused_function() -> None:
    out = gc.replay([1, 2], [1, 2]).map(lambda n: n + 1).named("step").collect()
    graph = graph_of(out)
    lines: list[str] = []

    def hook(frame: types.FrameType, event: str, argument: object) -> Any:
        if event == "line" and frame.f_code.co_filename.startswith("<graphcore"):
            name, number = frame.f_code.co_filename, frame.f_lineno
            lines.append(linecache.getline(name, number, frame.f_globals).strip())
        return hook

    before = sys.gettrace()
    sys.settrace(hook)
    try:
        graph.run(tier="fused")
    finally:
        sys.settrace(before)
    assert len([line for line in lines if line.startswith("step = ") and line.endswith("+ 1")]) == 2
