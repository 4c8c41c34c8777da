"""Which address of this host a publisher registers, in the test's own network namespace."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from graphcore_zmq.registry import reachable_address

# Two networks, and a default route through the first one if there is a second argument.
NETWORK = """
ip link set lo up
ip link add one type veth peer name two
ip addr add 10.1.0.5/24 dev one; ip link set one up
ip addr add 10.2.0.5/24 dev two; ip link set two up
ip addr add fd00::5/64 dev two nodad
if [ -n "${2:-}" ]; then ip route add default via 10.1.0.1; fi
exec "$0" -c "$1"
"""
PROGRAM = """
from graphcore_zmq.registry import reachable_address

class Registry:
    peer = {peer!r}

print(reachable_address({address!r}, Registry()))
"""


def seen_from(peer: tuple[str, int] | None, address: str, way_out: bool) -> str:
    program = PROGRAM.format(peer=peer, address=address)
    command = ["unshare", "--net", "--map-root-user", "sh", "-ec", NETWORK, sys.executable, program]
    done = subprocess.run(
        [*command, "way out"] if way_out else command,
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent,
    )
    return done.stdout.strip()


@pytest.mark.parametrize("wildcard", ["0.0.0.0", "*", "[::]"])
def test_a_wildcard_becomes_the_address_towards_the_registry(wildcard: str) -> None:
    for network in ("10.1.0", "10.2.0"):
        found = seen_from((f"{network}.9", 2379), f"tcp://{wildcard}:5556", way_out=True)
        assert found == f"tcp://{network}.5:5556"


def test_only_a_publisher_with_ipv6_is_advertised_by_it() -> None:
    peer = ("fd00::9", 2379)
    assert seen_from(peer, "tcp://[::]:5556", way_out=False) == "tcp://[fd00::5]:5556"
    assert seen_from(peer, "tcp://0.0.0.0:5556", way_out=True) == "tcp://10.1.0.5:5556"


@pytest.mark.parametrize("peer", [None, ("127.0.0.1", 2379), ("nowhere.invalid", 2379)])
def test_with_a_registry_on_this_host_it_is_the_address_towards_others(
    peer: tuple[str, int] | None,
) -> None:
    assert seen_from(peer, "tcp://0.0.0.0:5556", way_out=True) == "tcp://10.1.0.5:5556"
    assert seen_from(peer, "tcp://0.0.0.0:5556", way_out=False) == "tcp://127.0.0.1:5556"


@pytest.mark.parametrize("address", ["tcp://10.9.9.9:5556", "tcp://host:5556", "ipc:///tmp/x"])
def test_an_address_that_is_not_a_wildcard_stays_as_it_is(
    address: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert reachable_address(address) == address
    assert not caplog.records
