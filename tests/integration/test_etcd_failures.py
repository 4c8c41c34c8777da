"""Names in an etcd that is killed, frozen or cut off, and publishers that are killed."""

import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial
from time import monotonic
from typing import Any

import pytest

import graphcore as gc
from graphcore.testing import wait_until
from graphcore_zmq import (
    EtcdRegistry,
    NameTakenError,
    Registration,
    RegistryError,
    ZmqPublisher,
)
from graphcore_zmq.registries.etcd.key import FollowedKey
from tests.integration.etcd_server import EtcdServer, Proxy, registered

pytestmark = pytest.mark.etcd

HERE = "tcp://127.0.0.1:5001"
THERE = "tcp://127.0.0.1:5002"


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    # graphcore's threads have ended by now; gRPC's take a moment longer.
    left = [each for each in set(threading.enumerate()) - before if "graphcore" in each.name]
    assert not left
    wait_until(lambda: set(threading.enumerate()) <= before)


def let_pass(seconds: float) -> None:
    """Let time pass, which is what leases count."""
    threading.Event().wait(seconds)


# etcd stops and comes back


def test_a_name_outlives_etcd_that_is_killed_and_started_after_five_seconds(
    etcd: EtcdServer, caplog: pytest.LogCaptureFixture
) -> None:
    registry = EtcdRegistry(etcd.url, ttl="10s")
    watch = registry.watch("quotes")
    with registered(registry, "quotes", HERE):
        wait_until(lambda: watch.address == HERE)
        etcd.kill()
        with pytest.raises(RegistryError, match=f"etcd cannot be reached: tried {etcd.url}"):
            registry.lookup("quotes")
        let_pass(5)
        assert watch.address == HERE
        etcd.start()
        etcd.await_ready()
        wait_until(lambda: "etcd answers again" in caplog.text)
        assert etcd.value("quotes") == registry.lookup("quotes") == watch.address == HERE
        (lease,) = etcd.leases()
        etcd.ctl("del", "quotes")
        wait_until(lambda: etcd.value("quotes") == HERE)
        assert lease not in etcd.leases()
    wait_until(lambda: watch.address is None)
    watch.close()
    assert caplog.text.count("etcd cannot be reached") == 1


@pytest.mark.parametrize("kept", ["name", "watch"])
def test_etcd_that_answers_again_is_noticed_long_before_a_lease_has_to_be_renewed(
    etcd: EtcdServer, caplog: pytest.LogCaptureFixture, kept: str
) -> None:
    registry = EtcdRegistry(etcd.url, ttl="60s")
    if kept == "name":
        end = registry.register("quotes", HERE).revoke
    else:
        watch = registry.watch("quotes")
        etcd.ctl("put", "quotes", HERE)
        wait_until(lambda: watch.address == HERE)
        end = watch.close
    etcd.kill()
    wait_until(lambda: "etcd cannot be reached" in caplog.text)
    etcd.start()
    etcd.await_ready()
    wait_until(lambda: "etcd answers again" in caplog.text, 5)
    end()


def test_ends_of_names_while_etcd_is_down_do_not_count_as_its_answer(
    etcd: EtcdServer, caplog: pytest.LogCaptureFixture
) -> None:
    registry = EtcdRegistry(etcd.url)
    watch = registry.watch("quotes")
    with registered(registry, "quotes", HERE):
        wait_until(lambda: watch.address == HERE)
        etcd.kill()
        wait_until(lambda: "etcd cannot be reached" in caplog.text)
        watch.close()
    assert "answers again" not in caplog.text


def _is_told(caplog: pytest.LogCaptureFixture, times: int) -> bool:
    return caplog.text.count("; trying again") == times


def test_each_run_logs_again_that_etcd_is_down(
    etcd: EtcdServer, caplog: pytest.LogCaptureFixture
) -> None:
    etcd.kill()
    registry = EtcdRegistry(etcd.url, conflict="standby")
    for times in (1, 2):
        with registered(registry, "quotes", HERE):
            wait_until(partial(_is_told, caplog, times))
    etcd.start()
    etcd.await_ready()
    with registered(registry, "quotes", HERE):
        wait_until(lambda: etcd.value("quotes") == HERE)
    assert "answers again" not in caplog.text


def test_a_name_is_there_after_etcd_was_down_for_longer_than_its_lease(etcd: EtcdServer) -> None:
    with registered(EtcdRegistry(etcd.url, ttl="2s"), "quotes", HERE):
        etcd.kill()
        let_pass(5)
        etcd.start()
        etcd.await_ready()
        until = monotonic() + 5
        wait_until(lambda: etcd.value("quotes") == HERE)
        # Not only the rest of the lease.
        wait_until(lambda: etcd.value("quotes") != HERE or monotonic() > until)
        assert etcd.value("quotes") == HERE
        assert len(etcd.leases()) == 1


def test_a_name_is_there_after_etcd_has_forgotten_everything(
    etcd: EtcdServer, caplog: pytest.LogCaptureFixture
) -> None:
    registry = EtcdRegistry(etcd.url)
    watch = registry.watch("quotes")
    with registered(registry, "quotes", HERE):
        for n in range(20):
            etcd.ctl("put", "other", str(n))
        wait_until(lambda: watch.address == HERE)
        etcd.kill()
        etcd.forget()
        etcd.start()
        etcd.await_ready()
        wait_until(lambda: etcd.value("quotes") == HERE, 5)
        wait_until(lambda: watch.address == HERE)
        wait_until(lambda: "'quotes' is registered again in etcd" in caplog.text)
        etcd.ctl("put", "quotes", THERE)
        wait_until(lambda: watch.address == THERE)
    watch.close()


def test_a_name_whose_lease_ended_in_a_partition_is_registered_again(
    etcd: EtcdServer, proxy: Callable[[EtcdServer], Proxy], caplog: pytest.LogCaptureFixture
) -> None:
    between = proxy(etcd)
    with registered(EtcdRegistry(between.url, ttl="2s"), "quotes", HERE):
        between.cut()
        wait_until(lambda: etcd.value("quotes") == "")
        between.mend()
        wait_until(lambda: etcd.value("quotes") == HERE, 5)
        # The worker logs it after etcd has it.
        wait_until(lambda: "'quotes' is registered again in etcd" in caplog.text)


def test_the_end_of_a_lease_is_noticed_also_when_the_watch_is_silent(
    etcd: EtcdServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FollowedKey, "receive", lambda *told: None)
    with registered(EtcdRegistry(etcd.url, ttl="3s"), "quotes", HERE):
        (lease,) = etcd.leases()
        etcd.ctl("lease", "revoke", lease)
        wait_until(lambda: etcd.value("quotes") == HERE)


def test_a_move_is_noticed_also_when_the_watch_is_silent(
    etcd: EtcdServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FollowedKey, "receive", lambda *told: None)
    watch = EtcdRegistry(etcd.url).watch("quotes")
    let_pass(1)
    etcd.ctl("put", "quotes", HERE)
    wait_until(lambda: watch.address == HERE, 15)
    watch.close()


def test_a_name_that_another_took_in_a_partition_is_given_up_and_logged(
    etcd: EtcdServer, proxy: Callable[[EtcdServer], Proxy], caplog: pytest.LogCaptureFixture
) -> None:
    between = proxy(etcd)
    with registered(EtcdRegistry(between.url, ttl="2s"), "quotes", HERE):
        between.cut()
        with registered(EtcdRegistry(etcd.url, ttl="2s"), "quotes", THERE):
            between.mend()
            wait_until(lambda: f"the name 'quotes' has gone to {THERE}" in caplog.text)
            assert etcd.value("quotes") == THERE
            assert len(etcd.leases()) == 1


def test_a_name_outlives_the_leader_of_three(etcd_cluster: list[EtcdServer]) -> None:
    urls = [server.url for server in etcd_cluster]
    # One registry for each member, so that one of them loses its connection.
    registries = [EtcdRegistry(urls[n:] + urls[:n], ttl="3s") for n in range(3)]
    for n, registry in enumerate(registries):
        registry._connection._next = 0
        assert registry._endpoints[0].url == urls[n]
    handles = [registry.register(f"name {n}", HERE) for n, registry in enumerate(registries)]
    watches = [registry.watch("moving") for registry in registries]
    leader = next(server for server in etcd_cluster if server.is_leader())
    others = [server for server in etcd_cluster if server is not leader]
    leader.kill()
    wait_until(lambda: any(server.is_leader() for server in others), 20)
    until = monotonic() + 6
    for registry in registries:
        assert registry.lookup("name 0") == HERE
    others[0].ctl("put", "moving", THERE)
    wait_until(lambda: all(watch.address == THERE for watch in watches))
    wait_until(lambda: monotonic() > until)
    assert len(EtcdRegistry([server.url for server in others]).names()) == 4
    for each in handles:
        each.revoke()
    for each in watches:
        each.close()
    assert others[0].leases() == []


def test_a_watch_goes_on_after_its_member_had_lost_its_cluster(
    etcd_cluster: list[EtcdServer],
) -> None:
    lonely, *others = etcd_cluster
    registry = EtcdRegistry([server.url for server in etcd_cluster])
    registry._connection._next = 0
    watch = registry.watch("quotes")
    others[0].ctl("put", "quotes", HERE)
    wait_until(lambda: watch.address == HERE)
    for server in others:
        server.kill()
    with pytest.raises(RegistryError, match=lonely.url):
        registry.lookup("quotes")
    for server in others:
        server.start()
    for server in others:
        server.await_ready()
    others[0].ctl("put", "quotes", THERE)
    wait_until(lambda: watch.address == THERE)
    watch.close()


def test_a_frozen_etcd_costs_a_lookup_its_timeout_and_a_name_nothing(etcd: EtcdServer) -> None:
    registry = EtcdRegistry(etcd.url, ttl="30s", timeout="500ms")
    with registered(registry, "quotes", HERE):
        etcd.freeze()
        began = monotonic()
        with pytest.raises(RegistryError, match=f"tried {etcd.url} .* no answer within 0.5 s"):
            registry.lookup("quotes")
        assert 0.5 <= monotonic() - began < 2
        etcd.thaw()
        assert registry.lookup("quotes") == HERE


def test_a_name_is_there_after_etcd_was_frozen_for_longer_than_its_lease(
    etcd: EtcdServer,
) -> None:
    registry = EtcdRegistry(etcd.url, ttl="2s", timeout="500ms")
    watch = registry.watch("quotes")
    with registered(registry, "quotes", HERE):
        wait_until(lambda: watch.address == HERE)
        etcd.freeze()
        let_pass(4)
        etcd.thaw()
        etcd.await_ready()
        until = monotonic() + 5
        wait_until(lambda: etcd.value("quotes") == HERE)
        wait_until(lambda: monotonic() > until)
        assert etcd.value("quotes") == HERE
        wait_until(lambda: watch.address == HERE)
    watch.close()


def test_a_frozen_member_of_three_is_replaced_by_another(etcd_cluster: list[EtcdServer]) -> None:
    frozen = next(server for server in etcd_cluster if not server.is_leader())
    others = [server for server in etcd_cluster if server is not frozen]
    registry = EtcdRegistry([frozen.url, *(server.url for server in others)], ttl="3s")
    registry._connection._next = 0
    with registered(registry, "quotes", HERE):
        frozen.freeze()
        until = monotonic() + 7
        wait_until(lambda: others[0].value("quotes") != HERE or monotonic() > until)
        assert others[0].value("quotes") == HERE
        assert registry.lookup("quotes") == HERE
        frozen.thaw()


def test_a_host_that_vanished_is_replaced_by_another(
    etcd: EtcdServer, proxy: Callable[[EtcdServer], Proxy]
) -> None:
    between = proxy(etcd)
    registries = [EtcdRegistry([between.url, etcd.url], ttl="3s") for _ in range(2)]
    for registry in registries:
        registry._connection._next = 0
    watch = registries[0].watch("quotes")
    etcd.ctl("put", "quotes", HERE)
    with registered(registries[1], "kept", HERE):
        leases = etcd.leases()
        wait_until(lambda: watch.address == HERE)
        between.hang()
        etcd.ctl("put", "quotes", THERE)
        wait_until(lambda: watch.address == THERE, 15)
        assert etcd.value("kept") == HERE
        assert etcd.leases() == leases
    watch.close()


# A publisher is ended while etcd does not answer


@pytest.mark.parametrize("state", ["killed", "frozen"])
@pytest.mark.parametrize("count", [1, 30])
def test_a_graph_ends_in_time_while_etcd_is(
    etcd: EtcdServer, state: str, count: int, caplog: pytest.LogCaptureFixture
) -> None:
    before = set(threading.enumerate())
    registry = EtcdRegistry(etcd.url, ttl="3s")
    source = gc.ticker("10ms")
    publishers = [
        source.zmq_pub(0, (f"quotes {n}", registry), bind="127.0.0.1", keep_for=0)
        for n in range(count)
    ]

    def end(ticks: int) -> None:
        if ticks == 1:
            if state == "killed":
                etcd.kill()
            else:
                etcd.freeze()
        if ticks == 20:
            ended_at.append(monotonic())
            signal.raise_signal(signal.SIGTERM)

    ended_at: list[float] = []
    report = gc.Graph(*publishers, source.count().for_each(end)).run(realtime=True)
    took = monotonic() - ended_at[0]
    left = set(threading.enumerate()) - before
    assert not [each for each in left if "graphcore" in each.name]
    assert report.ended_by == "signal"
    assert took < 2
    assert caplog.text.count("stays registered until its lease ends") == count
    if state == "frozen":
        etcd.thaw()
        wait_until(lambda: not etcd.leases(), 20)


@pytest.mark.parametrize("state", ["killed", "frozen", "held"])
def test_a_graph_that_waits_for_its_name_is_ended_by_a_signal(
    etcd: EtcdServer, state: str, caplog: pytest.LogCaptureFixture
) -> None:
    holder = EtcdRegistry(etcd.url).register("quotes", THERE)
    if state == "killed":
        etcd.kill()
    elif state == "frozen":
        etcd.freeze()
    registry = EtcdRegistry(etcd.url, ttl="30s")
    publisher = gc.ticker("10ms").zmq_pub(0, ("quotes", registry), bind="127.0.0.1")
    timer = threading.Timer(1.0, lambda: signal.pthread_kill(main, signal.SIGINT))
    main = threading.main_thread().ident
    assert main is not None
    began = monotonic()
    timer.start()
    report = gc.Graph(publisher).run(realtime=True)
    took = monotonic() - began
    timer.join()
    assert (report.ended_by, report.cycles) == ("signal", 0)
    assert took < 3
    assert "answers again" not in caplog.text
    assert "stays registered" not in caplog.text  # the process never held the name
    if state == "frozen":
        etcd.thaw()
    holder.revoke()


def test_a_publisher_whose_name_is_held_fails_with_the_address_of_the_holder(
    etcd: EtcdServer,
) -> None:
    registry = EtcdRegistry(etcd.url, conflict="error")
    publisher = gc.ticker("10ms").zmq_pub(0, ("quotes", registry), bind="127.0.0.1")
    taken = pytest.raises(NameTakenError, match=THERE)
    with registered(EtcdRegistry(etcd.url), "quotes", THERE), taken:
        publisher.run(realtime=True, cycles=3)


def test_a_publisher_waits_for_an_etcd_that_is_starting(etcd: EtcdServer) -> None:
    etcd.kill()
    claim = EtcdRegistry(etcd.url).claim(Registration("quotes", HERE))
    assert not claim.wait(1)
    etcd.start()
    assert claim.wait(10)
    assert etcd.value("quotes") == HERE
    claim.revoke()


def test_a_standby_starts_at_once_while_etcd_is_down_and_registers_when_it_is_not(
    etcd: EtcdServer,
) -> None:
    etcd.kill()
    began = monotonic()
    with registered(EtcdRegistry(etcd.url, conflict="standby"), "quotes", HERE):
        assert monotonic() - began < 5
        etcd.start()
        etcd.await_ready()
        wait_until(lambda: etcd.value("quotes") == HERE)


def test_a_publisher_does_not_wait_for_an_etcd_that_never_comes(etcd: EtcdServer) -> None:
    etcd.kill()
    began = monotonic()
    with pytest.raises(RegistryError, match=f"etcd cannot be reached: tried {etcd.url}"):
        EtcdRegistry(etcd.url, ttl="1s").register("quotes", HERE)
    assert 3 <= monotonic() - began < 5


# A publisher is killed


def test_a_publisher_that_is_restarted_after_sigkill_has_its_name_again(
    etcd: EtcdServer, program: Callable[..., Any]
) -> None:
    def start() -> Any:
        return program("publish_as", key="quotes", url=etcd.url, ttl="2s", conflict="wait")

    first = start()
    before = first.line_with("address")["address"]
    assert etcd.value("quotes") == before
    first.process.kill()
    let_pass(1)
    second = start()
    after = second.line_with("address")["address"]
    assert after != before
    assert etcd.value("quotes") == after
    second.process.terminate()
    assert second.line_with("ended_by")["ended_by"] == "signal"
    assert etcd.value("quotes") == ""


def test_a_standby_takes_the_name_of_a_killed_publisher_within_the_ttl_and_two_seconds(
    etcd: EtcdServer, program: Callable[..., Any]
) -> None:
    def start() -> Any:
        return program("publish_as", key="quotes", url=etcd.url, ttl="3s", conflict="standby")

    def has_the_name(address: str) -> bool:
        return etcd.value("quotes") == address

    active = start()
    address = active.line_with("address")["address"]
    wait_until(lambda: has_the_name(address))
    for _ in range(3):
        standby = start()
        address = standby.line_with("address")["address"]
        assert not has_the_name(address)
        killed_at = monotonic()
        active.process.kill()
        wait_until(partial(has_the_name, address))
        assert monotonic() - killed_at < 5
        active = standby


# What is advertised


def test_a_wildcard_is_advertised_as_an_address_of_this_host_with_the_real_port(
    etcd: EtcdServer,
) -> None:
    def advertised(**options: Any) -> tuple[ZmqPublisher, str]:
        registry = EtcdRegistry(etcd.url)
        source = gc.ticker("10ms")
        publisher = source.zmq_pub(0, ("quotes", registry), **options)
        seen = source.map(lambda _: etcd.value("quotes")).collect()
        gc.Graph(publisher, seen).run(realtime=True, cycles=1)
        return publisher, seen.values[0]

    publisher, address = advertised()
    assert address.endswith(f":{publisher.port}") and publisher.port
    assert "0.0.0.0" not in address
    _, address = advertised(advertise="tcp://quotes.example:7000")
    assert address == "tcp://quotes.example:7000"
