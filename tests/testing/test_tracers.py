"""A debugger and a coverage tool see the lines of `cycle`, because the run is interpreted."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import graphcore as gc
from graphcore import tiers

PROGRAM = """
import graphcore as gc


@gc.node
class Halved(gc.MutableNode[int]):
    source: gc.Active[int]

    def cycle(self, state: gc.GraphState) -> bool:
        if self.source.value % 2:
            return False
        half = self.source.value // 2
        self.value = half
        return True


out = gc.Stream(Halved(gc.from_iterable([1, 2, 4]))).map(
    lambda half: half + 1
).collect()
out.run(OPTIONS)
print(out.values)
"""
BODY = {number for number, line in enumerate(PROGRAM.splitlines(), 1) if line.startswith("    ")}


def program(folder: Path, options: str = "") -> Path:
    path = folder / "halves.py"
    path.write_text(PROGRAM.replace("OPTIONS", options))
    return path


def execute(*command: object, text: str = "", core: str = "ctrace") -> str:
    environment = {name: value for name, value in os.environ.items() if name != tiers.VARIABLE}
    environment["COVERAGE_CORE"] = core
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def missed(folder: Path, options: str = "", core: str = "ctrace") -> tuple[set[int], str]:
    """Return the lines that a real coverage run does not see, and what it prints."""
    data, report = folder / "data", folder / "report.json"
    printed = execute(
        "-m", "coverage", "run", f"--data-file={data}", f"--include={folder}/*",
        program(folder, options), core=core,
    )  # fmt: skip
    execute("-m", "coverage", "json", f"--data-file={data}", "-o", report)
    [file] = json.loads(report.read_text())["files"].values()
    assert "[2, 3]" in printed
    return set(file["missing_lines"]), printed


@pytest.mark.parametrize(
    "core",
    [
        "ctrace",
        pytest.param(
            "sysmon",
            marks=pytest.mark.skipif(
                sys.version_info < (3, 12), reason="Python has sys.monitoring from 3.12 on"
            ),
        ),
    ],
)
def test_coverage_sees_each_line_of_a_cycle_and_the_log_says_why(tmp_path: Path, core: str) -> None:
    lines, printed = missed(tmp_path, core=core)
    assert lines == set()
    assert printed.count("so graphs run on the interpreted tier") == 1


def test_a_tier_that_the_program_names_is_kept_and_the_log_says_what_that_costs(
    tmp_path: Path,
) -> None:
    lines, printed = missed(tmp_path, 'tier="fused"')
    assert lines & BODY
    assert 'sees no line of a cycle on the tier "fused", which this program asks for' in printed
    assert "set GRAPHCORE_TIER=interpreted" in printed


@pytest.mark.parametrize(
    ("place", "hits", "shown"),
    [("half = self", 1, "self.source.value"), ("lambda half", 2, "half")],
)
def test_a_debugger_stops_at_a_breakpoint_in_a_cycle_and_in_a_function(
    tmp_path: Path, place: str, hits: int, shown: str
) -> None:
    path = program(tmp_path)
    line = next(n for n, text in enumerate(PROGRAM.splitlines(), 1) if place in text)
    # The line of the lambda is hit first when the graph is wired.
    go_on = "continue\n" * hits
    printed = execute(
        "-m", "pdb", path, text=f"break {path}:{line}\n{go_on}p 'seen', {shown}\nquit\n"
    )
    assert f"('seen', {3 - hits})" in printed


def test_an_untraced_run_is_native_where_that_pays() -> None:
    assert (tiers.choose_tier(None), tiers.choose_tier("native")) == ("auto", "native")


@pytest.mark.parametrize("tool", [0, 1])
def test_tools_of_sys_monitoring_count_from_python_3_12_on(
    tool: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    names = {tool: "pydevd", 2: "a profiler"}
    monkeypatch.setattr(sys, "monitoring", SimpleNamespace(get_tool=names.get), raising=False)
    monkeypatch.setattr(tiers, "_told", set())
    with caplog.at_level(logging.WARNING):
        assert [tiers.choose_tier(None), tiers.choose_tier(None)] == ["interpreted"] * 2
    [record] = caplog.records
    assert ("a debugger", "a coverage tool")[tool] in record.getMessage()
    names.pop(tool)
    assert tiers.choose_tier(None) == "auto"


def test_the_environment_goes_before_the_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(tiers.VARIABLE, "interpreted")
    assert {tiers.choose_tier(each) for each in (None, *tiers.TIERS)} == {"interpreted"}
    monkeypatch.setenv(tiers.VARIABLE, "warp")
    with pytest.raises(gc.InvalidValueError, match="GRAPHCORE_TIER is one of fused, interpreted"):
        gc.constant(1).run()
