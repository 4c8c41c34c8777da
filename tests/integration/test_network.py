"""A network that fails and comes back, or drops all packets, in the test's own namespace."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.zmq

# Two hosts and a cable; `two` is the other host's end of it.
NETWORK = """
unshare --net sleep 60 & other=$!
trap 'kill $other $publisher' EXIT
ip link set lo up
ip link add one type veth peer name two
until [ "$(readlink /proc/$other/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.1; done
ip link set two netns $other
ip addr add 10.1.0.1/24 dev one; ip link set one up
nsenter --net --target $other sh -ec '
    ip addr add 10.1.0.2/24 dev two; ip link set two up; exec "$0" -c "$1" "$2"
' "$0" "$1" "$3" & publisher=$!
"$0" -c "$2"
"""

PUBLISH = """
import sys
import graphcore as gc
import graphcore_zmq

nothing = gc.receiver(lambda _, stop: stop.wait())
source = gc.ticker("10ms").count() if sys.argv[1] == "values" else nothing
source.zmq_pub(5556).run(realtime=True, duration="1min")
"""

SUBSCRIBE = """
import json, subprocess, threading, time
import graphcore as gc
from graphcore.testing import wait_until
from graphcore_zmq import zmq_sub

subscription = zmq_sub("tcp://10.1.0.2:5556")
statuses, values, told = [], [], []

def cable(state):
    subprocess.run(["ip", "link", "set", "one", state], check=True)
    return time.monotonic()

def pull(sender, stop):
    wait_until(lambda: statuses, 30)
    time.sleep(1)  # the connection is idle then, if nothing is sent
    down = cable("down")
    wait_until(lambda: len(statuses) == 2, 30)
    told.append(time.monotonic() - down)
    cable("up")
    wait_until(lambda: len(statuses) >= 3, 30)
    sender.send(None)

@gc.node
class Stop(gc.MutableNode[None]):
    source: gc.Active[object]

    def cycle(self, state):
        state.stop()
        return False

gc.Graph(
    subscription.data.for_each(values.extend),
    subscription.status.for_each(lambda status: statuses.append(str(status))),
    gc.Stream(Stop(gc.receiver(pull))),
).run(realtime=True, duration="50s")
print(json.dumps({"statuses": statuses, "told": told, "values": values}))
"""

# A network whose name server and other hosts never answer.
SWALLOWING = """
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
REGISTER = """
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

FOLLOW = """
import json, signal, threading, time
import graphcore as gc
from graphcore.testing import wait_until
from graphcore_zmq import StaticRegistry, zmq_sub

def is_asking():
    with open("/proc/self/net/udp") as sockets:
        return ":0035 " in sockets.read()  # port 53

def end():
    wait_until(is_asking)
    ended_at.append(time.monotonic())
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

ended_at = []
names = StaticRegistry({"quotes": "tcp://quotes.example:5556"})
data, status = zmq_sub(("quotes", names))
threading.Thread(target=end).start()
ended_by = gc.Graph(data.collect(), status.collect()).run(realtime=True).ended_by
print(json.dumps([ended_by, time.monotonic() - ended_at[0]]))
"""


@pytest.mark.parametrize("sends", ["values", "nothing"])
def test_a_network_that_is_cut_is_noticed_within_the_peer_timeout_and_its_return_too(sends):
    command = ["unshare", "--net", "--map-root-user", "sh", "-ec", NETWORK]
    done = subprocess.run(
        [*command, sys.executable, PUBLISH, SUBSCRIBE, sends],
        stdout=subprocess.PIPE,
        text=True,
        timeout=100,
        check=True,
    )
    seen = json.loads(done.stdout)
    assert seen["statuses"][:3] == ["connected", "disconnected", "connected"]
    assert set(seen["statuses"][3:]) <= {"gap"}
    assert seen["values"] == sorted(set(seen["values"]))
    # Three seconds are promised; the rest is for a busy machine.
    assert seen["told"][0] < 5


@pytest.mark.etcd
@pytest.mark.parametrize(
    ("host", "bind", "conflict", "said"),
    [
        ("etcd.example", "127.0.0.1", "wait", "no answer within 2 s; trying again"),
        ("10.1.0.9", "127.0.0.1", "standby", "no answer within 2 s; trying again"),
        (
            "etcd.example",
            "0.0.0.0",
            "standby",
            "waits for this host's address towards <EtcdRegistry",
        ),
    ],
)
def test_a_run_ends_in_time_if_etcds_network_drops_all_packets(
    host: str, bind: str, conflict: str, said: str, tmp_path: Path
) -> None:
    network = ["unshare", "--net", "--mount", "--map-root-user", "sh", "-ec", SWALLOWING]
    publisher = [sys.executable, "-c", REGISTER, f"http://{host}:2379", bind, conflict, said]
    done = subprocess.run(
        [*network, *publisher], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    ended_by, took, begun, resolved = json.loads(done.stdout)
    assert ended_by == "signal"
    assert took < 2
    assert "stays registered" not in done.stderr  # the connection was never made
    if bind == "0.0.0.0":
        assert (begun, resolved) == (1, 0)
    if bind == "0.0.0.0" or conflict == "wait":
        assert "the run ended before the name 'quotes' was registered" in done.stderr


def test_a_subscriber_is_ended_in_time_while_the_name_of_its_publishers_host_is_not_resolved(
    tmp_path: Path,
) -> None:
    network = ["unshare", "--net", "--mount", "--map-root-user", "sh", "-ec", SWALLOWING]
    done = subprocess.run(
        [*network, sys.executable, "-c", FOLLOW],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    ended_by, took = json.loads(done.stdout)
    assert ended_by == "signal"
    assert took < 3
    assert "libzmq has not closed the connection" in done.stderr
