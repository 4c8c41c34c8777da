"""The sensors' alarms beside a plain loop, and over a real websocket and a real web hook."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.sync.server import Server, ServerConnection, serve

import graphcore as gc
from graphcore.testing import ticks, wait_until
from graphcore_examples import sensor_alarms
from graphcore_examples.sensor_alarms import LIMIT, Reading

SECOND = 10**9
HOLD, SILENCE = 5, 30  # s, as in the example
LAST, END, NEVER = 200, 205, 10**6  # s: the last reading, the end of the run


def oracle(readings: list[tuple[int, Reading]]) -> list[tuple[int, str, str]]:
    """Return (time in s, sensor, state) of all alarms until the end, in order."""
    found: list[tuple[int, str, str]] = []
    for sensor in {reading.sensor for _, reading in readings}:
        own = [(time, each.value > LIMIT) for time, each in readings if each.sensor == sensor]
        for (time, _), (after, _) in pairwise([*own, (NEVER, False)]):
            if after > time + SILENCE:
                found += [(time + SILENCE, sensor, "silent"), (after, sensor, "back")]
        changes = [own[0], *(new for old, new in pairwise(own) if old[1] != new[1])]
        told = False
        for (time, hot), (after, _) in pairwise([*changes, (NEVER, False)]):
            if after > time + HOLD and hot != told:
                found.append((time + HOLD, sensor, "hot" if hot else "normal"))
                told = hot
    return sorted(each for each in found if each[0] <= END)


steps = st.tuples(
    st.sampled_from([0, 1, 4, 5, 6, 29, 30, 31, 40]),
    st.builds(Reading, st.sampled_from("ab"), st.sampled_from([LIMIT - 1, LIMIT, LIMIT + 1])),
)


@given(st.lists(steps, max_size=20))
def test_the_alarms_are_those_of_a_plain_loop(given: list[tuple[int, Reading]]) -> None:
    times = accumulate(step for step, _ in given)
    readings = [(time, each) for time, (_, each) in zip(times, given, strict=True) if time < LAST]
    # Watchdogs keep no run alive. This sensor's debounce does, until END.
    lasting = [*readings, (LAST, Reading("lasting", 0.0))]
    source = gc.replay([(time * SECOND, each) for time, each in lasting])
    alarms = ticks(sensor_alarms.wire(source))
    found = [(time // SECOND, alarm.sensor, alarm.state) for time, alarm in alarms]
    assert sorted(found) == oracle(readings)


class Gateway:
    """A websocket server that sends what the test says, to whoever is connected."""

    def __init__(self) -> None:
        self.connections: list[ServerConnection] = []
        self.server: Server = serve(self._serve, "127.0.0.1", 0)
        self.url = f"ws://127.0.0.1:{self.server.socket.getsockname()[1]}"

    def _serve(self, connection: ServerConnection) -> None:
        self.connections.append(connection)
        for _ in connection:  # until it is closed
            pass

    def wait(self) -> None:
        wait_until(lambda: self.connections)

    def send(self, sensor: str, value: float) -> None:
        self.connections[-1].send(json.dumps({"sensor": sensor, "value": value}))


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    made = Gateway()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()


class Pager(ThreadingHTTPServer):
    """A web hook; the first request fails."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        super().__init__(("127.0.0.1", 0), Hook)
        self.url = f"http://127.0.0.1:{self.server_port}/alarms"

    def of(self, sensor: str, *states: str) -> list[str]:
        return [state for who, state in self.told if who == sensor and state in states]


class Hook(BaseHTTPRequestHandler):
    server: Pager

    def do_POST(self) -> None:
        alarm = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.told.append((alarm["sensor"], alarm["state"]))
        self.send_response(500 if len(self.server.told) == 1 else 204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def pager() -> Iterator[Pager]:
    with Pager() as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def test_sensors_that_appear_are_watched_from_the_websocket_to_the_web_hook(
    gateway: Gateway,
    pager: Pager,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(sensor_alarms, "HOLD", "20ms")
    monkeypatch.setattr(sensor_alarms, "SILENCE", "200ms")
    with sensor_alarms.service(gateway.url, pager.url).running() as run:
        gateway.wait()
        gateway.send("a", LIMIT + 1)
        wait_until(lambda: pager.of("a", "hot"))
        gateway.send("a", LIMIT)
        gateway.send("b", LIMIT + 1)
        wait_until(lambda: pager.of("a", "normal") and pager.of("b", "hot"))
        gateway.connections.pop().close()
        gateway.wait()  # it connects again
        wait_until(lambda: pager.of("a", "silent") and pager.of("b", "silent"))
        gateway.send("b", LIMIT + 1)
        wait_until(lambda: pager.of("b", "back"))
    assert run.report.ended_by is gc.EndedBy.STOP
    assert pager.of("a", "hot", "normal") == ["hot", "normal"]
    assert pager.of("b", "hot", "normal") == ["hot"]
    errors = [each.getMessage() for each in caplog.records if each.name == "root"]
    assert len(errors) == 1  # the first request, which the web hook refused
    assert errors[0].startswith(f"{pager.url} was not told of Alarm(sensor='a', state=")
