"""`graphcore registry`, as a user calls it, against a real etcd and a local registry."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from graphcore import cli
from graphcore_zmq import EtcdRegistry, LocalRegistry
from tests.integration.etcd_server import EtcdServer, registered

pytestmark = pytest.mark.etcd

HERE = "tcp://127.0.0.1:5001"
THERE = "tcp://127.0.0.1:5002"

Call = Callable[..., subprocess.CompletedProcess[str]]
COMMAND = [sys.executable, "-c", "from graphcore.cli import main; main()", "registry"]


def call_in_process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        env={**os.environ, "TERM": "dumb", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run the command in this process."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.setenv("TERM", "dumb")
        monkeypatch.setattr(sys, "argv", ["graphcore", "registry", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert isinstance(ended.value.code, int)
        return subprocess.CompletedProcess(arguments, ended.value.code, *capsys.readouterr())

    return run


LOCAL_ENOUGH = [pytest.param("etcd", marks=pytest.mark.thorough), "local"]


@pytest.fixture(params=["etcd", "local"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[str]]:
    """Options for a registry with two registered names."""
    opened: EtcdRegistry | LocalRegistry
    if request.param == "etcd":
        server: EtcdServer = request.getfixturevalue("etcd")
        opened, options = EtcdRegistry(server.url), ["--etcd", server.url]
    else:
        path = tmp_path / "names"
        opened, options = LocalRegistry(path), ["--local", str(path)]
    with ExitStack() as stack:
        stack.enter_context(registered(opened, "quotes", HERE))
        stack.enter_context(registered(opened, "a [bold]name[/] " + "x" * 100, THERE))
        yield options


def test_list_shows_all_names_with_their_addresses(where: list[str], call: Call) -> None:
    done = call("list", *where)
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line.rsplit(maxsplit=1) for line in done.stdout.splitlines()]
    assert rows == [
        ["name", "address"],
        ["a [bold]name[/] " + "x" * 100, THERE],
        ["quotes", HERE],
    ]
    assert json.loads(call("list", *where, "--json").stdout) == [
        {"name": "a [bold]name[/] " + "x" * 100, "address": THERE},
        {"name": "quotes", "address": HERE},
    ]


def test_lookup_prints_the_address_alone(where: list[str], call: Call) -> None:
    done = call("lookup", "quotes", *where)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{HERE}\n", "")
    done = call("lookup", "--json", "quotes", *where)
    assert json.loads(done.stdout) == {"name": "quotes", "address": HERE}


def test_lookup_of_an_unknown_name_fails_with_a_sentence(where: list[str], call: Call) -> None:
    done = call("lookup", "weather", *where)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("graphcore: no publisher named 'weather' found in ")


@pytest.mark.parametrize("which", [[], ["--etcd", "http://127.0.0.1:1", "--local", "names"]])
def test_exactly_one_registry_must_be_given(which: list[str], call: Call) -> None:
    done = call("list", *which)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--etcd http://host:2379 or --local FILE" in done.stderr


def test_an_invalid_endpoint_is_reported_in_a_sentence(call: Call) -> None:
    done = call("list", "--etcd", "etcd:2379")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("graphcore: 'etcd:2379' is not an endpoint: write")
    done = call("list", "--etcd", "http://127.0.0.1:1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("graphcore: etcd cannot be reached: tried http://127.0.0.1:1 for")


def test_control_characters_are_not_printed(etcd: EtcdServer, call: Call) -> None:
    etcd.ctl("put", "\x1b[2Jname", "\x1b[31maddress\n")
    done = call("list", "--etcd", etcd.url)
    assert done.stdout.splitlines()[1].split() == [r"\x1b[2Jname", r"\x1b[31maddress\n"]
    done = call("list", "--etcd", etcd.url, "--json")
    assert json.loads(done.stdout) == [{"name": "\x1b[2Jname", "address": "\x1b[31maddress\n"}]


def test_the_password_may_come_from_the_environment(
    etcd: EtcdServer, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    etcd.ctl("put", "x/quotes", HERE)
    for command in ("user add root:secret", "user grant-role root root", "auth enable"):
        etcd.ctl(*command.split())
    options = ["--etcd", etcd.url, "--prefix", "x/", "--user", "root"]
    monkeypatch.setenv("GRAPHCORE_ETCD_PASSWORD", "secret")
    done = call("lookup", "quotes", *options)
    assert done.stdout == f"{HERE}\n"


def test_certificates_are_used(etcd_tls: EtcdServer, call: Call) -> None:
    tls = etcd_tls.tls
    assert tls is not None
    etcd_tls.ctl("put", "quotes", HERE)
    files = ["--ca-cert", str(tls.ca), "--cert", str(tls.cert), "--key", str(tls.key)]
    assert call("lookup", "quotes", "--etcd", etcd_tls.url, *files).stdout == f"{HERE}\n"


@pytest.fixture
def watching() -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    started: list[subprocess.Popen[str]] = []

    def start(
        *arguments: str, command: Sequence[str] = (*COMMAND, "watch")
    ) -> "subprocess.Popen[str]":
        started.append(
            subprocess.Popen(
                [*command, *arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                bufsize=1,
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def next_change(process: "subprocess.Popen[str]") -> tuple[str, str | None]:
    assert process.stdout is not None
    line = json.loads(process.stdout.readline())
    return line["name"], line["address"]


def test_watch_prints_what_is_there_and_each_change(
    where: list[str], watching: Callable[..., "subprocess.Popen[str]"]
) -> None:
    process = watching("--json", *where)
    assert next_change(process)[1] == THERE
    assert next_change(process) == ("quotes", HERE)
    opened: EtcdRegistry | LocalRegistry
    opened = EtcdRegistry(where[1]) if where[0] == "--etcd" else LocalRegistry(where[1])
    with registered(opened, "new", HERE):
        assert next_change(process) == ("new", HERE)
    assert next_change(process) == ("new", None)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "")


@pytest.mark.parametrize("where", LOCAL_ENOUGH, indirect=True)
@pytest.mark.parametrize(
    "presses",
    [(signal.SIGINT, signal.SIGINT), (signal.SIGTERM,), (signal.SIGTERM, signal.SIGINT)],
)
def test_signals_end_watch_once_and_normally(
    where: list[str],
    watching: Callable[..., "subprocess.Popen[str]"],
    presses: tuple[signal.Signals, ...],
) -> None:
    process = watching("quotes", "--json", *where)
    assert next_change(process) == ("quotes", HERE)
    for number in presses:
        process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.005)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "")


@pytest.mark.parametrize("where", LOCAL_ENOUGH, indirect=True)
def test_watch_ends_quietly_when_its_reader_closes_the_pipe(
    where: list[str], watching: Callable[..., "subprocess.Popen[str]"]
) -> None:
    process = watching("quotes", "--json", *where)
    assert next_change(process) == ("quotes", HERE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.wait(20) == 0
    assert process.stderr.read() == ""


def test_a_character_that_the_terminal_lacks_is_escaped_but_json_is_utf_8(tmp_path: Path) -> None:
    place = ["--local", str(tmp_path / "names")]
    with registered(LocalRegistry(place[1]), "pr→s", HERE):
        done = call_in_process("list", *place, PYTHONIOENCODING="latin-1")
        assert done.stdout.splitlines()[1].split() == [r"pr\u2192s", HERE] and not done.stderr
        done = call_in_process("lookup", "pr→s", "--json", *place, PYTHONIOENCODING="latin-1")
        assert json.loads(done.stdout) == {"name": "pr→s", "address": HERE}


@pytest.mark.parametrize("where", LOCAL_ENOUGH, indirect=True)
@pytest.mark.parametrize("command", [["list"], ["lookup", "quotes"]])
def test_a_closed_pipe_is_not_an_error(where: list[str], command: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [*COMMAND, *command, *where], stdout=writer, stderr=subprocess.PIPE, text=True
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", [["list"], ["lookup", "quotes"]])
def test_a_lookup_interrupted_by_ctrl_c_says_so_and_fails(
    watching: Callable[..., "subprocess.Popen[str]"], command: list[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        process = watching(*command, "--etcd", url, command=COMMAND)
        mute.settimeout(30)
        connection, _ = mute.accept()
        with connection:
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, "", "graphcore: interrupted\n")


def test_watch_goes_on_when_etcd_answers_again(
    etcd: EtcdServer, watching: Callable[..., "subprocess.Popen[str]"]
) -> None:
    etcd.ctl("put", "quotes", HERE)
    etcd.ctl("put", "other", HERE)
    process = watching("quotes", "--json", "--etcd", etcd.url)
    assert next_change(process) == ("quotes", HERE)
    etcd.kill()
    assert process.stderr is not None
    line = process.stderr.readline()
    assert "etcd cannot be reached" in line and line.endswith("trying again\n")
    etcd.start()
    etcd.await_ready()
    assert process.stderr.readline() == "graphcore: the registry answers again\n"
    etcd.ctl("put", "quotes", THERE)
    assert next_change(process) == ("quotes", THERE)
