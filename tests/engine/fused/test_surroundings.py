"""The fused tier in other surroundings: -O, a tracer, no sources, SIGINT, notebooks."""

import compileall
import os
import py_compile
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

import graphcore as gc
from tests.engine.fused.both import numbered, written

PROGRAM = """
import sys
from typing import Any

import graphcore as gc


@gc.node
class Summed(gc.MutableNode[int]):
    source: gc.Active[int]
    total: int = gc.state(0)

    def cycle(self, state: gc.GraphState) -> bool:
        assert self.source.value != 3, "three"
        self.total += self.source.value
        self.value = self.total
        return True


def graph() -> Any:
    out = gc.Stream(Summed(gc.from_iterable(range(5)).map(lambda x: x * 2))).collect()
    return out, gc.Graph(out)


def main() -> None:
    results = []
    for tier in ("interpreted", "fused"):
        out, made = graph()
        made.run(tier=tier)
        results.append(list(out))
    assert results[0] == results[1]
    called = [line for line in made.explain().splitlines() if "  called: " in line]
    print([value for _, value in results[1]], len(called))
"""


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
    )


def printed(*arguments: str, **environment: str) -> str:
    done = python(*arguments, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def module(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path


@pytest.mark.parametrize("flags", [("-OO",), ("-W", "error", "-X", "dev")])
def test_a_program_is_fused_under_the_interpreters_flags(module: Path, flags: Any) -> None:
    run = f"import sys; sys.path.insert(0, {str(module.parent)!r}); import program; program.main()"
    assert printed(*flags, "-c", run) == "[0, 2, 6, 12, 20] 0"


def test_O_removes_assertions_as_it_does_in_called_code(module: Path) -> None:
    run = (
        f"import sys; sys.path.insert(0, {str(module.parent)!r})\n"
        "import program, graphcore as gc\n"
        "for tier in ('interpreted', 'fused'):\n"
        "    stream = gc.Stream(program.Summed(gc.from_iterable([1, 3])))\n"
        "    try:\n"
        "        stream.run(tier=tier)\n"
        "    except AssertionError as error:\n"
        "        print(error)\n"
        "    print(stream.node.total)\n"
    )
    assert printed("-c", run).split() == ["three", "1", "three", "1"]
    assert printed("-O", "-c", run).split() == ["4", "4"]


def test_without_sources_nodes_are_called(module: Path, tmp_path: Path) -> None:
    compileall.compile_file(module, quiet=1, legacy=True)
    archive = tmp_path / "packed.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.write(module.with_suffix(".pyc"), "program.pyc")
    module.unlink()
    run = f"import sys; sys.path.insert(0, {str(archive)!r}); import program; program.main()"
    values, called = printed("-c", run, PYTHONDONTWRITEBYTECODE="1").rsplit(" ", 1)
    assert values == "[0, 2, 6, 12, 20]"
    assert called == "1"


def test_a_zip_with_sources_is_fused(module: Path, tmp_path: Path) -> None:
    archive = tmp_path / "packed.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.write(module, "program.py")
    module.unlink()
    run = f"import sys; sys.path.insert(0, {str(archive)!r}); import program; program.main()"
    assert printed("-c", run) == "[0, 2, 6, 12, 20] 0"


def test_graphcore_itself_without_sources_calls_its_nodes(module: Path, tmp_path: Path) -> None:
    package = Path(gc.__file__).parent
    archive = tmp_path / "graphcore.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in package.rglob("*.py"):
            inside = path.relative_to(package.parent)
            made = tmp_path / "made.pyc"
            py_compile.compile(str(path), cfile=str(made), dfile=str(inside), doraise=True)
            packed.write(made, str(inside.with_suffix(".pyc")))
    run = (
        f"import sys; sys.path[:0] = [{str(archive)!r}, {str(module.parent)!r}]\n"
        "import graphcore, program\n"
        "assert graphcore.__file__.endswith('.pyc'), graphcore.__file__\n"
        "program.main()"
    )
    assert printed("-c", run).startswith("[0, 2, 6, 12, 20] ")


def test_a_program_is_fused_under_the_tracer_of_the_standard_library(module: Path) -> None:
    run = (
        f"import sys, trace; sys.path.insert(0, {str(module.parent)!r}); import program\n"
        "trace.Trace(trace=False).runfunc(program.main)"
    )
    assert printed("-c", run) == "[0, 2, 6, 12, 20] 0"


INTERRUPTED = """
import itertools, os, signal, sys
sys.path.insert(0, {where!r})
import graphcore as gc, program


def events():
    for n in itertools.count():
        if n == 1000:
            print("running", flush=True)
        yield n, n


stream = gc.Stream(program.Summed(gc.replay(events).filter(lambda n: n != 3)))
counted = stream.count()
try:
    counted.run(tier={tier!r})
except KeyboardInterrupt:
    total, count = stream.node.total, counted.node.value
    source = gc.Graph(counted).nodes[0].value
    # Everything is of one cycle, or of one that was begun.
    assert count in (source - 1, source), (count, source)
    sums = [n * (n + 1) // 2 - 3 for n in (source - 1, source)]
    assert total in sums, (total, source)
    # The event 1,000 was read ahead in the cycle of the one before, which may not be through.
    assert source >= 998
    print("given back")
"""


@pytest.mark.parametrize("tier", ["interpreted", "fused"])
def test_a_real_SIGINT_in_a_historical_run_leaves_all_state_in_the_nodes(
    module: Path, tier: str
) -> None:
    text = INTERRUPTED.format(where=str(module.parent), tier=tier)
    process = subprocess.Popen(
        [sys.executable, "-c", text], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert out == "given back\n", errors


def test_nodes_and_functions_of_a_notebooks_cell_are_fused() -> None:
    cells = written(PROGRAM)
    out, made = cells["graph"]()
    made.run()
    assert out.values == [0, 2, 6, 12, 20]
    assert "called" not in made.explain()
    assert "from_iterable_0 * 2" in numbered(made.fused_source(), made.nodes)


def test_a_cell_that_is_run_again_gives_new_classes_of_the_same_text() -> None:
    one, other = written(PROGRAM), written(PROGRAM.replace("x * 2", "x * 4"))
    for cells, last in ((one, 20), (other, 40), (one, 20)):
        out, made = cells["graph"]()
        made.run()
        assert out.values[-1] == last
