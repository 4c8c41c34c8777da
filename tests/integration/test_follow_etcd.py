"""Subscribers that follow a name in an etcd that stops, comes back, and has an invalid address."""

import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

from graphcore.testing import wait_until
from graphcore_zmq import EtcdRegistry, ZmqStatus
from tests.integration.etcd_server import EtcdServer
from tests.integration.watching import Watching

pytestmark = [pytest.mark.zmq, pytest.mark.etcd, pytest.mark.usefixtures("nothing_is_left_over")]

CONNECTED, DISCONNECTED = ZmqStatus.CONNECTED, ZmqStatus.DISCONNECTED
TTL = 2


@pytest.fixture
def registered(publish: Any, etcd: EtcdServer) -> Any:
    def start() -> Any:
        registry = ["etcd", etcd.url, {"ttl": f"{TTL}s", "timeout": "500ms"}]
        return publish(registered="quotes", registry=registry, period="1ms")

    return start


@pytest.mark.parametrize("down", [0, 2 * TTL + 1], ids=["for a moment", "for longer than the ttl"])
def test_nothing_is_lost_while_etcd_is_down_and_a_later_move_is_followed(
    registered: Any,
    etcd: EtcdServer,
    watching: Callable[..., Watching],
    caplog: pytest.LogCaptureFixture,
    down: float,
) -> None:
    seen = watching(("quotes", EtcdRegistry(etcd.url, timeout="500ms")))
    first = registered()
    port = first.line_with("port")["port"]
    wait_until(lambda: len(seen.values) > 20)
    etcd.kill()
    wait_until(lambda: "etcd cannot be reached" in caplog.text)
    threading.Event().wait(down)
    before = len(seen.values)
    wait_until(lambda: len(seen.values) > before + 20)
    etcd.start()
    etcd.await_ready()
    wait_until(lambda: etcd.value("quotes") == f"tcp://127.0.0.1:{port}")
    assert seen.statuses == [CONNECTED]
    first.process.send_signal(signal.SIGTERM)
    sent = first.line_with("sent")["sent"]
    wait_until(lambda: seen.statuses == [CONNECTED, DISCONNECTED])
    numbers = [int(value) for value in seen.values]
    assert numbers == list(range(numbers[0], numbers[0] + sent))
    second = registered()
    second.line_with("port")
    wait_until(lambda: len(seen.values) > sent + 20)
    second.process.send_signal(signal.SIGTERM)
    sent_then = second.line_with("sent")["sent"]
    wait_until(lambda: seen.statuses == [CONNECTED, DISCONNECTED] * 2)
    numbers = [int(value) for value in seen.values[sent:]]
    assert numbers == list(range(numbers[0], numbers[0] + sent_then))
    assert seen.subscription.stats().lost == 0


@pytest.mark.parametrize("said", ["quotes.example", "tcp://quotes.example", "\N{SNOWMAN}"])
def test_an_invalid_address_is_logged_once_and_waited_out(
    etcd: EtcdServer,
    bare: Any,
    watching: Callable[..., Watching],
    caplog: pytest.LogCaptureFixture,
    said: str,
) -> None:
    etcd.ctl("put", "quotes", said)
    seen = watching(("quotes", EtcdRegistry(etcd.url)))
    wait_until(lambda: f"{said!r} is not an address" in caplog.text)
    assert "'quotes' in <EtcdRegistry at http://" in caplog.text
    etcd.ctl("put", "quotes", said)
    publisher = bare()
    etcd.ctl("put", "quotes", publisher.address)
    wait_until(lambda: seen.statuses == [CONNECTED])
    publisher.await_subscriber()
    publisher.send(1)
    wait_until(lambda: seen.values == [b"1:0"])
    assert caplog.text.count("ignoring the invalid address") == 1


def test_an_invalid_address_keeps_the_present_connection(
    etcd: EtcdServer, bare: Any, watching: Callable[..., Watching], caplog: pytest.LogCaptureFixture
) -> None:
    first, second = bare(), bare()
    etcd.ctl("put", "quotes", first.address)
    seen = watching(("quotes", EtcdRegistry(etcd.url)))
    first.await_subscriber()
    etcd.ctl("put", "quotes", "nowhere")
    wait_until(lambda: "'nowhere' is not an address" in caplog.text)
    first.send(2)
    wait_until(lambda: len(seen.values) == 2)
    etcd.ctl("put", "quotes", second.address)
    second.await_subscriber()
    second.send(2)
    wait_until(lambda: len(seen.values) == 4)
    assert seen.statuses == [CONNECTED, DISCONNECTED, CONNECTED]
