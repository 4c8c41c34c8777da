"""Names in a real etcd: registering, looking up, following."""

import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, cast

import pyetcd
import pytest
import trustme

import graphcore as gc
from graphcore.testing import wait_until
from graphcore_zmq import (
    EtcdRegistry,
    NameNotFoundError,
    NameTakenError,
    Registration,
    RegistryError,
    ZmqWatch,
)
from graphcore_zmq.registries.etcd.claim import EtcdClaim
from tests.integration.etcd_server import EtcdServer, Proxy, descriptors, free_port, registered

pytestmark = pytest.mark.etcd

HERE = "tcp://127.0.0.1:5001"
THERE = "tcp://127.0.0.1:5002"


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Any:
    before = set(threading.enumerate())
    yield
    # graphcore's threads have ended by now; gRPC's take a moment longer.
    left = [each for each in set(threading.enumerate()) - before if "graphcore" in each.name]
    assert not left
    wait_until(lambda: set(threading.enumerate()) <= before)


def test_a_name_is_a_key_with_the_address_as_its_value(etcd: EtcdServer) -> None:
    registry = EtcdRegistry(etcd.url)
    handle = registry.register("quotes", HERE)
    assert etcd.ctl("get", "quotes") == f"quotes\n{HERE}\n"
    assert registry.lookup("quotes") == HERE
    handle.revoke()
    assert etcd.ctl("get", "quotes") == ""
    assert etcd.leases() == []
    with pytest.raises(NameNotFoundError, match="no publisher named 'quotes' found in etcd"):
        registry.lookup("quotes")


@pytest.mark.parametrize("prefix", ["", "/graph core/ünïcode/"])
@pytest.mark.parametrize(
    "name", ["a/b//c", "/", "two words ", "котировки", "引用", "\n", "x" * 1000]
)
def test_any_text_is_a_name(etcd: EtcdServer, name: str, prefix: str) -> None:
    registry = EtcdRegistry(etcd.url, prefix=prefix)
    handle = registry.register(name, HERE)
    watch = registry.watch(name)
    wait_until(lambda: watch.address == HERE)
    assert registry.lookup(name) == HERE
    assert registry.names() == {name: HERE}
    assert etcd.value(prefix + name) == HERE
    watch.close()
    handle.revoke()
    assert registry.names() == {}


def test_names_are_those_with_the_prefix_in_order(etcd: EtcdServer) -> None:
    for key in ("b", "x/b", "x/a", "y/c"):
        etcd.ctl("put", key, key)
    assert EtcdRegistry(etcd.url, prefix="x/").names() == {"a": "x/a", "b": "x/b"}
    assert list(EtcdRegistry(etcd.url).names()) == ["b", "x/a", "x/b", "y/c"]


def test_a_value_that_is_not_text_is_shown_as_bytes(etcd: EtcdServer) -> None:
    client = pyetcd.client(port=etcd.port)
    client.put("quotes", b"\xff\x00")
    client.close()
    assert EtcdRegistry(etcd.url).lookup("quotes") == "\\xff\x00"


# Two claims on one name


def test_error_names_the_holder_at_once(etcd: EtcdServer) -> None:
    with registered(EtcdRegistry(etcd.url), "quotes", HERE):
        with pytest.raises(NameTakenError, match=f"{HERE} holds the name 'quotes' in etcd"):
            EtcdRegistry(etcd.url, conflict="error").register("quotes", THERE)
        assert etcd.value("quotes") == HERE
        assert len(etcd.leases()) == 1


def test_wait_names_the_holder_if_it_holds_the_name_longer_than_a_dead_publisher_could(
    etcd: EtcdServer,
) -> None:
    with registered(EtcdRegistry(etcd.url, ttl="2s"), "quotes", HERE):
        began = monotonic()
        with pytest.raises(NameTakenError, match=HERE):
            EtcdRegistry(etcd.url, ttl="2s").register("quotes", THERE)
        assert 4 <= monotonic() - began < 6
        assert etcd.value("quotes") == HERE


def test_wait_logs_the_holder_and_takes_the_name_as_soon_as_it_is_revoked(
    etcd: EtcdServer, caplog: pytest.LogCaptureFixture
) -> None:
    first = EtcdRegistry(etcd.url).register("quotes", HERE)
    second = EtcdRegistry(etcd.url).claim(Registration("quotes", THERE))
    assert not second.wait(0.3)
    wait_until(lambda: f" s for the name 'quotes': {HERE} holds it" in caplog.text)
    first.revoke()
    assert second.wait(5)
    assert etcd.value("quotes") == THERE
    second.revoke()


def test_a_standby_starts_at_once_and_takes_the_name_when_it_is_free(etcd: EtcdServer) -> None:
    first = EtcdRegistry(etcd.url).register("quotes", HERE)
    second = EtcdRegistry(etcd.url, conflict="standby").register("quotes", THERE)
    assert etcd.value("quotes") == HERE
    first.revoke()
    wait_until(lambda: etcd.value("quotes") == THERE)
    second.revoke()
    assert etcd.value("quotes") == ""


def test_a_name_that_becomes_free_during_a_lookup_is_taken_at_once(
    etcd: EtcdServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    meet = EtcdClaim.meet

    def meet_late(self: EtcdClaim, holder: str) -> None:
        if etcd.value("quotes") == THERE:
            etcd.ctl("del", "quotes")
            wait_until(lambda: self._followed.found is None)
        meet(self, holder)

    monkeypatch.setattr(EtcdClaim, "meet", meet_late)
    etcd.ctl("put", "quotes", THERE)
    with registered(EtcdRegistry(etcd.url, conflict="standby"), "quotes", HERE):
        wait_until(lambda: etcd.value("quotes") == HERE, 5)


def test_a_standby_that_is_revoked_does_not_take_the_name(etcd: EtcdServer) -> None:
    with registered(EtcdRegistry(etcd.url), "quotes", HERE):
        EtcdRegistry(etcd.url, conflict="standby").register("quotes", THERE).revoke()
    assert etcd.value("quotes") == ""
    assert etcd.leases() == []


def test_one_of_two_that_claim_a_name_at_once_gets_it(etcd: EtcdServer) -> None:
    def claim_all(address: str) -> None:
        with EtcdRegistry(etcd.url, conflict="error") as registry:
            for round in range(50):
                barrier.wait()
                try:
                    handles[address, round] = registry.register(f"quotes {round}", address)
                except NameTakenError as error:
                    losers[address, round] = str(error)

    barrier = threading.Barrier(2)
    handles: dict[tuple[str, int], Any] = {}
    losers: dict[tuple[str, int], str] = {}
    threads = [threading.Thread(target=claim_all, args=[address]) for address in (HERE, THERE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(handles) == len(losers) == 50
    for (address, round), error in losers.items():
        winner = HERE if address == THERE else THERE
        assert winner in error
        assert etcd.value(f"quotes {round}") == winner
    for handle in handles.values():
        handle.revoke()


# A registered name over time


def test_a_lease_that_an_operator_revokes_is_made_again(
    etcd: EtcdServer, caplog: pytest.LogCaptureFixture
) -> None:
    with registered(EtcdRegistry(etcd.url, ttl="30s"), "quotes", HERE):
        (lease,) = etcd.leases()
        etcd.ctl("lease", "revoke", lease)
        wait_until(lambda: etcd.value("quotes") == HERE, 5)
        assert lease not in etcd.leases()
    assert etcd.leases() == []
    wait_until(lambda: "'quotes' is registered again in etcd" in caplog.text)


def test_a_key_that_an_operator_deletes_is_written_again(etcd: EtcdServer) -> None:
    with registered(EtcdRegistry(etcd.url), "quotes", HERE):
        etcd.ctl("del", "quotes")
        wait_until(lambda: etcd.value("quotes") == HERE, 5)
        assert len(etcd.leases()) == 1


def test_a_name_that_another_publisher_took_is_given_up_and_logged(
    etcd: EtcdServer, caplog: pytest.LogCaptureFixture
) -> None:
    handle = EtcdRegistry(etcd.url).register("quotes", HERE)
    etcd.ctl("put", "quotes", THERE)
    wait_until(lambda: f"the name 'quotes' has gone to {THERE}" in caplog.text)
    wait_until(lambda: not etcd.leases())
    handle.revoke()
    assert etcd.value("quotes") == THERE


def test_a_standby_that_loses_its_name_stands_by_again(etcd: EtcdServer) -> None:
    handle = EtcdRegistry(etcd.url, conflict="standby").register("quotes", HERE)
    etcd.ctl("put", "quotes", THERE)
    wait_until(lambda: not etcd.leases())
    etcd.ctl("del", "quotes")
    wait_until(lambda: etcd.value("quotes") == HERE)
    handle.revoke()


def test_a_name_is_kept_for_longer_than_its_lease(etcd: EtcdServer) -> None:
    with registered(EtcdRegistry(etcd.url, ttl="3s"), "quotes", HERE):
        (lease,) = etcd.leases()
        until = monotonic() + 7
        wait_until(lambda: etcd.value("quotes") != HERE or monotonic() > until)
        assert etcd.leases() == [lease]


class SlowlyRefreshing:
    """A client for which answers about a lease take most of the lease's ttl."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.hurry = threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def refresh_lease(self, lease: int) -> Any:
        answers = list(self._client.refresh_lease(lease))
        self.hurry.wait(5)
        return answers


def test_a_name_is_kept_even_if_answers_take_most_of_its_ttl(etcd: EtcdServer) -> None:
    client = SlowlyRefreshing(pyetcd.client(port=etcd.port, timeout=2))
    with registered(EtcdRegistry(client=client, ttl="6s"), "quotes", HERE):
        (lease,) = etcd.leases()
        until = monotonic() + 9
        wait_until(lambda: etcd.value("quotes") != HERE or monotonic() > until)
        assert etcd.leases() == [lease]
        client.hurry.set()
    client.close()
    wait_until(lambda: "pyetcd_watch" not in str(threading.enumerate()))


def test_a_hundred_names_cost_the_threads_and_the_connection_of_one(etcd: EtcdServer) -> None:
    before = set(threading.enumerate())
    registry = EtcdRegistry(etcd.url, ttl="15s")

    def cost() -> tuple[list[str], int]:
        mine = set(threading.enumerate()) - before
        # Threads with a number are gRPC's, which come and go.
        names = sorted(each.name.partition("_watch_")[0] for each in mine if "(" not in each.name)
        return names, etcd.connections()

    with registered(registry, "name 0", HERE):
        one = cost()
        assert one == (["graphcore-etcd", "pyetcd"], 1)
        with ExitStack() as stack:
            for n in range(1, 100):
                stack.enter_context(registered(registry, f"name {n}", HERE))
            assert cost() == one
            leases = set(etcd.leases())
            assert len(leases) == 100
            threading.Event().wait(16)
            assert set(etcd.leases()) == leases
        assert cost() == one
        assert len(etcd.leases()) == 1
    assert "graphcore-etcd" not in cost()[0]
    wait_until(lambda: etcd.connections() == 0)
    assert etcd.leases() == []


def test_two_hundred_publishers_leave_nothing_behind(etcd: EtcdServer) -> None:
    def run(count: int) -> None:
        registry = EtcdRegistry(etcd.url)
        source = gc.ticker("10ms")
        publishers = [
            source.zmq_pub(0, (f"publisher {n}", registry), bind="127.0.0.1", keep_for="1ms")
            for n in range(count)
        ]
        seen = source.limit(1).map(lambda _: registry.names())
        names = seen.collect()
        gc.Graph(*publishers, names).run(realtime=True, cycles=2)
        assert names.values == [
            {f"publisher {n}": p.address for n, p in sorted(enumerate(publishers), key=str)}
        ]

    run(1)
    threads, files = set(threading.enumerate()), descriptors()
    for _ in range(8):
        run(25)
    wait_until(lambda: set(threading.enumerate()) <= threads)
    wait_until(lambda: descriptors() <= files)
    assert etcd.leases() == []
    assert EtcdRegistry(etcd.url).names() == {}


# Looking up and following


def test_a_connection_is_kept_in_a_with_block_and_ends_with_it(etcd: EtcdServer) -> None:
    registry = EtcdRegistry(etcd.url)
    etcd.ctl("put", "quotes", HERE)
    with registry:
        for _ in range(3):
            assert registry.lookup("quotes") == HERE
            assert etcd.connections() == 1
    wait_until(lambda: etcd.connections() == 0)


def test_a_lookup_survives_the_end_of_the_connection_by_another_thread(etcd: EtcdServer) -> None:
    registry = EtcdRegistry(etcd.url)
    etcd.ctl("put", "quotes", HERE)
    ended = threading.Event()
    counts: list[int] = []

    def look_up() -> None:
        count = 0
        while not ended.is_set():
            assert registry.lookup("quotes") == HERE
            count += 1
        counts.append(count)

    threads = [threading.Thread(target=look_up) for _ in range(4)]
    with registry:
        for thread in threads:
            thread.start()
        for _ in range(100):
            registry._connection.interrupt()
            ended.wait(0.01)
        ended.set()
        for thread in threads:
            thread.join()
    assert len(counts) == 4


def test_a_call_that_begins_when_the_connection_has_ended_does_not_crash_the_process() -> None:
    code = (
        "from graphcore_zmq import EtcdRegistry\n"
        "session = EtcdRegistry('http://127.0.0.1:2379')._endpoints[0].open()\n"
        "client = session.client()\n"
        "session.close()\n"
        "for stub in 'kvstub', 'leasestub', 'watcher', 'authstub':\n"
        "    try: getattr(client, stub)\n"
        "    except ValueError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "the channel is closed\n" * 4)


def test_a_watch_follows_a_name_that_comes_moves_and_goes(etcd: EtcdServer) -> None:
    watch = EtcdRegistry(etcd.url).watch("quotes")
    assert watch.address is None
    etcd.ctl("put", "quotes", HERE)
    wait_until(lambda: watch.address == HERE)
    etcd.ctl("put", "quotes", THERE)
    wait_until(lambda: watch.address == THERE)
    etcd.ctl("del", "quotes")
    wait_until(lambda: watch.address is None)
    watch.close()


def test_a_watch_survives_the_compaction_of_its_revision(
    etcd: EtcdServer, proxy: Callable[[EtcdServer], Proxy]
) -> None:
    between = proxy(etcd)
    watch = EtcdRegistry(between.url).watch("quotes")
    # The first value may be read; the watch reports the second.
    for address in (THERE, HERE):
        etcd.ctl("put", "quotes", address)
        wait_until(partial(_shows, watch, address))
    between.cut()
    for n in range(10):
        etcd.ctl("put", "quotes", f"{THERE}{n}")
    revision = etcd.revision()
    etcd.ctl("compact", str(revision))
    assert watch.address == HERE
    between.mend()
    wait_until(lambda: watch.address == f"{THERE}9")
    etcd.ctl("put", "quotes", HERE)
    wait_until(lambda: watch.address == HERE, 5)
    watch.close()


def test_watches_share_the_thread_and_the_connection_of_the_names(etcd: EtcdServer) -> None:
    before = set(threading.enumerate())
    registry = EtcdRegistry(etcd.url)
    with registered(registry, "quotes", HERE):
        watches = [registry.watch("quotes") for _ in range(50)]
        wait_until(lambda: all(watch.address == HERE for watch in watches))
        mine = set(threading.enumerate()) - before
        assert [each.name for each in mine].count("graphcore-etcd") == 1
        assert etcd.connections() == 1
        for watch in watches:
            watch.close()


def test_watches_that_close_before_etcd_learns_of_it_leave_no_thread(
    etcd: EtcdServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pace = threading.Event()

    def slowly(requests: Any) -> Iterator[Any]:
        while (request := requests.get()) is not None:
            pace.wait(0.05)
            yield request

    monkeypatch.setattr(pyetcd.watch, "_new_request_iter", slowly)
    registry = EtcdRegistry(etcd.url)
    watches = [registry.watch("quotes") for _ in range(15)]
    etcd.ctl("put", "quotes", HERE)
    wait_until(lambda: all(watch.address == HERE for watch in watches))
    for watch in watches:
        watch.close()
    wait_until(lambda: "pyetcd_watch" not in str(threading.enumerate()), 5)


def _shows(watch: ZmqWatch, address: str | None) -> bool:
    return watch.address == address


# Whom etcd answers


def test_a_user_with_a_password_is_let_in_and_others_are_not(
    etcd: EtcdServer, caplog: pytest.LogCaptureFixture
) -> None:
    for command in ("user add root:secret", "user grant-role root root", "auth enable"):
        etcd.ctl(*command.split())
    registry = EtcdRegistry(etcd.url, user="root", password="secret", timeout="10s")
    with registered(registry, "quotes", HERE):
        watch = registry.watch("quotes")
        wait_until(lambda: watch.address == HERE)
        assert registry.lookup("quotes") == HERE
        watch.close()
    for conflict in ("wait", "error", "standby"):
        wrong = EtcdRegistry(
            etcd.url, user="root", password="guessed", conflict=conflict, timeout="10s"
        )
        with pytest.raises(RegistryError, match="invalid user ID or password") as caught:
            wrong.register("quotes", HERE)
        assert etcd.url in str(caught.value) and "guessed" not in str(caught.value)
    watch = wrong.watch("quotes")
    refused = "cannot follow 'quotes': .* invalid user ID or password"
    wait_until(lambda: re.search(refused, caplog.text))
    with pytest.raises(TimeoutError):
        wait_until(lambda: len(re.findall(refused, caplog.text)) > 1, 2.5)
    watch.close()
    with pytest.raises(RegistryError, match="user name is empty"):
        EtcdRegistry(etcd.url).lookup("quotes")


def test_a_user_is_let_in_again_after_a_restart_which_forgets_its_token(etcd: EtcdServer) -> None:
    for command in ("user add root:secret", "user grant-role root root", "auth enable"):
        etcd.ctl(*command.split())
    registry = EtcdRegistry(etcd.url, user="root", password="secret", timeout="10s")
    with registered(registry, "quotes", HERE):
        etcd.kill()
        etcd.start()
        etcd.await_ready()
        assert registry.lookup("quotes") == HERE


def test_a_user_is_let_in_again_when_its_token_has_expired(tmp_path: Path) -> None:
    server = EtcdServer(tmp_path / "etcd", options=["--auth-token-ttl", "1"])
    try:
        server.start()
        server.await_ready()
        server.ctl("put", "quotes", HERE)
        for command in ("user add root:secret", "user grant-role root root", "auth enable"):
            server.ctl(*command.split())
        # etcd is slow at checking a password, on purpose.
        registry = EtcdRegistry(server.url, user="root", password="secret", timeout="10s")
        with registry:
            assert registry.lookup("quotes") == HERE
            threading.Event().wait(4)
            assert registry.lookup("quotes") == HERE
    finally:
        server.kill()


def test_a_forbidden_write_is_an_error_that_says_so(etcd: EtcdServer) -> None:
    for command in (
        "user add root:secret",
        "user grant-role root root",
        "user add reader:r",
        "role add reads",
        "role grant-permission reads read quotes",
        "user grant-role reader reads",
        "auth enable",
    ):
        etcd.ctl(*command.split())
    registry = EtcdRegistry(etcd.url, user="reader", password="r", timeout="10s")
    with pytest.raises(RegistryError, match="permission denied"):
        registry.register("quotes", HERE)
    with pytest.raises(RegistryError, match="permission denied"):
        registry.lookup("other")
    with pytest.raises(NameNotFoundError):
        registry.lookup("quotes")


def test_a_name_that_may_no_longer_be_written_is_logged_once(
    etcd: EtcdServer, caplog: pytest.LogCaptureFixture
) -> None:
    for command in (
        "user add root:secret",
        "user grant-role root root",
        "user add writer:w",
        "role add writes",
        "role grant-permission writes readwrite quotes",
        "user grant-role writer writes",
        "auth enable",
    ):
        etcd.ctl(*command.split())
    root = ("--user", "root:secret")
    registry = EtcdRegistry(etcd.url, user="writer", password="w", timeout="10s")
    with registered(registry, "quotes", HERE):
        etcd.ctl(*root, "role", "grant-permission", "writes", "read", "quotes")
        etcd.ctl(*root, "del", "quotes")
        refused = "'quotes' is not kept registered: .* permission denied"
        wait_until(lambda: re.search(refused, caplog.text))
        with pytest.raises(TimeoutError):
            wait_until(lambda: len(re.findall(refused, caplog.text)) > 1, 2.5)
        etcd.ctl(*root, "role", "grant-permission", "writes", "readwrite", "quotes")
        wait_until(lambda: "'quotes' is registered again in etcd" in caplog.text)


def test_certificates_are_shown_and_checked(etcd_tls: EtcdServer, tmp_path: Path) -> None:
    tls = etcd_tls.tls
    assert tls is not None
    registry = EtcdRegistry(etcd_tls.url, ca_cert=tls.ca, cert=tls.cert, key=tls.key)
    with registered(registry, "quotes", HERE):
        assert registry.lookup("quotes") == HERE
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    wrong = EtcdRegistry(etcd_tls.url, ca_cert=other, cert=tls.cert, key=tls.key)
    for ask in (wrong.lookup, lambda name: wrong.register(name, HERE)):
        began = monotonic()
        with pytest.raises(RegistryError, match="CERTIFICATE_VERIFY_FAILED") as caught:
            ask("quotes")
        assert etcd_tls.url in str(caught.value)
        assert monotonic() - began < 10
    with pytest.raises(RegistryError, match="etcd cannot be reached"):
        EtcdRegistry(etcd_tls.url, ca_cert=tls.ca).lookup("quotes")
    with pytest.raises(RegistryError, match="etcd cannot be reached"):
        EtcdRegistry(etcd_tls.url.replace("https", "http")).lookup("quotes")


def test_a_closed_port_is_an_error_with_the_endpoints_and_how_long_they_were_tried(
    caplog: pytest.LogCaptureFixture,
) -> None:
    urls = [f"http://127.0.0.1:{free_port()}" for _ in range(2)]
    with pytest.raises(RegistryError, match="etcd cannot be reached: tried .* s: ") as caught:
        EtcdRegistry(urls).lookup("quotes")
    assert all(url in str(caught.value) for url in urls)
    with pytest.raises(RegistryError, match="Connection refused"):
        EtcdRegistry(urls, conflict="error").register("quotes", HERE)
    assert "trying again" not in caplog.text


def test_a_given_client_is_used_and_left_open(etcd: EtcdServer) -> None:
    client = pyetcd.client(port=etcd.port, timeout=2)
    registry = EtcdRegistry(client=client)
    with registered(registry, "quotes", HERE):
        watch = registry.watch("quotes")
        wait_until(lambda: watch.address == HERE)
        assert registry.lookup("quotes") == HERE
        watch.close()
    assert client.get("quotes") == (None, None)
    client.close()
    wait_until(lambda: "pyetcd_watch" not in str(threading.enumerate()))


def test_an_object_that_is_not_a_client_fails_the_waiting_claim(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", seen.append)
    registry = EtcdRegistry(client=cast(Any, "a client"))
    with pytest.raises(RegistryError, match="'str' object has no attribute 'get_response'"):
        registry.register("quotes", HERE)
    wait_until(lambda: seen)
    assert seen[0].exc_type is AttributeError
    with pytest.raises(AttributeError, match="get_response"):
        registry.lookup("quotes")


def test_without_the_extra_it_can_be_imported_and_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['pyetcd'] = None\n"
        "from graphcore_zmq import EtcdRegistry, RegistryError\n"
        "try: EtcdRegistry('http://etcd:2379')\n"
        "except RegistryError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == (
        "EtcdRegistry needs etcd's client library: pip install 'graphcore[etcd]'\n"
    )


def test_its_client_library_is_imported_with_the_first_registry() -> None:
    code = (
        "import sys, graphcore_zmq.commands.registry, graphcore_zmq.commands.streams\n"
        "assert not {'grpc', 'pyetcd'} & set(sys.modules)\n"
        "graphcore_zmq.EtcdRegistry('http://etcd:2379')\n"
        "assert {'grpc', 'pyetcd'} <= set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
