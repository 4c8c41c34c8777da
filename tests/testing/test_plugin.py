"""The pytest plugin, in test runs of its own."""

import os
import subprocess
import sys
from pathlib import Path

import graphcore_pytest
from graphcore import tiers

SUITE = """
import subprocess
import sys

import graphcore as gc

SHOW = (
    "import sys, graphcore as gc\\n"
    "look = lambda value: print(sys._getframe(1).f_code.co_name)\\n"
    "gc.constant(1).for_each(look).run()"
)


def test_the_tier_of_this_process(capsys):
    exec(SHOW)
    assert capsys.readouterr().out == "WANTED\\n"


def test_a_tier_that_the_program_names(capsys):
    exec(SHOW.replace("run()", "run(tier='fused')"))
    assert capsys.readouterr().out == "WANTED\\n"


def test_the_tier_of_another_process():
    done = subprocess.run([sys.executable, "-c", SHOW], capture_output=True, text=True)
    assert done.stdout == "WANTED\\n"
"""
STEPPED = """
import graphcore as gc
import pytest

SOURCE = gc.never()


def test_a_stepper(stepper):
    silent = SOURCE.silent_for("5s")
    step = stepper(silent, start=7)
    step.advance("5s")
    assert step.ticked(silent) and step.time == 5_000_000_007


def test_the_nodes_are_free_again(stepper):
    first, second = stepper(SOURCE.count()), stepper(gc.never())
    with pytest.raises(gc.RunError, match="is in another run"):
        stepper(SOURCE)
"""


def run(folder: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\n")
    environment = {name: value for name, value in os.environ.items() if name != tiers.VARIABLE}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)


def test_the_option_runs_a_suite_on_one_tier(tmp_path: Path) -> None:
    for tier, wanted in (("interpreted", "cycle"), ("fused", "run")):
        done = run(tmp_path, SUITE.replace("WANTED", wanted), f"--graphcore-tier={tier}")
        assert done.returncode == 0, done.stdout
        assert "3 passed" in done.stdout
    refused = run(tmp_path, SUITE, "--graphcore-tier=warp")
    assert "invalid choice: 'warp'" in refused.stderr


def test_a_stepper_of_the_fixture_ends_with_its_test(tmp_path: Path) -> None:
    done = run(tmp_path, STEPPED)
    assert done.returncode == 0 and "2 passed" in done.stdout, done.stdout


def test_the_plugin_imports_graphcore_only_for_its_fixture(tmp_path: Path) -> None:
    done = run(
        tmp_path, "import sys\n\ndef test_it():\n    assert 'graphcore' not in sys.modules\n"
    )
    assert done.returncode == 0, done.stdout
    assert (graphcore_pytest.TIERS, graphcore_pytest.VARIABLE) == (tiers.TIERS, tiers.VARIABLE)
