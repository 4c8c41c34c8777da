"""Who is cut, and when: the bookkeeping of signs of life, on real connections."""

import os
import socket
import time
from collections.abc import Iterator

import pytest

from graphcore_zmq.wire.signs import ALIVE, DONE
from graphcore_zmq.write.peers import Peers

LONG, SHORT = 3_600_000_000_000, 0


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The two ends of a TCP connection: the publisher's and the subscriber's."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        far = socket.create_connection(server.getsockname())
        near, _ = server.accept()
    with near, far:
        far.settimeout(0.2)
        yield near, far


def is_open(far: socket.socket) -> bool:
    try:
        return far.recv(1) != b""
    except TimeoutError:
        return True


def looks(peers: Peers, near: socket.socket, timeout: int, times: int = 3) -> int:
    port = near.getsockname()[1]
    return sum(peers.cut_silent(timeout, port, time.monotonic()) for _ in range(times))


def announce(peers: Peers, descriptor: int) -> None:
    peers.announce(descriptor)
    peers.admit(peers.announced(), {descriptor})


def test_one_that_was_silent_for_too_long_is_cut_at_the_second_look(pair):
    near, far = pair
    peers = Peers()
    announce(peers, near.fileno())
    peers.hear(near.fileno(), ALIVE)
    assert looks(peers, near, SHORT, times=1) == 0
    assert is_open(far)
    assert looks(peers, near, SHORT, times=1) == 1
    assert not is_open(far)
    assert len(peers) == 0


def test_a_sign_clears_the_suspicion(pair):
    near, _ = pair
    peers = Peers()
    announce(peers, near.fileno())
    for _ in range(3):
        peers.hear(near.fileno(), ALIVE)
        assert looks(peers, near, SHORT, times=1) == 0


def test_one_that_gave_a_sign_of_late_is_not_cut(pair):
    near, far = pair
    peers = Peers()
    announce(peers, near.fileno())
    peers.hear(near.fileno(), ALIVE)
    assert looks(peers, near, LONG) == 0
    assert is_open(far)


def test_a_first_sign_is_due_once_something_was_sent(pair):
    near, far = pair
    peers = Peers()
    before = time.monotonic()
    announce(peers, near.fileno())
    port = near.getsockname()[1]
    assert [peers.cut_silent(SHORT, port, before) for _ in range(3)] == [0, 0, 0]
    assert is_open(far)
    assert looks(peers, near, SHORT) == 1
    assert not is_open(far)


def test_what_was_sent_before_it_is_admitted_counts_and_a_sign_before_it_does_not(pair):
    near, far = pair
    peers = Peers()
    peers.announce(near.fileno())
    sent, port = time.monotonic(), near.getsockname()[1]
    peers.hear(near.fileno(), ALIVE)
    peers.admit(peers.announced(), {near.fileno()})
    assert sum(peers.cut_silent(SHORT, port, sent) for _ in range(3)) == 1
    assert not is_open(far)


@pytest.mark.parametrize("sign", [DONE, None])
def test_one_that_is_done_or_gone_is_expected_no_more(pair, sign):
    near, far = pair
    peers = Peers()
    announce(peers, near.fileno())
    peers.hear(near.fileno(), ALIVE)
    assert len(peers) == 1
    if sign is None:
        peers.forget(near.fileno())
    else:
        peers.hear(near.fileno(), sign)
    assert len(peers) == 0
    assert looks(peers, near, SHORT) == 0
    assert is_open(far)


def test_the_end_of_a_connection_is_not_taken_for_that_of_its_successor():
    peers = Peers()
    announce(peers, 7)
    peers.announce(7)  # another connection, of which the end of the first is not known yet
    announced = peers.announced()
    peers.forget(7)
    assert len(peers) == 1
    peers.admit(announced, {7})
    peers.hear(7, ALIVE)
    assert len(peers) == 1
    peers.forget(7)
    assert len(peers) == 0


def test_one_that_is_announced_while_the_ends_are_told_waits_for_the_next():
    peers = Peers()
    announced = peers.announced()
    peers.announce(7)
    peers.admit(announced, {7})
    peers.forget(7)  # what had the descriptor before
    assert len(peers) == 1


@pytest.mark.parametrize("done", [True, False])
def test_one_that_was_announced_and_is_done_or_gone_by_then_is_not_admitted(done):
    peers = Peers()
    peers.announce(7)
    announced = peers.announced()
    if done:
        peers.hear(7, DONE)
    peers.admit(announced, {7} if done else set())
    assert len(peers) == 0


def test_a_sign_that_is_read_behind_the_end_of_its_connection_counts_for_nothing(pair):
    near, far = pair
    peers = Peers()
    announce(peers, near.fileno())
    peers.forget(near.fileno())
    peers.hear(near.fileno(), ALIVE)
    assert len(peers) == 0
    # The descriptor is now that of one that promised nothing.
    assert looks(peers, near, SHORT) == 0
    assert is_open(far)


def test_what_else_a_peer_sends_is_passed_over(pair):
    peers = Peers()
    for message in (b"", b"gc1", b"\2", b"gc1\1x"):
        peers.hear(pair[0].fileno(), message)
    assert len(peers) == 0


def test_a_descriptor_that_has_become_something_else_is_left_alone(pair):
    near, far = pair
    peers = Peers()
    for each in (near.fileno(), 10**6):  # the second is closed
        announce(peers, each)
        peers.hear(each, ALIVE)
    other = near.getsockname()[1] + 1
    assert [peers.cut_silent(SHORT, other, 0.0) for _ in range(3)] == [0, 0, 0]
    assert is_open(far)


def test_a_descriptor_that_is_no_connection_any_more_is_left_alone_and_none_is_leaked():
    near, far = os.pipe()
    before = os.listdir("/proc/self/fd")
    peers = Peers()
    announce(peers, near)
    peers.hear(near, ALIVE)
    assert [peers.cut_silent(SHORT, 0, 0.0) for _ in range(3)] == [0, 0, 0]
    assert os.listdir("/proc/self/fd") == before
    os.close(near)
    os.close(far)
