"""A registry in a file: the conformance suite, and tests of its own."""

import os
import sqlite3
import threading
import time
from contextlib import closing, suppress
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

import graphcore as gc
from graphcore.testing import wait_until
from graphcore_zmq import LocalRegistry, NameTakenError, Registration, RegistryError
from graphcore_zmq.testing import (
    FollowedRegistryConformance,
    HeldKeyedRegistryConformance,
    HeldRegistryConformance,
)

A, B = "tcp://127.0.0.1:5556", "tcp://127.0.0.1:5557"


class TestLocalRegistry(
    HeldRegistryConformance, FollowedRegistryConformance, HeldKeyedRegistryConformance
):
    @pytest.fixture
    def open_registry(self, tmp_path: Path) -> Any:
        return partial(LocalRegistry, tmp_path / "names ?#% ü.db")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "names.db"


def test_names_are_listed_in_order_without_those_of_dead_publishers(path):
    registry = LocalRegistry(path)
    assert registry.names() == {}
    handles = [registry.register(name, A) for name in ("b", "a")]
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "INSERT INTO names VALUES ('dead', ?, 'x', ?, 1000000000, NULL)",
            (A, time.monotonic_ns() - 1_000_000_001),
        )
        # As left behind by a run before the last start of the system.
        database.execute(
            "INSERT INTO names VALUES ('ahead', ?, 'x', ?, 1000000000, NULL)",
            (A, time.monotonic_ns() + 3_600_000_000_000),
        )
    assert list(registry.names().items()) == [("a", A), ("b", A)]
    dead = LocalRegistry(path, conflict="error").register("ahead", B)
    assert registry.lookup("ahead") == B
    for handle in (*handles, dead):
        handle.revoke()
    assert registry.names() == {}


def test_a_name_that_is_renewed_while_it_is_looked_up_is_found(path, monkeypatch):
    registry = LocalRegistry(path, ttl="1h")
    handle = registry.register("quotes", A)
    clock = time.monotonic_ns

    def renewed_meanwhile() -> int:
        now = clock()
        with (
            closing(sqlite3.connect(path, timeout=0)) as database,
            suppress(sqlite3.OperationalError),  # locked, because the lookup has begun
        ):
            database.execute("UPDATE names SET renewed = ?", (clock(),))
            database.commit()
        return now

    monkeypatch.setattr(time, "monotonic_ns", renewed_meanwhile)
    found = registry.names()
    monkeypatch.undo()
    assert found == {"quotes": A}
    handle.revoke()


def test_a_lookup_makes_no_file(path):
    with pytest.raises(LookupError, match="no publisher named 'quotes' found in LocalRegistry"):
        LocalRegistry(path).lookup("quotes")
    assert not path.exists()


def test_a_file_that_is_not_a_registry_is_named_with_the_reason(tmp_path):
    junk = tmp_path / "junk"
    junk.write_text("no database" * 100)
    for path, reason in (
        (junk, "file is not a database"),
        (tmp_path / "no" / "x", f"the folder {tmp_path / 'no'} does not exist"),
        (junk / "x", "Not a directory"),
    ):
        registry = LocalRegistry(path)
        for ask in (lambda each=registry: each.register("quotes", A), registry.names):
            with pytest.raises(RegistryError) as caught:
                ask()
            assert str(caught.value) == f"{path} cannot be used as a registry: {reason}"
        with pytest.raises(RegistryError, match=reason) as caught:
            registry.lookup("quotes")
        assert not isinstance(caught.value, LookupError)  # which would mean: wait for the name


def test_a_watch_says_once_that_the_folder_is_missing_and_goes_on_when_it_is_there(
    tmp_path, caplog
):
    registry = LocalRegistry(tmp_path / "later" / "names.db")
    watch = registry.watch("quotes")
    wait_until(lambda: "does not exist" in caplog.text)
    assert caplog.messages == [
        f"cannot look up 'quotes': {tmp_path}/later/names.db cannot be used as a registry: "
        f"the folder {tmp_path}/later does not exist"
    ]
    (tmp_path / "later").mkdir()
    handle = registry.register("quotes", A)
    wait_until(lambda: watch.address == A)
    watch.close()
    handle.revoke()


@pytest.mark.parametrize(
    ("arguments", "options", "said"),
    [
        ((3,), {}, "path, not 3"),
        (("",), {}, "path, not ''"),
        (("names",), {"ttl": 0}, "above 0, not 0"),
        (("names",), {"ttl": 1.5}, "1.5"),
        (("names",), {"conflict": "fight"}, "fight"),
    ],
)
def test_invalid_arguments_are_refused_in_one_sentence(arguments, options, said):
    with pytest.raises((gc.InvalidTypeError, gc.InvalidValueError), match=said):
        LocalRegistry(*arguments, **options)


def test_a_name_whose_file_was_deleted_is_registered_again(path, caplog):
    handle = LocalRegistry(path, ttl="600ms").register("quotes", A)
    path.unlink()
    wait_until(lambda: LocalRegistry(path).names() == {"quotes": A}, 2)
    assert "registered again" in caplog.text
    handle.revoke()
    assert LocalRegistry(path).names() == {}


def take_away(path: Path, name: str, address: str) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "INSERT OR REPLACE INTO names VALUES (?, ?, 'another', ?, 60000000000, NULL)",
            (name, address, time.monotonic_ns()),
        )


@pytest.mark.parametrize("conflict", ["wait", "error"])
def test_a_name_that_another_publisher_took_is_given_up_and_logged(path, caplog, conflict):
    before = threading.active_count()
    handle = LocalRegistry(path, ttl="300ms", conflict=conflict).register("quotes", A)
    take_away(path, "quotes", B)
    wait_until(lambda: threading.active_count() == before, 2)
    assert f"the name 'quotes' has gone to {B}" in caplog.text
    handle.revoke()
    assert LocalRegistry(path).lookup("quotes") == B


def test_a_standby_that_lost_its_name_takes_it_back_when_it_is_free(path, caplog):
    handle = LocalRegistry(path, ttl="300ms", conflict="standby").register("quotes", A)
    take_away(path, "quotes", B)
    wait_until(lambda: "has gone to" in caplog.text, 2)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DELETE FROM names")
    wait_until(lambda: LocalRegistry(path).names() == {"quotes": A}, 2)
    handle.revoke()


def test_a_revoke_returns_within_a_second_of_a_locked_file_and_the_name_expires(path, caplog):
    registry = LocalRegistry(path, ttl="1s")
    handles = [registry.register(name, A) for name in ("a", "b")]
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        for handle in handles:
            began = time.monotonic()
            handle.revoke()
            assert time.monotonic() - began < 1
        assert "'a' could not be removed" in caplog.text
        database.execute("ROLLBACK")
    wait_until(lambda: registry.names() == {}, 2)


def test_a_name_outlives_a_file_that_is_locked_for_a_while(path, caplog):
    registry = LocalRegistry(path, ttl="600ms")
    handle = registry.register("quotes", A)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        wait_until(lambda: "cannot renew names" in caplog.text, 5)
        database.execute("ROLLBACK")
    wait_until(lambda: "are renewed again" in caplog.text, 5)
    assert registry.lookup("quotes") == A
    handle.revoke()


def claim(path: Path, rounds: int, port: int, owner: Connection) -> None:
    registry = LocalRegistry(path, conflict="error")
    for _ in range(rounds):
        owner.recv()
        try:
            handle = registry.register("quotes", f"tcp://127.0.0.1:{port}")
        except NameTakenError:
            owner.send(False)
            owner.recv()
        else:
            owner.send(True)
            owner.recv()
            handle.revoke()
        owner.send("ready")


def test_exactly_one_of_the_processes_that_claim_a_name_at_once_gets_it_fifty_times_out_of_fifty(
    path,
):
    context = get_context("spawn")
    pipes = [context.Pipe() for _ in range(3)]
    processes = [
        context.Process(target=claim, args=(path, 50, 6_000 + n, theirs))
        for n, (_, theirs) in enumerate(pipes)
    ]
    for process in processes:
        process.start()
    ours = [pipe[0] for pipe in pipes]
    try:
        for _ in range(50):
            for pipe in ours:
                pipe.send("go")
            assert sorted(pipe.recv() for pipe in ours) == [False, False, True]
            for pipe in ours:
                pipe.send("next")
            assert [pipe.recv() for pipe in ours] == ["ready"] * 3
    finally:
        for process in processes:
            process.kill()
            process.join()
        for pair in pipes:
            for pipe in pair:
                pipe.close()


def test_two_hundred_names_leave_no_thread_and_no_descriptor(path):
    def left() -> tuple[int, int]:
        return threading.active_count(), len(os.listdir("/proc/self/fd"))

    before = left()
    registry = LocalRegistry(path)
    handles = [registry.register(f"name-{n}", A) for n in range(200)]
    assert threading.active_count() == before[0] + 1
    assert len(registry.names()) == 200
    for handle in handles:
        handle.revoke()
    assert left()[0] == before[0] and left()[1] <= before[1]
    assert registry.names() == {}


def test_a_waiting_claim_can_be_revoked_at_once(path):
    holder = LocalRegistry(path).register("quotes", A)
    before = threading.active_count()
    waiting = LocalRegistry(path).claim(Registration("quotes", B))
    assert not waiting.wait(0.2)
    waiting.revoke()
    assert threading.active_count() == before
    holder.revoke()
    assert LocalRegistry(path).names() == {}


def test_a_claim_that_waits_for_a_file_that_stays_locked_fails_in_the_end(path, caplog):
    holder = LocalRegistry(path).register("quotes", A)
    waiting = LocalRegistry(path, ttl="200ms").claim(Registration("quotes", B))
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        with pytest.raises(RegistryError, match="database is locked"):
            waiting.wait(20)
        database.execute("ROLLBACK")
    waiting.revoke()
    holder.revoke()
