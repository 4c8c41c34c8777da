"""The command `graphcore` and the sub-commands that it gathers."""

import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, version
from pathlib import Path
from types import ModuleType

import pytest
import typer

import graphcore as gc
from graphcore import cli

Run = Callable[..., tuple[int, str, str]]


def greet(name: str = "you") -> None:
    """Say hello."""
    print(f"hello {name}")


def deaf() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


group = typer.Typer()


@group.command()
def first() -> None:
    print("first of the group")


@group.command()
def second() -> None:
    print("second of the group")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command over some entry points; return exit code, stdout and stderr."""
    package = ModuleType("some_package")
    vars(package).update(greet=greet, deaf=deaf, group=group, number=7)
    monkeypatch.setitem(sys.modules, "some_package", package)
    # Typer draws its help for a terminal; the tests read plain text.
    monkeypatch.setenv("TERM", "dumb")

    def command(*arguments: str, **commands: str) -> tuple[int, str, str]:
        found = [EntryPoint(name, value, cli.GROUP) for name, value in commands.items()]
        monkeypatch.setattr(cli, "entry_points", lambda group: found if group == cli.GROUP else [])
        monkeypatch.setattr(sys, "argv", ["graphcore", *arguments])
        with pytest.raises(SystemExit) as exit:
            cli.main()
        out, err = capsys.readouterr()
        return int(exit.value.code or 0), out, err

    return command


def test_a_function_becomes_a_sub_command(run: Run) -> None:
    assert run("greet", "--name", "me", greet="some_package:greet") == (0, "hello me\n", "")


def test_a_typer_becomes_a_group_of_sub_commands(run: Run) -> None:
    assert run("more", "second", more="some_package:group") == (0, "second of the group\n", "")


def test_help_lists_the_sub_commands(run: Run) -> None:
    code, out, _ = run("--help", greet="some_package:greet", more="some_package:group")
    assert code == 0
    assert "greet" in out and "Say hello." in out and "more" in out


def test_without_arguments_the_help_is_shown(run: Run) -> None:
    _, out, err = run(greet="some_package:greet")
    assert "Say hello." in out + err


def test_the_package_the_distribution_and_the_command_tell_one_version(run: Run) -> None:
    assert gc.__version__ == version("graphcore")
    assert run("--version") == (0, f"graphcore {gc.__version__}\n", "")


BROKEN = {
    "lacking": "a_module_that_is_not_there:run",
    "moved": "some_package:not_there",
    "silly": "some_package:number",
}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("lacking", "No module named 'a_module_that_is_not_there'"),
        ("moved", "not_there"),
        ("silly", "some_package:number is neither a function nor a typer.Typer"),
    ],
)
def test_a_sub_command_that_cannot_be_loaded_says_why(run: Run, name: str, reason: str) -> None:
    code, out, err = run(name, "--with", "options", **BROKEN)
    assert (code, out) == (1, "")
    assert f"graphcore: {name} cannot be loaded" in err and reason in err
    assert "pip install" in err and "Traceback" not in err


def test_a_sub_command_that_cannot_be_loaded_breaks_no_other(run: Run) -> None:
    assert run("greet", greet="some_package:greet", **BROKEN) == (0, "hello you\n", "")
    code, out, _ = run("--help", greet="some_package:greet", **BROKEN)
    assert code == 0
    assert out.count("Not available") == 3


def test_a_sub_command_loads_no_other(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other_package.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    commands = {"greet": "some_package:greet", "other": "other_package:run"}
    assert run("greet", "--help", **commands)[0] == 0
    assert "other_package" not in sys.modules
    assert "other" in run("--help", **commands)[1]
    assert sys.modules.pop("other_package")


def test_ctrl_c_while_sub_commands_load_ends_without_a_traceback(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow_package.py").write_text("raise KeyboardInterrupt")
    monkeypatch.syspath_prepend(tmp_path)
    assert run("--help", slow="slow_package:run") == (130, "", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_after_the_command_has_ended_changes_nothing(number: signal.Signals) -> None:
    # The interpreter calls it after `main` has returned.
    late = f"import atexit, os; atexit.register(os.kill, os.getpid(), {int(number)})"
    code = f"{late}; from graphcore.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "--version"], capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


def test_main_leaves_the_signal_handlers_of_a_program_that_calls_it(run: Run) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert run("deaf", deaf="some_package:deaf")[0] == 0
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_without_typer_one_sentence_says_what_to_install() -> None:
    code = "import sys; sys.modules['typer'] = None; from graphcore.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "graphcore: this command needs typer: pip install 'graphcore[cli]'\n"


def test_the_demo_is_among_the_sub_commands() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from graphcore.cli import main; main()", "demo", "--help"],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "temperatures" in done.stdout and "--year" in done.stdout


def test_the_command_does_not_know_any_adapter() -> None:
    code = "import sys, graphcore.cli; print([m for m in sys.modules if 'zmq' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
