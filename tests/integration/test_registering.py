"""A publisher that registers its name: what it says, and how its run ends, when that takes long."""

import json
import logging
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import graphcore as gc
from graphcore_zmq import EtcdRegistry, LocalRegistry
from tests.integration.etcd_server import registered

pytestmark = pytest.mark.zmq

# A network in which names are asked of a server that never answers, nor does any other host.
NETWORK = """
ip link set lo up
ip link add hole type veth peer name other
ip link set hole up; ip link set other up
ip addr add 10.1.0.5/24 dev hole
ip neigh add 10.1.0.9 lladdr 02:00:00:00:00:01 dev hole
ip route add default via 10.1.0.9
echo "nameserver 10.1.0.9" > resolv.conf; mount --bind resolv.conf /etc/resolv.conf
echo "hosts: files dns" > nsswitch.conf; mount --bind nsswitch.conf /etc/nsswitch.conf
exec "$0" "$@"
"""
PROGRAM = """
import json, logging, signal, socket, sys, threading, time
import graphcore as gc
from graphcore_zmq import EtcdRegistry

url, bind, conflict, end_at = sys.argv[1:]
resolve, begun, done, ended_at = socket.getaddrinfo, [], [], []

def resolve_and_tell(*what):
    begun.append(what)
    try:
        return resolve(*what)
    finally:
        done.append(what)

def end():
    ended_at.append(time.monotonic())
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

class End(logging.StreamHandler):
    def emit(self, record):
        super().emit(record)
        if end_at in record.getMessage():
            threading.Thread(target=end).start()

socket.getaddrinfo = resolve_and_tell
logging.basicConfig(handlers=[End()])
registry = EtcdRegistry(url, conflict=conflict)
publisher = gc.ticker("10ms").zmq_pub(0, ("quotes", registry), bind=bind, keep_for=0)
ended_by = gc.Graph(publisher).run(realtime=True).ended_by
print(json.dumps([ended_by, time.monotonic() - ended_at[0], len(begun), len(done)]))
"""

HERE = "tcp://127.0.0.1:5001"


@pytest.fixture(params=["local", pytest.param("etcd", marks=pytest.mark.etcd)])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Any]:
    """Make another registry object for the same names."""
    if request.param == "local":
        return lambda **options: LocalRegistry(tmp_path / "names.db", ttl="30s", **options)
    url = request.getfixturevalue("etcd").url
    return lambda **options: EtcdRegistry(url, ttl="30s", **options)


def warnings_of(what: str, caplog: pytest.LogCaptureFixture) -> list[str]:
    messages = [each.getMessage() for each in caplog.records if each.levelno > logging.INFO]
    return [each for each in messages if what in each]


def test_a_run_that_passes_while_its_name_is_waited_for_says_so(
    registry: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    publisher = gc.ticker("1s").zmq_pub(0, ("quotes", registry()), bind="127.0.0.1", keep_for=0)
    with registered(registry(), "quotes", HERE):
        report = publisher.run(realtime=True, duration="500ms")
        assert registry().lookup("quotes") == HERE
    assert report.ended_by == "until"
    waits, ended = warnings_of("'quotes'", caplog)
    assert re.fullmatch(
        f"{publisher.address} waits at most 3[0-2] s for the name 'quotes': {HERE} holds it", waits
    )
    assert ended == (
        f"{publisher.node.name}: the run ended before the name 'quotes' was registered: nobody has "
        "found this publisher by it"
    )


def test_a_standby_waits_without_an_end_and_its_run_ends_like_any_other(
    registry: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    standby = registry(conflict="standby")
    publisher = gc.ticker("1s").zmq_pub(0, ("quotes", standby), bind="127.0.0.1", keep_for=0)
    with registered(registry(), "quotes", HERE):
        publisher.run(realtime=True, duration="500ms")
    (waits,) = warnings_of("'quotes'", caplog)
    assert waits == f"{publisher.address} waits for the name 'quotes': {HERE} holds it"


@pytest.mark.etcd
@pytest.mark.parametrize(
    ("host", "bind", "conflict", "said"),
    [
        ("etcd.example", "127.0.0.1", "wait", "no answer within 2 s; it is tried again"),
        ("10.1.0.9", "127.0.0.1", "standby", "no answer within 2 s; it is tried again"),
        (
            "etcd.example",
            "0.0.0.0",
            "standby",
            "waits for this host's address towards <EtcdRegistry",
        ),
    ],
)
def test_a_run_is_ended_in_time_where_etcd_is_in_a_network_that_swallows_all(
    host: str, bind: str, conflict: str, said: str, tmp_path: Path
) -> None:
    network = ["unshare", "--net", "--mount", "--map-root-user", "sh", "-ec", NETWORK]
    publisher = [sys.executable, "-c", PROGRAM, f"http://{host}:2379", bind, conflict, said]
    done = subprocess.run(
        [*network, *publisher], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    ended_by, took, begun, resolved = json.loads(done.stdout)
    assert ended_by == "signal"
    assert took < 2
    assert "stays registered" not in done.stderr  # as it never was
    if bind == "0.0.0.0":
        assert (begun, resolved) == (1, 0)
    if bind == "0.0.0.0" or conflict == "wait":
        assert "the run ended before the name 'quotes' was registered" in done.stderr
