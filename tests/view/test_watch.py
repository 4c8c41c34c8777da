"""`graphcore watch`: a run that another process of the same user views through a Unix socket."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import graphcore as gc
from graphcore.view.unix import folder, socket_of
from tests.view.pages import Page, row_of

PROGRAM = """
import os
import graphcore as gc
numbers = gc.ticker("5ms").count().named("numbers")
out = numbers.map(lambda n: 1 / {divisor}).named("inverse")
print("running", flush=True)
gc.Graph(out).run(realtime=True, {options})
"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("GRAPHCORE_WATCHABLE", raising=False)
    return tmp_path / "graphcore"


def sockets(own_folder: Path) -> list[Path]:
    return sorted(own_folder.glob("*")) if own_folder.exists() else []


def wait_for(test: Any, what: str) -> Any:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = test()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"no {what} in 30 s")


@pytest.fixture
def programs() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for program in started:
        program.kill()
        program.communicate()


def start(
    programs: list[subprocess.Popen[str]], options: str = "watchable=True", divisor: str = "n"
) -> subprocess.Popen[str]:
    text = PROGRAM.format(options=options, divisor=divisor)
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", text]
    program = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)
    programs.append(program)
    assert program.stdout is not None
    assert program.stdout.readline() == "running\n"
    return program


def watch(programs: list[subprocess.Popen[str]], *arguments: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "graphcore", "watch", *arguments]
    program = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)
    programs.append(program)
    return program


def connect_page(url: str) -> Any:
    from websockets.sync.client import connect

    return connect(url.replace("http", "ws") + "socket", origin=url.rsplit("/", 2)[0])  # type: ignore[arg-type]


def test_another_process_watches_a_run_until_it_ends(
    programs: list[subprocess.Popen[str]], own_folder: Path
) -> None:
    program = start(programs)
    path = wait_for(lambda: sockets(own_folder), "socket")[0]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(own_folder.stat().st_mode) == 0o700
    watcher = watch(programs, str(program.pid))
    assert watcher.stdout is not None
    url = watcher.stdout.readline().split()[0]
    with connect_page(url) as connection:
        page = Page(connection)
        assert page.answer("hello")["pid"] == program.pid
        at = page.list_all()
        now = page.until(lambda now: bool(row_of(now, at["numbers"])))
        page.until(lambda later: later["cycle"] > now["cycle"])
        program.send_signal(signal.SIGINT)
        page.until(lambda now: now["status"] == "ended by signal")
    out, err = watcher.communicate(timeout=30)
    assert out == "the run has ended by signal\n"
    assert (watcher.returncode, err) == (0, "")
    _, err = program.communicate(timeout=30)
    assert (program.returncode, err) == (0, "")
    assert sockets(own_folder) == []


def test_an_error_of_the_run_reaches_the_watcher_and_the_socket_is_removed(
    programs: list[subprocess.Popen[str]], own_folder: Path
) -> None:
    broken = own_folder.parent / "broken"
    program = start(programs, divisor=f"(not os.path.exists({str(broken)!r}))")
    wait_for(lambda: sockets(own_folder), "socket")
    watcher = watch(programs, str(program.pid))
    assert watcher.stdout is not None
    url = watcher.stdout.readline().split()[0]
    with connect_page(url) as connection:
        page = Page(connection)
        page.until(lambda now: now["status"] == "running")
        broken.touch()
        now = page.until(lambda now: bool(now["failure"]))
        assert "in inverse (Map), wired at <string>:5" in now["failure"]
    assert watcher.communicate(timeout=30)[0] == "the run has ended by error\n"
    assert program.wait(30) == 1
    assert sockets(own_folder) == []


def test_a_watcher_that_goes_harms_nothing(
    programs: list[subprocess.Popen[str]], own_folder: Path
) -> None:
    program = start(programs)
    wait_for(lambda: sockets(own_folder), "socket")
    for number in (signal.SIGKILL, signal.SIGINT):
        watcher = watch(programs, str(program.pid))
        assert watcher.stdout is not None
        assert watcher.stdout.readline().startswith("http://127.0.0.1:")
        watcher.send_signal(number)
        _, err = watcher.communicate(timeout=30)
        assert "Traceback" not in err
    assert program.poll() is None
    program.send_signal(signal.SIGINT)
    assert program.wait(30) == 0


def test_the_environment_makes_a_run_watchable(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[Path]] = []
    graph = gc.Graph(gc.constant(1).for_each(lambda n: seen.append(sockets(own_folder))))
    graph.run()
    graph.run(watchable=True)
    monkeypatch.setenv("GRAPHCORE_WATCHABLE", "1")
    graph.run()
    graph.run(watchable=False)
    assert [len(each) for each in seen] == [0, 1, 1, 0]
    assert sockets(own_folder) == []
    monkeypatch.setenv("GRAPHCORE_WATCHABLE", "yes")
    with pytest.raises(gc.InvalidValueError, match="GRAPHCORE_WATCHABLE is 1 or 0, not 'yes'"):
        graph.run()
    with pytest.raises(gc.InvalidTypeError, match="watchable must be True, False or None, not 1"):
        graph.run(watchable=1)  # type: ignore[arg-type]


def test_stale_sockets_are_removed_and_those_of_others_stay(own_folder: Path) -> None:
    own_folder.mkdir(0o700)
    stale = own_folder / "999999.1.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(stale))
    with socket.socket(socket.AF_UNIX) as alive:
        alive.bind(str(own_folder / "999998.1.sock"))
        alive.listen()
        seen: list[list[str]] = []
        graph = gc.Graph(
            gc.constant(1).for_each(lambda n: seen.append([p.name for p in sockets(own_folder)]))
        )
        graph.run(watchable=True)
        assert "999998.1.sock" in seen[0]
        assert "999999.1.sock" not in seen[0]
        assert len(seen[0]) == 2


def test_a_killed_process_leaves_a_socket_that_is_no_run(
    programs: list[subprocess.Popen[str]], own_folder: Path
) -> None:
    program = start(programs)
    wait_for(lambda: sockets(own_folder), "socket")
    program.kill()
    program.wait(30)
    with pytest.raises(gc.RunError, match=f"there is no process {program.pid}"):
        socket_of(program.pid, None)
    assert sockets(own_folder) == []


def test_a_process_that_is_not_watchable_is_told_how_to_be(
    programs: list[subprocess.Popen[str]],
) -> None:
    watcher = watch(programs, str(os.getpid()))
    out, err = watcher.communicate(timeout=30)
    assert (watcher.returncode, out) == (1, "")
    assert err == (
        f"graphcore: process {os.getpid()} has no watchable run: start it with "
        "GRAPHCORE_WATCHABLE=1 in its environment, or run its graph with watchable=True\n"
    )


def test_of_several_runs_one_is_named() -> None:
    first, second = (gc.Graph(gc.ticker("1s").count()) for _ in range(2))
    with first.running(watchable=True), second.running(watchable=True):
        with pytest.raises(gc.RunError, match="has the watchable runs .*: name one") as e:
            socket_of(os.getpid(), None)
        found = re.findall(r"\d+", str(e.value).replace(str(os.getpid()), "", 1))
        assert [socket_of(os.getpid(), int(n)).exists() for n in found] == [True, True]


def test_a_folder_that_others_may_enter_is_refused(own_folder: Path) -> None:
    own_folder.mkdir(0o755)
    with pytest.raises(gc.RunError, match="to be a folder of this user's alone"):
        gc.Graph(gc.constant(1)).run(watchable=True)


def test_a_path_that_is_too_long_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    with pytest.raises(gc.RunError, match="cannot open its socket"):
        gc.Graph(gc.constant(1)).run(watchable=True)


def test_without_a_runtime_folder_the_socket_lies_in_a_folder_of_the_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert folder().name == f"graphcore-{os.getuid()}"


def test_a_forked_child_does_not_remove_the_socket(own_folder: Path) -> None:
    numbers = gc.ticker("5ms").count().named("numbers")
    with gc.Graph(numbers).running(watchable=True):
        [path] = sockets(own_folder)
        child = os.fork()
        if not child:
            os._exit(0 if path.exists() else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert path.exists()
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            connection.settimeout(20)
            assert "hello" in json.loads(connection.makefile().readline())
    assert sockets(own_folder) == []
