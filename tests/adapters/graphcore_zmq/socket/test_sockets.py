"""Which options are set on libzmq's sockets."""

from collections.abc import Iterator

import pytest
import zmq

from graphcore_zmq import SocketOptions
from graphcore_zmq.socket.sockets import Socket, set_options
from graphcore_zmq.write.binding import Binding, OnFull


@pytest.fixture
def socket() -> Iterator[Socket]:
    context = zmq.Context()
    socket = context.socket(zmq.SUB)
    yield socket
    socket.close(linger=0)
    context.term()


@pytest.mark.parametrize(
    ("options", "option", "value"),
    [
        ({}, zmq.TCP_KEEPALIVE, 1),
        ({"tcp_keepalive": False}, zmq.TCP_KEEPALIVE, -1),
        ({"reconnect_interval": "30ms"}, zmq.RECONNECT_IVL, 30),
        ({"reconnect_interval": 0}, zmq.RECONNECT_IVL, 1),
        ({}, zmq.IPV6, 0),
        ({"ipv6": True}, zmq.IPV6, 1),
        # libzmq's own heartbeats do harm: see graphcore_zmq.write.peers.
        ({}, zmq.HEARTBEAT_IVL, 0),
    ],
)
def test_options_are_set(socket, options, option, value):
    set_options(socket, SocketOptions(**options), "tcp://host:1")
    assert socket.get(option) == value


def test_an_address_in_brackets_asks_for_ipv6(socket):
    set_options(socket, SocketOptions(), "tcp://[::1]:1")
    assert socket.get(zmq.IPV6) == 1


def test_the_linger_option_is_set_before_the_socket_is_bound():
    """A socket bound without it may make its context wait for ever: see `Binding.socket`."""
    context = zmq.Context()
    options = SocketOptions(linger="30ms")
    binding = Binding("tcp://*:0", OnFull.DROP, options, None, False, False)
    with context, binding.socket(context, None) as socket:
        assert socket.get(zmq.LINGER) == 30
