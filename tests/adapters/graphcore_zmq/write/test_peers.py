"""Which peers are disconnected, and when: the bookkeeping of signs of life, on real connections."""

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


def test_a_silent_peer_is_disconnected_at_the_second_check(pair):
    near, far = pair
    peers = Peers()
    announce(peers, near.fileno())
    peers.hear(near.fileno(), ALIVE)
    assert looks(peers, near, SHORT, times=1) == 0
    assert is_open(far)
    assert looks(peers, near, SHORT, times=1) == 1
    assert not is_open(far)
    assert len(peers) == 0


def test_a_sign_of_life_after_the_first_check_keeps_a_peer_connected(pair):
    near, _ = pair
    peers = Peers()
    announce(peers, near.fileno())
    for _ in range(3):
        peers.hear(near.fileno(), ALIVE)
        assert looks(peers, near, SHORT, times=1) == 0


def test_a_peer_that_sent_a_sign_recently_is_not_disconnected(pair):
    near, far = pair
    peers = Peers()
    announce(peers, near.fileno())
    peers.hear(near.fileno(), ALIVE)
    assert looks(peers, near, LONG) == 0
    assert is_open(far)


def test_the_first_sign_is_due_once_something_was_sent(pair):
    near, far = pair
    peers = Peers()
    before = time.monotonic()
    announce(peers, near.fileno())
    port = near.getsockname()[1]
    assert [peers.cut_silent(SHORT, port, before) for _ in range(3)] == [0, 0, 0]
    assert is_open(far)
    assert looks(peers, near, SHORT) == 1
    assert not is_open(far)


def test_frames_sent_before_a_peer_is_admitted_count_and_earlier_signs_do_not(pair):
    near, far = pair
    peers = Peers()
    peers.announce(near.fileno())
    sent, port = time.monotonic(), near.getsockname()[1]
    peers.hear(near.fileno(), ALIVE)
    peers.admit(peers.announced(), {near.fileno()})
    assert sum(peers.cut_silent(SHORT, port, sent) for _ in range(3)) == 1
    assert not is_open(far)


@pytest.mark.parametrize("sign", [DONE, None])
def test_no_more_signs_are_expected_from_a_peer_that_is_done_or_gone(pair, sign):
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
    peers.announce(7)  # another connection, before the end of the first is known
    announced = peers.announced()
    peers.forget(7)
    assert len(peers) == 1
    peers.admit(announced, {7})
    peers.hear(7, ALIVE)
    assert len(peers) == 1
    peers.forget(7)
    assert len(peers) == 0


def test_a_peer_announced_while_ends_are_processed_waits_for_the_next_check():
    peers = Peers()
    announced = peers.announced()
    peers.announce(7)
    peers.admit(announced, {7})
    peers.forget(7)  # the connection that had the descriptor before
    assert len(peers) == 1


@pytest.mark.parametrize("done", [True, False])
def test_a_peer_that_is_done_or_gone_before_its_admission_is_not_admitted(done):
    peers = Peers()
    peers.announce(7)
    announced = peers.announced()
    if done:
        peers.hear(7, DONE)
    peers.admit(announced, {7} if done else set())
    assert len(peers) == 0


def test_a_sign_read_after_the_end_of_its_connection_is_ignored(pair):
    near, far = pair
    peers = Peers()
    announce(peers, near.fileno())
    peers.forget(near.fileno())
    peers.hear(near.fileno(), ALIVE)
    assert len(peers) == 0
    # The descriptor now belongs to a peer that promised no signs of life.
    assert looks(peers, near, SHORT) == 0
    assert is_open(far)


def test_other_messages_from_a_peer_are_ignored(pair):
    peers = Peers()
    for message in (b"", b"gc1", b"\2", b"gc1\1x"):
        peers.hear(pair[0].fileno(), message)
    assert len(peers) == 0


def test_a_descriptor_that_now_belongs_to_something_else_is_left_alone(pair):
    near, far = pair
    peers = Peers()
    for each in (near.fileno(), 10**6):  # the second is closed
        announce(peers, each)
        peers.hear(each, ALIVE)
    other = near.getsockname()[1] + 1
    assert [peers.cut_silent(SHORT, other, 0.0) for _ in range(3)] == [0, 0, 0]
    assert is_open(far)


def test_a_descriptor_that_is_no_longer_a_connection_is_left_alone_and_none_is_leaked():
    near, far = os.pipe()
    before = os.listdir("/proc/self/fd")
    peers = Peers()
    announce(peers, near)
    peers.hear(near, ALIVE)
    assert [peers.cut_silent(SHORT, 0, 0.0) for _ in range(3)] == [0, 0, 0]
    assert os.listdir("/proc/self/fd") == before
    os.close(near)
    os.close(far)
