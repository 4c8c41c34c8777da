"""`graphcore sub`, `pub`, `record` and `replay` as a user calls them: processes, pipes, sockets."""

import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue

import msgspec
import polars as pl
import pytest
import zmq

import graphcore as gc
from graphcore import cli
from graphcore.testing import ticks, wait_until
from graphcore_zmq import msgpack, raw
from tests.integration.bare import bare_context
from tests.integration.conftest import each_ended
from tests.integration.etcd_server import EtcdServer, free_port
from tests.integration.feeding import Feeding

pytestmark = pytest.mark.zmq

COMMAND = [sys.executable, "-c", "from graphcore.cli import main; main()"]
SECONDS = 30
SECOND = 10**9  # ns


class Called:
    """A running command, whose standard error is read continuously."""

    def __init__(self, *arguments: object, prologue: str = "") -> None:
        self.process = subprocess.Popen(
            [*COMMAND[:-1], prologue + COMMAND[-1], *map(str, arguments)],
            env={**os.environ, "TERM": "dumb", "PYTHONUNBUFFERED": ""},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdin and self.process.stdout and self.process.stderr
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        self.errors: list[str] = []
        self._said: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._read, args=(self.process.stderr,))
        self._reader.start()

    def _read(self, stream: "subprocess.IO[bytes]") -> None:
        for line in stream:
            self.errors.append(line.decode().rstrip("\n"))
            self._said.put(self.errors[-1])

    def said(self, pattern: str) -> "re.Match[str]":
        """Return the match of the next line of standard error that has one."""
        while True:
            try:
                found = re.search(pattern, self._said.get(timeout=SECONDS))
            except Empty:
                raise TimeoutError(f"nothing like {pattern!r} in {self.errors}") from None
            if found:
                return found

    def port(self) -> int:
        return int(self.said(r"publishing at tcp://127.0.0.1:(\d+)")[1])

    def write(self, data: bytes) -> None:
        self.stdin.write(data)
        self.stdin.flush()

    def end(self, data: bytes = b"") -> tuple[int, bytes, list[str]]:
        """Write the rest of its input; return its exit code and everything that it wrote since."""
        self.write(data)
        self.stdin.close()
        out = self.stdout.read()
        code = self.process.wait(SECONDS)
        self._reader.join()
        return code, out, self.errors

    def press(self, *numbers: signal.Signals) -> None:
        """Send signals 5 ms apart, because the system merges equal signals that are pending at
        once."""
        for number in numbers:
            self.process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.005)

    def press_until_it_ends(self) -> None:
        """Press Ctrl-C five times a second, like an impatient user."""
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.2)
                return
            self.press(signal.SIGINT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        for stream in (self.stdin, self.stdout, self.process.stderr):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):
                stream.close()


Call = Callable[..., Called]
Feed = Callable[..., Feeding]


@pytest.fixture
def call() -> Iterator[Call]:
    started: list[Called] = []

    def start(*arguments: object, prologue: str = "") -> Called:
        started.append(Called(*arguments, prologue=prologue))
        return started[-1]

    yield start
    for each in started:
        each.kill()


@pytest.fixture
def pub(call: Call) -> Call:
    return lambda *more: call("pub", 0, "--bind", "127.0.0.1", "--wait-for", 1, *more)


@pytest.fixture
def feed() -> Iterator[Feed]:
    """Publish from a thread, which costs less than `graphcore pub`, once somebody subscribes."""
    yield from each_ended(lambda **options: Feeding(**{"codec": msgpack, "wait_for": 1} | options))


def test_lines_of_standard_input_are_printed_by_a_subscriber(pub: Call, call: Call) -> None:
    publisher = pub()
    subscriber = call("sub", publisher.port(), "--status")
    assert publisher.end("one\n\nthrée\tx\nno end".encode())[0] == 0
    code, out, errors = subscriber.end()
    assert (code, out.decode()) == (0, "one\n\nthrée\tx\nno end\n")
    assert errors == ["graphcore: connected", "graphcore: disconnected"]


def test_each_line_is_there_before_the_next_is_sent(pub: Call, call: Call) -> None:
    publisher = pub()
    subscriber = call("sub", f"tcp://127.0.0.1:{publisher.port()}")
    for number in range(20):
        publisher.write(b"%d\n" % number)
        assert subscriber.stdout.readline() == b"%d\n" % number
    assert publisher.end()[0] == 0
    assert subscriber.end() == (0, b"", [])


def test_a_subscriber_whose_reader_closed_the_pipe_ends_quietly(feed: Feed, call: Call) -> None:
    publisher = feed()
    subscriber = call("sub", publisher.port)
    head = subprocess.Popen(["head", "-3"], stdin=subscriber.stdout, stdout=subprocess.PIPE)
    subscriber.stdout.close()
    stop = threading.Event()

    def feed() -> None:
        number = 0
        while not stop.wait(0.005):
            publisher.hand(str(number))
            number += 1

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        assert head.communicate(timeout=SECONDS)[0] == b"0\n1\n2\n"
        assert subscriber.process.wait(SECONDS) == 0
    finally:
        stop.set()
        feeder.join()
        head.kill()
    wait_until(lambda: not subscriber._reader.is_alive())
    assert subscriber.errors == []


def test_a_subscriber_whose_reader_closed_the_pipe_ends_without_a_further_value(
    feed: Feed, call: Call
) -> None:
    publisher = feed()
    subscriber = call("sub", publisher.port)
    head = subprocess.Popen(["head", "-1"], stdin=subscriber.stdout, stdout=subprocess.PIPE)
    subscriber.stdout.close()
    publisher.hand("only")
    assert head.communicate(timeout=SECONDS)[0] == b"only\n"
    assert subscriber.process.wait(SECONDS) == 0
    wait_until(lambda: not subscriber._reader.is_alive())
    assert subscriber.errors == []


def test_a_publisher_ends_with_its_input_and_loses_none_of_many_lines(
    pub: Call, call: Call
) -> None:
    publisher = pub("--on-full", "block")
    subscriber = call("sub", publisher.port())
    lines = b"".join(b"%d\n" % number for number in range(30_000))
    feeder = threading.Thread(target=lambda: publisher.end(lines))
    feeder.start()
    code, out, errors = subscriber.end()
    feeder.join()
    assert (code, errors, publisher.process.returncode) == (0, [], 0)
    assert out == lines


def test_count_ends_a_subscriber_after_exactly_so_many_values(feed: Feed, call: Call) -> None:
    publisher = feed()
    subscriber = call("sub", publisher.port, "--count", 3)
    publisher.hand(*map(str, range(1000)))
    assert subscriber.end() == (0, b"0\n1\n2\n", [])


def test_raw_passes_bytes_and_escapes_control_characters(pub: Call, call: Call) -> None:
    publisher = pub("--codec", "raw")
    subscriber = call("sub", publisher.port(), "--codec", "raw")
    publisher.end(b"\xff\x1b[2J\rx\n")
    assert subscriber.end() == (0, b"\\xff\\x1b[2J\\rx\n", [])


@pytest.mark.parametrize("codec", ["msgpack", "json"])
def test_values_in_json_go_in_and_come_out(pub: Call, call: Call, codec: str) -> None:
    publisher = pub("--json", "--codec", codec)
    subscriber = call("sub", publisher.port(), "--json", "--codec", codec)
    publisher.write(b'{"a": [1, 2.5, null], "b": "x\\ny"}\n')
    assert json.loads(subscriber.stdout.readline()) == {"a": [1, 2.5, None], "b": "x\ny"}
    publisher.end(b'"text"\n')
    assert subscriber.end()[1] == b'"text"\n'


@pytest.mark.parametrize(
    ("options", "line", "message"),
    [
        ([], b"\xff", "line 2 of standard input: b'\\xff' is not UTF-8; --codec raw publishes it"),
        (["--json"], b"{", "line 2 of standard input: Input data was truncated"),
    ],
)
def test_a_line_that_cannot_be_published_is_named(
    call: Call, options: list[str], line: bytes, message: str
) -> None:
    publisher = call("pub", 0, "--bind", "127.0.0.1", *options)
    code, _, errors = publisher.end(b"1\n" + line + b"\n3\n")
    assert code == 1
    assert any(error.startswith(f"graphcore: {message}") for error in errors), errors
    assert "Traceback" not in "\n".join(errors)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_publisher_and_its_subscriber_normally(
    pub: Call, call: Call, number: signal.Signals
) -> None:
    publisher = pub()
    subscriber = call("sub", publisher.port())
    publisher.write(b"1\n")
    assert subscriber.stdout.readline() == b"1\n"
    publisher.process.send_signal(number)
    assert publisher.process.wait(SECONDS) == 0
    assert subscriber.end() == (0, b"", [])
    assert len(publisher.errors) == 1


def test_a_signal_ends_a_subscriber_that_waits(feed: Feed, call: Call) -> None:
    subscriber = call("sub", feed().port, "--status")
    subscriber.said("connected")
    subscriber.process.send_signal(signal.SIGINT)
    assert subscriber.end() == (0, b"", ["graphcore: connected"])


PRESSES = [
    pytest.param((signal.SIGINT, signal.SIGINT), marks=pytest.mark.thorough),
    (signal.SIGINT, signal.SIGINT, signal.SIGINT),
    pytest.param((signal.SIGTERM, signal.SIGTERM), marks=pytest.mark.thorough),
    (signal.SIGTERM, signal.SIGINT, signal.SIGINT),
]


@pytest.mark.parametrize("presses", PRESSES)
def test_signals_in_quick_succession_end_a_subscriber_once_and_normally(
    feed: Feed, call: Call, presses: tuple[signal.Signals, ...]
) -> None:
    publisher = feed()
    subscriber = call("sub", publisher.port, "--latency")
    publisher.hand("1")
    assert subscriber.stdout.readline() == b"1\n"
    subscriber.press(*presses)
    code, out, errors = subscriber.end()
    assert (code, out, len(errors)) == (0, b"", 1) and "latency" in errors[0]


@pytest.mark.parametrize("presses", PRESSES)
def test_signals_in_quick_succession_end_a_recording_once_with_a_whole_file(
    feed: Feed, call: Call, tmp_path: Path, presses: tuple[signal.Signals, ...]
) -> None:
    file = tmp_path / "lines.parquet"
    # The recorder may end before it subscribes, and then nobody reads the value.
    publisher = feed(wait_for=0, keep_for="1s")
    recorder = call("record", publisher.port, file)
    publisher.hand("1")
    wait_until(lambda: Path(f"{file}.partial").exists(), SECONDS)
    recorder.press(*presses)
    code, _, errors = recorder.end()
    assert code == 0, errors
    assert re.fullmatch(r"graphcore: \d values? recorded, 0 lost on the way", errors[-1])
    assert os.listdir(tmp_path) == [file.name]
    assert pl.read_parquet(file)["value"].to_list() in ([], ["1"])


@pytest.mark.parametrize("presses", PRESSES)
def test_signals_in_quick_succession_end_a_publisher_once_and_nothing_is_lost(
    pub: Call, call: Call, presses: tuple[signal.Signals, ...]
) -> None:
    publisher = pub("--codec", "raw")
    subscriber = call("sub", publisher.port(), "--codec", "raw")
    publisher.write(b"1\n")
    assert subscriber.stdout.readline() == b"1\n"
    # A subscriber that does not read makes the publisher wait at its end.
    subscriber.press(signal.SIGSTOP)
    publisher.write(b"x" * 100_000 + b"\nlast\n")
    publisher.press(*presses)
    subscriber.press(signal.SIGCONT)
    assert publisher.process.wait(SECONDS) == 0
    assert len(publisher.errors) == 1
    code, _, errors = subscriber.end()
    assert (code, errors) == (0, [])


@pytest.mark.parametrize("presses", PRESSES)
def test_signals_in_quick_succession_end_a_replay_once_and_normally(
    call: Call, tmp_path: Path, presses: tuple[signal.Signals, ...]
) -> None:
    file = tmp_path / "slow.parquet"
    gc.replay([(0, 1), (3600 * SECOND, 2)]).record(file).run()
    publisher = call("replay", file, "--pub", 0, "--bind", "127.0.0.1", "--wait-for", 1)
    subscriber = call("sub", publisher.port())
    assert subscriber.stdout.readline() == b"1\n"
    publisher.press(*presses)
    assert publisher.process.wait(SECONDS) == 0
    assert len(publisher.errors) == 1
    assert subscriber.end() == (0, b"", [])


def test_ctrl_c_again_and_again_does_not_wait_for_subscribers_and_says_so(
    pub: Call, call: Call
) -> None:
    publisher = pub("--on-full", "block")
    subscriber = call("sub", publisher.port())
    publisher.write(b"1\n")
    assert subscriber.stdout.readline() == b"1\n"
    subscriber.press(signal.SIGSTOP)
    publisher.write((b"x" * 1000 + b"\n") * 1000)
    publisher.press_until_it_ends()
    code, _, errors = publisher.end()
    assert code == 130
    assert errors[1:] == ["graphcore: interrupted before all subscribers had read the last values"]


# Makes the command wait for ever while it makes the Parquet file.
ENDLESS = """
import sys, time, pyarrow.parquet
def write_table(self, table):
    print("making the file", file=sys.stderr, flush=True)
    while True:
        time.sleep(0.01)
pyarrow.parquet.ParquetWriter.write_table = write_table
"""


def test_ctrl_c_again_and_again_leaves_a_recording_unfinished_and_the_next_says_how_to_go_on(
    feed: Feed, call: Call, tmp_path: Path
) -> None:
    file = tmp_path / "lines.parquet"
    partial = Path(f"{file}.partial")
    publisher = feed()
    recorder = call("record", publisher.port, file, "--status", prologue=ENDLESS)
    recorder.said("connected")
    publisher.hand("1", "2")
    publisher.end()
    recorder.said("making the file")
    recorder.press_until_it_ends()
    code, _, errors = recorder.end()
    assert code == 130
    assert errors[-1] == (
        f"graphcore: interrupted before {file} was finished; what was recorded is in {partial}: "
        "rename it, and replay it with `graphcore replay`, or remove it"
    )
    code, _, errors = call("record", publisher.port, file).end()
    assert code == 1 and len(errors) == 1
    assert errors[0].startswith(f"graphcore: {partial} exists") and "Rename it" in errors[0]
    kept = tmp_path / "kept"
    partial.rename(kept)
    again = call("replay", kept, "--pub", 0, "--bind", "127.0.0.1", "--wait-for", 1)
    assert call("sub", again.port()).end()[:2] == (0, b"1\n2\n")


@pytest.mark.parametrize("command", ["sub", "record"])
def test_by_name_the_next_publisher_is_followed_by_default(
    pub: Call, call: Call, tmp_path: Path, command: str
) -> None:
    place = ("--local", tmp_path / "names.db")
    file = tmp_path / "lines.parquet"
    more = (file,) if command == "record" else ()
    follower = call(command, "quotes", *more, "--status", *place)
    for line in (b"one\n", b"two\n"):
        assert pub("--name", "quotes", *place).end(line)[0] == 0
        follower.said("disconnected")
    assert follower.process.poll() is None
    follower.press(signal.SIGINT)
    code, out, _ = follower.end()
    if command == "record":
        out = "".join(f"{value}\n" for value in pl.read_parquet(file)["value"]).encode()
    assert (code, out) == (0, b"one\ntwo\n")


@pytest.mark.parametrize("command", ["sub", "record"])
def test_by_name_on_end_close_ends_with_the_publisher(
    pub: Call, call: Call, tmp_path: Path, command: str
) -> None:
    place = ("--local", tmp_path / "names.db")
    file = tmp_path / "lines.parquet"
    more = (file,) if command == "record" else ()
    follower = call(command, "quotes", *more, "--on-end", "close", *place)
    assert pub("--name", "quotes", *place).end(b"one\n")[0] == 0
    code, out, _ = follower.end()
    if command == "record":
        out = "".join(f"{value}\n" for value in pl.read_parquet(file)["value"]).encode()
    assert (code, out) == (0, b"one\n")


def test_at_an_address_on_end_follow_waits_for_the_next_publisher(pub: Call, call: Call) -> None:
    port = free_port()
    subscriber = call("sub", port, "--on-end", "follow", "--count", 2)
    for line in (b"one\n", b"two\n"):
        publisher = call("pub", port, "--bind", "127.0.0.1", "--wait-for", 1)
        assert publisher.end(line)[0] == 0
        assert subscriber.stdout.readline() == line
    assert subscriber.end()[:2] == (0, b"")


@pytest.mark.etcd
@pytest.mark.parametrize("kind", ["local", "etcd"])
def test_a_name_stands_for_an_address(
    call: Call, pub: Call, kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if kind == "local":
        options = ["--local", str(tmp_path / "names")]
    else:
        server: EtcdServer = request.getfixturevalue("etcd")
        options = ["--etcd", server.url]
    subscriber = call("sub", "quotes", *options, "--count", 2)
    publisher = pub("--name", "quotes", *options)
    assert publisher.end(b"a\nb\n")[0] == 0
    assert subscriber.end()[:2] == (0, b"a\nb\n")


@pytest.fixture(scope="module")
def key_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs of keys that `graphcore keys new` has made: `server`, `client` and `stranger`."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("server", "client", "stranger"):
        subprocess.run([*COMMAND, "keys", "new", folder / name], check=True, capture_output=True)
    return folder


@pytest.fixture
def keys(key_files: Path, tmp_path: Path) -> Path:
    """A copy of the pairs of keys."""
    return shutil.copytree(key_files, tmp_path / "keys")


def test_a_secured_publisher_lets_in_the_client_that_it_is_given(
    pub: Call, call: Call, keys: Path
) -> None:
    secured = ("--secret-key", keys / "server.key_secret", "--client", keys / "client.key")
    publisher = pub(*secured)
    port = publisher.port()
    known = ("--server-key", keys / "server.key")
    stranger = call("sub", port, "--status", "--secret-key", keys / "stranger.key_secret", *known)
    stranger.said("^graphcore: refused")
    plain = call("sub", port, "--status")
    plain.said("^graphcore: refused")
    subscriber = call("sub", port, "--secret-key", keys / "client.key_secret", *known)
    publisher.write(b"secret\n")
    assert subscriber.stdout.readline() == b"secret\n"
    assert publisher.end()[0] == 0
    assert subscriber.end()[:2] == (0, b"")


def test_any_client_that_knows_the_publishers_key_is_let_in(
    pub: Call, call: Call, keys: Path
) -> None:
    publisher = pub("--secret-key", keys / "server.key_secret", "--any-client")
    own = ("--secret-key", keys / "stranger.key_secret")
    subscriber = call("sub", publisher.port(), *own, "--server-key", keys / "server.key")
    assert publisher.end(b"one\n")[0] == 0
    assert subscriber.end()[:2] == (0, b"one\n")


def test_by_name_the_publishers_key_comes_from_the_registry(
    pub: Call, call: Call, keys: Path
) -> None:
    place = ("--local", keys / "names.db")
    secured = ("--secret-key", keys / "server.key_secret", "--client", keys / "client.key")
    publisher = pub("--name", "quotes", *place, *secured)
    publisher.port()
    own = ("--secret-key", keys / "client.key_secret")
    subscriber = call("sub", "quotes", "--count", 1, *place, *own)
    publisher.write(b"one\n")
    assert subscriber.end()[:2] == (0, b"one\n")
    assert publisher.end()[0] == 0


def test_a_secured_stream_is_recorded_and_replayed(call: Call, keys: Path) -> None:
    file = keys / "lines.parquet"
    publisher = ("--bind", "127.0.0.1", "--wait-for", 1)
    secured = ("--secret-key", keys / "server.key_secret", "--client", keys / "client.key")
    own = ("--secret-key", keys / "client.key_secret", "--server-key", keys / "server.key")
    live = call("pub", 0, *publisher, *secured)
    recorder = call("record", live.port(), file, *own)
    assert live.end(b"one\ntwo\n")[0] == 0
    assert recorder.end()[0] == 0
    again = call("replay", file, "--pub", 0, *publisher, *secured)
    assert call("sub", again.port(), *own).end()[:2] == (0, b"one\ntwo\n")


def test_topics_are_published_and_subscribed_to(pub: Call, call: Call, tmp_path: Path) -> None:
    file = tmp_path / "lines.parquet"
    publisher = call("pub", 0, "--bind", "127.0.0.1", "--wait-for", 4, "--topic", "a")
    port = publisher.port()
    subscriber = call("sub", port, "--topic", "a", "--topic", "b")
    in_json = call("sub", port, "--topic", "a", "--json")
    recorder = call("record", port, file, "--topic", "a")
    other = call("sub", port, "--topic", "b")
    assert publisher.end(b"one\ntwo\n")[0] == 0
    assert subscriber.end()[:2] == (0, b"a\tone\na\ttwo\n")
    assert in_json.end()[:2] == (0, b'["a","one"]\n["a","two"]\n')
    assert other.end()[:2] == (0, b"")
    assert recorder.end()[0] == 0
    assert [value for _, value in ticks(gc.replay_parquet(file))] == [("a", "one"), ("a", "two")]


def test_a_replay_has_a_topic_as_well(pub: Call, call: Call, tmp_path: Path) -> None:
    file = tmp_path / "lines.parquet"
    gc.from_iterable(["one", "two"]).record(file).run()
    publisher = call(
        "replay", file, "--pub", 0, "--bind", "127.0.0.1", "--wait-for", 1, "--topic", "a"
    )
    assert call("sub", publisher.port(), "--topic", "a").end()[:2] == (0, b"a\tone\na\ttwo\n")


def test_recorded_topics_are_replayed(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "prices.parquet"
    prices = [("EUR", 1.1), ("GBP", 1.3), ("EUR", 1.2), ("JPY", 0.007)]
    gc.from_iterable(prices).record(file).run()
    options = ("--bind", "127.0.0.1", "--wait-for", 2)
    publisher = call("replay", file, "--pub", 0, "--own-topics", *options)
    port = publisher.port()
    subscriber = call("sub", port, "--topic", "EUR", "--topic", "GBP")
    recorder = call("record", port, tmp_path / "again.parquet", "--topic", "EUR")
    assert subscriber.end()[:2] == (0, b"EUR\t1.1\nGBP\t1.3\nEUR\t1.2\n")
    assert recorder.end()[0] == 0
    again = ticks(gc.replay_parquet(tmp_path / "again.parquet"))
    assert [value for _, value in again] == [("EUR", 1.1), ("EUR", 1.2)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "lines.parquet was not recorded with --topic: 'one' is not a pair of a topic and a"),
        (("--topic", "a"), "give --topic or --own-topics, not both"),
    ],
)
def test_a_recording_without_topics_is_not_replayed_under_topics(
    call: Call, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    file = tmp_path / "lines.parquet"
    gc.from_iterable(["one", "two"]).record(file).run()
    code, _, errors = call("replay", file, "--pub", 0, "--own-topics", *options).end()
    assert code == 1 and message in errors[-1] and "Traceback" not in "".join(errors)


def test_recorded_values_are_replayed(feed: Feed, call: Call, tmp_path: Path) -> None:
    file = tmp_path / "lines.parquet"
    publisher = feed()
    recorder = call("record", publisher.port, file, "--status")
    values = [{"n": n, "text": str(n)} for n in range(300)]
    publisher.send(*values)
    publisher.end()
    code, out, errors = recorder.end()
    assert (code, out) == (0, b"")
    assert errors[-1] == "graphcore: 300 values recorded, 0 lost on the way"
    assert [value for _, value in ticks(gc.replay_parquet(file))] == values
    assert pl.read_parquet(file).unnest("value")["n"].to_list() == list(range(300))

    again = call("replay", file, "--pub", 0, "--speed", 10, "--bind", "127.0.0.1", "--wait-for", 1)
    subscriber = call("sub", again.port(), "--json")
    lines = subscriber.end()[1].splitlines()
    assert [json.loads(line) for line in lines] == values
    assert again.end()[0] == 0


def test_speed_shortens_the_time_between_values(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "slow.parquet"
    gc.replay([(0, 1), (3600 * 10**9, 2)]).record(file).run()
    options = ["--bind", "127.0.0.1", "--wait-for", 1]
    publisher = call("replay", file, "--pub", 0, "--speed", 10_000, *options)
    subscriber = call("sub", publisher.port())
    assert subscriber.end() == (0, b"1\n2\n", [])


def test_ctrl_c_ends_a_recording_with_a_whole_file(feed: Feed, call: Call, tmp_path: Path) -> None:
    file = tmp_path / "lines.parquet"
    publisher = feed()
    recorder = call("record", publisher.port, file, "--status")
    recorder.said("connected")
    publisher.hand("1")
    partial = Path(f"{file}.partial")
    wait_until(lambda: partial.exists(), SECONDS)
    # Values that came more than a second ago are visible in the file.
    numbers = itertools.count(2)

    def holds_values() -> bool:
        publisher.hand(str(next(numbers)))
        return partial.stat().st_size > 0

    wait_until(holds_values, SECONDS)
    recorder.process.send_signal(signal.SIGINT)
    code, _, errors = recorder.end()
    assert code == 0 and "values recorded, 0 lost" in errors[-1]
    recorded = pl.read_parquet(file)["value"].to_list()
    assert recorded == [str(n) for n in range(1, len(recorded) + 1)] != []
    assert os.listdir(tmp_path) == [file.name]


def test_an_existing_recording_is_not_replaced_without_overwrite(
    call: Call, tmp_path: Path
) -> None:
    file = tmp_path / "lines.parquet"
    gc.constant(1).record(file).run()
    code, _, errors = call("record", free_port(), file).end()
    assert (code, errors) == (1, [f"graphcore: {file} exists; --overwrite replaces it"])
    assert [value for _, value in ticks(gc.replay_parquet(file))] == [1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["sub", "quotes"],
            "'quotes' is not an address (tcp://host:port), and a name needs --etcd",
        ),
        (["sub", "tcp://host"], "'tcp://host' is not an address: write"),
        (["sub", "99999"], "a port is a number from 1 to 65535, not 99999"),
        (["pub", "99999"], "a port is a number from 0 to 65535, not 99999"),
        (
            ["pub", "0", "--name", "x"],
            "give --name together with --etcd or --local to register the",
        ),
        (
            ["pub", "0", "--local", "x"],
            "give --name together with --etcd or --local to register the",
        ),
        (["replay", "missing.parquet", "--pub", "0"], "cannot read missing.parquet: No such file"),
        (["replay", "x", "--pub", "0", "--speed", "0"], "speed must be above 0, not 0.0"),
        (["pub", "0", "--client", "c.key"], "--client and --any-client need --secret-key"),
        (["pub", "0", "--secret-key", "s"], "--secret-key needs --client FILE or --any-client"),
        (["pub", "0", "--secret-key", "s", "--any-client"], "s does not hold a key"),
        (["sub", "5556", "--server-key", "s"], "--server-key needs --secret-key"),
        (["sub", "5556", "--secret-key", "s"], "--secret-key needs --server-key"),
        (["record", "5556", "no/where.parquet"], "cannot write no/where.parquet.partial: No such"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_errors_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.setattr(sys, "argv", ["graphcore", *arguments])
    with open(os.devnull) as nothing, pytest.raises(SystemExit) as ended:
        monkeypatch.setattr(sys, "stdin", nothing)
        cli.main()
    out, errors = capsys.readouterr()
    assert (ended.value.code, out) == (1, "")
    assert errors.splitlines()[-1].startswith(f"graphcore: {message}")
    assert "Traceback" not in errors


def test_a_port_in_use_is_named(pub: Call, call: Call) -> None:
    port = pub().port()
    code, _, errors = call("pub", port, "--bind", "127.0.0.1").end()
    assert (code, errors) == (
        1,
        [f"graphcore: cannot bind tcp://127.0.0.1:{port}: Address already in use"],
    )


def test_a_closed_standard_input_is_reported() -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *COMMAND, "pub", "0"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (1, "graphcore: standard input is closed\n")


def test_a_value_that_does_not_decode_ends_a_subscriber_with_a_sentence(
    feed: Feed, call: Call
) -> None:
    publisher = feed(codec=raw)
    subscriber = call("sub", publisher.port)
    publisher.hand(b"\xc1")
    code, out, errors = subscriber.end()
    assert (code, out) == (1, b"")
    assert errors[-1].startswith("graphcore: msgpack cannot decode b'\\xc1'")
    assert "Traceback" not in "\n".join(errors)


def test_a_value_that_json_cannot_express_ends_a_subscriber_with_a_sentence(call: Call) -> None:
    with bare_context() as context, context.socket(zmq.XPUB) as publisher:
        port = publisher.bind_to_random_port("tcp://127.0.0.1")
        subscriber = call("sub", port, "--json")
        assert publisher.poll(SECONDS * 1000)
        payload = msgspec.msgpack.encode(msgspec.msgpack.Ext(1, b"x"))
        publisher.send(struct.pack("<IQ", 3, len(payload)) + payload)
        code, out, errors = subscriber.end()
    assert (code, out) == (1, b"")
    assert errors[-1].startswith("graphcore: json cannot encode a value of type Ext")
    assert "Traceback" not in "\n".join(errors)


def test_a_character_that_the_terminal_lacks_is_escaped_but_json_is_utf_8(
    feed: Feed, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher = feed(wait_for=2)
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    as_text, in_json = call("sub", publisher.port), call("sub", publisher.port, "--json")
    publisher.send("thrée")
    publisher.end()
    assert as_text.end() == (0, b"thr\\xe9e\n", [])
    assert in_json.end() == (0, '"thrée"\n'.encode(), [])


def test_latency_is_shown_at_the_end(feed: Feed, call: Call) -> None:
    publisher = feed()
    subscriber = call("sub", publisher.port, "--latency")
    publisher.send("1", "2")
    publisher.end()
    assert re.fullmatch(
        r"graphcore: latency p50 \d+\.\d{3} ms, p99 \d+\.\d{3} ms", subscriber.end()[2][-1]
    )


def test_the_latency_of_another_kind_of_publisher_is_unknown(call: Call) -> None:
    with bare_context() as context, context.socket(zmq.XPUB) as publisher:
        port = publisher.bind_to_random_port("tcp://127.0.0.1")
        subscriber = call("sub", port, "--codec", "raw", "--latency")
        assert publisher.poll(SECONDS * 1000)
        publisher.send(bytes.fromhex("03000000 0200000000000000 6d31"))
        publisher.send(bytes.fromhex("01000000"))
        assert subscriber.end() == (0, b"m1\n", ["graphcore: latency not known"])
