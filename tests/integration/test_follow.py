"""A subscriber that follows a name: where it connects, in which order it reads, and what delays
it."""

import threading
from typing import Any

import pytest

import graphcore as gc
from graphcore.testing import wait_until
from graphcore_zmq import (
    NameNotFoundError,
    RegistryError,
    SocketOptions,
    ZmqStatus,
    raw,
    zmq_sub,
)
from tests.integration.bare import Bare

pytestmark = [pytest.mark.zmq, pytest.mark.usefixtures("nothing_is_left_over")]

CONNECTED, DISCONNECTED = ZmqStatus.CONNECTED, ZmqStatus.DISCONNECTED


class AskedRegistry:
    """A registry with only `register` and `lookup`."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.asked = 0

    def __str__(self) -> str:
        return "the test's registry"

    def register(self, name: str, address: str) -> Any:
        raise NotImplementedError

    def lookup(self, name: str) -> str:
        self.asked += 1
        return self.names[name]


class WatchedRegistry(AskedRegistry):
    """A registry that reports a move at once."""

    def watch(self, name: str) -> "Watch":
        return Watch(self, name)


class Watch:
    def __init__(self, registry: WatchedRegistry, name: str) -> None:
        self.registry, self.name = registry, name

    @property
    def address(self) -> str | None:
        return self.registry.names.get(self.name)

    def close(self) -> None:
        pass


class Ticking:
    """A publisher that ticks every few milliseconds until it is closed."""

    def __init__(self, publisher: Bare, period: float) -> None:
        self.sent: list[bytes] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(publisher, period))
        self._thread.start()

    def _run(self, publisher: Bare, period: float) -> None:
        while not self._stop.wait(period):
            self.sent += publisher.send()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()


@pytest.mark.parametrize("period", [0.002, 0.3])
def test_a_name_that_moves_is_followed_even_if_its_old_publisher_goes_on(bare, watching, period):
    registry = WatchedRegistry()
    first, second = bare(), bare()
    registry.names["quotes"] = first.address
    seen = watching(("quotes", registry))
    first.await_subscriber()
    ticking = [Ticking(each, period) for each in (first, second)]
    try:
        wait_until(lambda: len(seen.values) > 3)
        registry.names["quotes"] = second.address
        wait_until(lambda: seen.values[-1].startswith(b"2:"), 2)
        before = len(seen.values)
        wait_until(lambda: len(seen.values) > before + 3)
    finally:
        for each in ticking:
            each.close()
    seen.end()
    assert seen.statuses == [CONNECTED, DISCONNECTED, CONNECTED]
    breaks = [n for n, told in enumerate(seen.told) if told == DISCONNECTED]
    old = [value for told in seen.told[: breaks[0]] if isinstance(told, list) for value in told]
    assert old == ticking[0].sent[: len(old)]
    assert all(value.startswith(b"1:") for value in old)
    new = seen.values[len(old) :]
    start = ticking[1].sent.index(new[0])
    assert new == ticking[1].sent[start : start + len(new)]
    assert seen.subscription.stats().lost == 0


def test_a_move_is_reported_even_if_neither_publisher_sends_anything(bare, watching):
    registry = WatchedRegistry()
    seen = watching(("quotes", registry))
    for n in range(3):
        registry.names["quotes"] = bare().address
        told = [CONNECTED, DISCONNECTED] * n + [CONNECTED]
        wait_until(lambda told=told: seen.statuses == told, 2)


@pytest.mark.parametrize("registry", [WatchedRegistry(), AskedRegistry()], ids=["watch", "ask"])
def test_values_of_an_ended_publisher_are_read_before_those_of_its_successor(bare, registry):
    first, second = bare(), bare()
    registry.names["quotes"] = first.address
    options = SocketOptions(receive_high_water_mark=100)
    subscription = zmq_sub(("quotes", registry), codec=raw, options=options)
    go_on = threading.Event()
    told: list[object] = []
    sent: list[bytes] = []

    def hold(_: object) -> None:
        go_on.wait(30)

    def script() -> None:
        first.await_subscriber()
        # More values than the graph's inbox and the subscriber's queue can hold.
        sent.extend(first.send(150_000))
        first.end()
        registry.names["quotes"] = second.address
        threading.Event().wait(1)  # longer than the subscriber waits for silence
        go_on.set()
        second.await_subscriber()
        sent.extend(second.send(3))
        second.end()

    thread = threading.Thread(target=script)
    thread.start()
    held = subscription.data.for_each(hold)
    both = subscription.data.merge(subscription.status).for_each(told.append)
    done = subscription.status.count().filter(lambda n: n == 4)
    stop = gc.Stream(StopWhen(done))
    gc.Graph(held, both, stop).run(realtime=True, duration="30s")
    thread.join()
    assert [each for each in told if not isinstance(each, list)] == [CONNECTED, DISCONNECTED] * 2
    values = [value for each in told if isinstance(each, list) for value in each]
    assert len(values) == 150_003
    assert values == sent


@gc.node
class StopWhen(gc.MutableNode[None]):
    source: gc.Active[object]

    def cycle(self, state: gc.GraphState) -> bool:
        state.stop()
        return False


@pytest.mark.parametrize("said", [None, "nowhere"])
def test_the_connection_is_kept_until_it_drops_if_the_name_vanishes_or_is_invalid(
    bare, watching, said
):
    registry = WatchedRegistry()
    first = bare()
    registry.names["quotes"] = first.address
    seen = watching(("quotes", registry))
    first.await_subscriber()
    first.send(2)
    wait_until(lambda: len(seen.values) == 2)
    if said is None:
        del registry.names["quotes"]
    else:
        registry.names["quotes"] = said
    with pytest.raises(TimeoutError):
        wait_until(lambda: len(seen.statuses) > 1, 0.5)
    first.send(2)
    wait_until(lambda: len(seen.values) == 4)
    first.close()
    wait_until(lambda: seen.statuses == [CONNECTED, DISCONNECTED])
    # A new publisher at the old address may be anybody's.
    stranger = bare()
    stranger.socket.bind(first.address)
    assert not stranger.socket.poll(1_000)
    registry.names["quotes"] = first.address
    stranger.await_subscriber()
    wait_until(lambda: seen.statuses == [CONNECTED, DISCONNECTED, CONNECTED])


def test_a_registry_without_watch_is_not_asked_while_there_is_a_connection(bare, watching):
    registry = AskedRegistry()
    first = bare()
    registry.names["quotes"] = first.address
    seen = watching(("quotes", registry))
    wait_until(lambda: seen.statuses == [CONNECTED])
    with pytest.raises(TimeoutError):
        before = registry.asked
        wait_until(lambda: registry.asked > before + 1, 1)
    second = bare()
    first.close()
    registry.names["quotes"] = second.address
    wait_until(lambda: seen.statuses == [CONNECTED, DISCONNECTED, CONNECTED], 2)
    second.await_subscriber()
    second.send()
    wait_until(lambda: seen.values == [b"2:0"])


@pytest.mark.parametrize("registry", [WatchedRegistry, AskedRegistry])
def test_a_name_that_is_not_there_yet_is_waited_for_with_a_line_in_the_log(
    bare, watching, registry, caplog
):
    names = registry()
    seen = watching(("quotes", names))
    wait_until(lambda: "waiting for a publisher named 'quotes' in the test's" in caplog.text)
    assert seen.statuses == []
    publisher = bare()
    names.names["quotes"] = publisher.address
    wait_until(lambda: seen.statuses == [CONNECTED], 2)
    assert caplog.text.count("waiting for") == 1


@pytest.mark.parametrize("registry", [WatchedRegistry, AskedRegistry])
@pytest.mark.parametrize("said", ["quotes.example", 5556, "ipc://" + "x" * 200])
def test_an_invalid_address_is_logged_once_and_waited_out(bare, watching, registry, said, caplog):
    names = registry()
    names.names["quotes"] = said
    seen = watching(("quotes", names))
    wait_until(lambda: f"{said!r}" in caplog.text)
    with pytest.raises(TimeoutError):
        wait_until(lambda: caplog.text.count("ignoring the invalid address") > 1, 0.6)
    publisher = bare()
    names.names["quotes"] = publisher.address
    wait_until(lambda: seen.statuses == [CONNECTED], 2)


def test_an_unreachable_registry_is_logged_once_and_asked_again(bare, watching, caplog):
    class Down(AskedRegistry):
        def lookup(self, name: str) -> str:
            self.asked += 1
            if not self.names:
                raise ConnectionError("the registry is down")
            return self.names[name]

    registry = Down()
    seen = watching(("quotes", registry))
    wait_until(lambda: registry.asked > 3)
    assert caplog.text.count("the registry is down") == 1
    registry.names["quotes"] = bare().address
    wait_until(lambda: seen.statuses == [CONNECTED], 2)


class Failing(AskedRegistry):
    def lookup(self, name: str) -> str:
        raise RegistryError("tried http://etcd:2379 for 5 s")


@pytest.mark.parametrize(
    ("registry", "said", "error"),
    [
        (AskedRegistry(), {}, NameNotFoundError),
        (AskedRegistry(), {"quotes": "quotes.example"}, RegistryError),
        (Failing(), {}, RegistryError),
    ],
)
def test_error_fails_in_start_and_names_the_missing_name(registry, said, error):
    registry.names.update(said)
    sentence = {
        NameNotFoundError: "no publisher named 'quotes' found in the test's registry",
        RegistryError: "registry is invalid: 'quotes.example' is not an address|tried http",
    }[error]
    started: list[object] = []
    data, _ = zmq_sub(("quotes", registry), missing="error")
    with pytest.raises(error, match=sentence):
        gc.Graph(data, gc.constant(1).for_each(started.append)).run(realtime=True)
    assert started == []


def test_error_connects_to_a_registered_publisher(bare, watching):
    registry, publisher = AskedRegistry(), bare()
    registry.names["quotes"] = publisher.address
    seen = watching(("quotes", registry), missing="error")
    wait_until(lambda: seen.statuses == [CONNECTED])


@pytest.mark.parametrize("missing", ["wait", "error"])
def test_a_registry_that_never_answers_does_not_delay_the_end_of_a_run(missing, caplog):
    answer = threading.Event()

    class Silent(AskedRegistry):
        def lookup(self, name: str) -> str:
            answer.wait(30)
            raise KeyError(name)

    data, _ = zmq_sub(("quotes", Silent()), missing=missing)
    try:
        report = data.run(realtime=True, duration="300ms")
        assert report.ended_by == "until"
        assert report.wall_time < 2_000_000_000
    finally:
        answer.set()


def test_a_registry_that_goes_silent_delays_neither_values_nor_the_end(bare, watching):
    answer = threading.Event()

    class Silent(AskedRegistry):
        def lookup(self, name: str) -> str:
            if self.asked:
                answer.wait(30)
            return super().lookup(name)

    registry, first = Silent(), bare()
    registry.names["quotes"] = first.address
    seen = watching(("quotes", registry))
    try:
        wait_until(lambda: seen.statuses == [CONNECTED])
        port = first.port
        first.close()
        wait_until(lambda: seen.statuses == [CONNECTED, DISCONNECTED])
        # The subscriber tries the old address as long as it knows no other.
        again = bare()
        again.socket.bind(f"tcp://127.0.0.1:{port}")
        wait_until(lambda: len(seen.statuses) == 3)
        again.await_subscriber()
        again.send()
        wait_until(lambda: seen.values == [b"2:0"])
        seen.end()
        assert seen.report is not None
    finally:
        answer.set()


def test_a_graph_that_follows_a_name_runs_again(bare):
    registry = WatchedRegistry()
    data, status = zmq_sub(("quotes", registry), codec=raw, on_end="close")
    values, statuses = data.unroll().collect(), status.collect()
    for _ in range(2):
        publisher = bare()
        registry.names["quotes"] = publisher.address

        def script(publisher: Bare = publisher) -> None:
            publisher.await_subscriber()
            publisher.send(3)
            publisher.end()

        thread = threading.Thread(target=script)
        thread.start()
        report = gc.Graph(values, statuses).run(realtime=True, duration="10s")
        thread.join()
        assert report.ended_by == "sources"
        assert len(values.values) == 3 and statuses.values == [CONNECTED, DISCONNECTED]


def test_an_invalid_missing_is_refused_with_the_valid_values():
    with pytest.raises(gc.InvalidValueError, match='"wait" or "error", not \'later\''):
        zmq_sub(5556, missing="later")
