"""A registry in a forked child starts anew, and does not touch the parent's names and watches."""

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyetcd
import pytest

from graphcore.testing import wait_until
from graphcore_zmq import EtcdRegistry, LocalRegistry, PollingWatch, Registration, RegistryError
from tests.integration.etcd_server import EtcdServer, registered

pytestmark = [
    pytest.mark.etcd,
    # From 3.12 on, Python warns about forks in a process with threads.
    pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning"),
]

HERE = "tcp://127.0.0.1:5001"
THERE = "tcp://127.0.0.1:5002"


def in_child(function: Callable[[], Any], seconds: float = 20) -> Any:
    """Fork, call a function in the child, and return what it returned; JSON carries it over."""
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        try:
            said = json.dumps({"returned": function()})
        except BaseException as error:
            said = json.dumps({"raised": f"{type(error).__name__}: {error}"})
        os.write(theirs, said.encode())
        os._exit(0)
    os.close(theirs)
    try:
        if not select.select([ours], [], [], seconds)[0]:
            os.kill(child, signal.SIGKILL)
            raise AssertionError(f"the child said nothing within {seconds} s")
        said = os.read(ours, 65_536).decode()
    finally:
        os.close(ours)
        status = os.waitpid(child, 0)[1]
    assert said, f"the child ended with status {status}"
    answer = json.loads(said)
    assert "returned" in answer, answer["raised"]
    return answer["returned"]


def message_of(function: Callable[[], Any]) -> str:
    """Return the error text with which a function refuses."""
    try:
        function()
    except RegistryError as error:
        return str(error)
    raise AssertionError("it refused nothing")


@pytest.fixture(params=["local", "etcd"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Any]:
    """Make another registry object for the same names."""
    if request.param == "local":
        return lambda **options: LocalRegistry(tmp_path / "names.db", **options)
    url = request.getfixturevalue("etcd").url
    return lambda **options: EtcdRegistry(url, **options)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    wait_until(lambda: set(threading.enumerate()) <= before)


def test_a_child_registers_keeps_watches_and_revokes_with_its_parents_registry(registry):
    names = registry(ttl="3s")
    watch = names.watch("parent")
    with registered(names, "parent", HERE):
        wait_until(lambda: watch.address == HERE)

        def child() -> list[Any]:
            handle = names.register("child", THERE)
            watch = names.watch("parent")
            wait_until(lambda: watch.address == HERE)
            until = time.monotonic() + 7  # longer than two ttl
            wait_until(lambda: time.monotonic() > until or len(names.names()) < 2)
            held = names.names()
            watch.close()
            handle.revoke()
            return [held, names.names()]

        both = {"child": THERE, "parent": HERE}
        assert in_child(child) == [both, {"parent": HERE}]
        assert names.lookup("parent") == HERE
        handle = registry().register("parent's own", THERE)
        wait_until(lambda: names.lookup("parent's own") == THERE)
        handle.revoke()
    wait_until(lambda: watch.address is None)
    watch.close()


def test_a_child_can_neither_use_nor_end_what_its_parent_has_begun(registry):
    names = registry(ttl="3s")
    claim = names.claim(Registration("quotes", HERE))
    assert claim.wait(10)
    waiting = registry(ttl="30s").claim(Registration("quotes", THERE))
    watch = names.watch("quotes")
    wait_until(lambda: watch.address == HERE)
    polled = PollingWatch(names, "quotes")
    wait_until(lambda: polled.address == HERE)
    parent = os.getpid()

    def child() -> list[str]:
        said = [
            message_of(lambda: claim.wait(0)),
            message_of(lambda: waiting.wait(30)),
            message_of(lambda: watch.address),
            message_of(lambda: polled.address),
        ]
        for end in (claim.revoke, waiting.revoke, watch.close, polled.close):
            end()
        said.append(names.lookup("quotes"))
        return said

    of_parent = f"belongs to process {parent}; this process is a fork of it:"
    assert in_child(child) == [
        f"the claim on 'quotes' {of_parent} register the name anew here",
        f"the claim on 'quotes' {of_parent} register the name anew here",
        f"this watch of 'quotes' {of_parent} begin another one here",
        f"this watch of 'quotes' {of_parent} begin another one here",
        HERE,
    ]
    until = time.monotonic() + 5
    wait_until(lambda: time.monotonic() > until or "quotes" not in names.names())
    assert names.lookup("quotes") == watch.address == polled.address == HERE
    claim.revoke()
    assert waiting.wait(10)
    wait_until(lambda: watch.address == THERE)
    for end in (waiting.revoke, watch.close, polled.close):
        end()


def test_each_child_can_register_while_its_parent_keeps_asking(registry):
    names = registry(ttl="20s", conflict="error")
    stopping = threading.Event()

    def ask() -> None:
        while not stopping.is_set():
            assert names.lookup("quotes") == HERE

    threads = [threading.Thread(target=ask) for _ in range(3)]
    with registered(names, "quotes", HERE):
        for thread in threads:
            thread.start()
        try:
            for n in range(50):

                def child(name: str = f"child {n}") -> Any:
                    handle = names.register(name, THERE)
                    found = names.lookup(name)
                    handle.revoke()
                    return found

                assert in_child(child) == THERE
        finally:
            stopping.set()
            for thread in threads:
                thread.join()
        assert names.names() == {"quotes": HERE}


def test_a_child_of_a_child_starts_anew_as_well(registry):
    names = registry(ttl="3s")

    def grandchild() -> Any:
        with registered(names, "grandchild", THERE):
            return sorted(names.names())

    def child() -> Any:
        with registered(names, "child", THERE):
            return in_child(grandchild)

    with registered(names, "parent", HERE):
        assert in_child(child) == ["child", "grandchild", "parent"]
        assert sorted(names.names()) == ["parent"]


def test_a_child_that_ends_normally_or_by_exit_leaves_its_parents_names(
    etcd: EtcdServer, tmp_path: Path
) -> None:
    code = f"""
import os, sys
from graphcore_zmq import EtcdRegistry, LocalRegistry
path = {str(tmp_path / "names")!r}
registries = EtcdRegistry({etcd.url!r}, ttl="3s"), LocalRegistry(path, ttl="3s")
handles = [each.register("quotes", {HERE!r}) for each in registries]
watches = [each.watch("quotes") for each in registries]
child = os.fork()
if not child:
    handles += [each.register("child", {THERE!r}) for each in registries]
    for each in (*handles, *watches):
        getattr(each, "revoke", getattr(each, "close", None))()
    sys.exit(3)
assert os.waitpid(child, 0)[1] == 3 << 8
import time
time.sleep(5)
assert [each.names() for each in registries] == [{{"quotes": {HERE!r}}}] * 2
for each in (*handles, *watches):
    getattr(each, "revoke", getattr(each, "close", None))()
print([each.names() for each in registries])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "[{}, {}]\n"), done.stderr
    assert etcd.leases() == []


def test_a_lease_outlives_forks_and_a_watch_misses_nothing(etcd: EtcdServer) -> None:
    registry = EtcdRegistry(etcd.url, ttl="3s")
    watch = registry.watch("moving")
    with registered(registry, "quotes", HERE):
        leases = etcd.leases()
        until = time.monotonic() + 5
        n = 0
        while time.monotonic() < until:
            etcd.ctl("put", "moving", f"tcp://127.0.0.1:{n}")
            assert in_child(lambda: 1) == 1
            wait_until(lambda n=n: watch.address == f"tcp://127.0.0.1:{n}", 2)
            n += 1
        assert etcd.leases() == leases
        assert etcd.value("quotes") == HERE
    watch.close()


def test_a_fork_in_a_with_block_leaves_the_connection_to_both(etcd: EtcdServer) -> None:
    etcd.ctl("put", "quotes", HERE)
    registry = EtcdRegistry(etcd.url)

    def child() -> list[Any]:
        found = [registry.lookup("quotes"), etcd.connections()]
        with registry:
            found += [registry.lookup("quotes"), etcd.connections()]
            registry.__exit__(None, None, None)  # as the end of the parent's block would
            registry.__enter__()
            found += [registry.lookup("quotes"), etcd.connections()]
        return found

    with registry:
        assert registry.lookup("quotes") == HERE
        found = in_child(child)
        assert found[::2] == [HERE] * 3 and found[3] == found[5] == 1
        assert registry.lookup("quotes") == HERE
        assert etcd.connections() == 1
    wait_until(lambda: etcd.connections() == 0)


def test_fifty_children_that_are_forked_right_after_a_lookup_all_can_ask(etcd: EtcdServer) -> None:
    etcd.ctl("put", "quotes", HERE)
    registry = EtcdRegistry(etcd.url)
    for _ in range(50):
        assert registry.lookup("quotes") == HERE
        assert in_child(lambda: registry.lookup("quotes")) == HERE


def test_a_fork_does_not_wait_long_for_an_etcd_that_is_frozen(etcd: EtcdServer) -> None:
    registry = EtcdRegistry(etcd.url, ttl="30s", timeout="10s")
    with registered(registry, "quotes", HERE):
        etcd.freeze()
        asking = threading.Thread(target=lambda: registry.lookup("quotes"))
        asking.start()
        wait_until(lambda: registry._connection._session is not None)
        began = time.monotonic()
        assert in_child(lambda: 1) == 1
        assert time.monotonic() - began < 3
        etcd.thaw()
        asking.join()  # its call was repeated
        assert registry.lookup("quotes") == HERE


def test_a_client_that_was_given_belongs_to_the_parent(etcd: EtcdServer) -> None:
    client = pyetcd.client(port=etcd.port, timeout=2)
    registry = EtcdRegistry(client=client)
    etcd.ctl("put", "quotes", HERE)
    assert registry.lookup("quotes") == HERE
    said = (
        f"the given client belongs to process {os.getpid()}; this process is a fork of it: "
        "make a registry with a client of its own here"
    )

    def child() -> list[str]:
        return [
            message_of(lambda: registry.lookup("quotes")),
            message_of(lambda: registry.register("quotes", THERE)),
        ]

    assert in_child(child) == [said, said]
    assert registry.lookup("quotes") == HERE
    client.close()
