"""Names in a real etcd: registering, looking up, following."""

import threading
from collections.abc import Callable, Iterator

import pytest

from graphcore.testing import wait_until
from graphcore_zmq import EtcdRegistry, NameNotFoundError, NameTakenError
from tests.integration.etcd_server import EtcdServer

pytestmark = pytest.mark.etcd

HERE = "tcp://127.0.0.1:5001"
THERE = "tcp://127.0.0.1:5002"


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
    print(threading.enumerate())
