"""The demo: its graph beside plain statistics, its check, and how its processes end."""

import os
import signal
import statistics
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from typing import Any

import pytest
import typer

from graphcore_examples import own_etcd, temperatures
from graphcore_zmq import msgpack, zmq_sub

READINGS = 8_759


def in_the_year() -> list[list[temperatures.Reading]]:
    return [
        temperatures.read(temperatures.path_of(city))
        for city in (temperatures.SEATTLE, temperatures.SAN_FRANCISCO)
    ]


def test_both_cities_have_a_reading_for_the_same_hours() -> None:
    seattle, san_francisco = in_the_year()
    assert len(seattle) == READINGS
    times = [reading.time for reading in seattle]
    assert times == [reading.time for reading in san_francisco]
    assert times == sorted(set(times))


def test_the_unusual_hours_are_those_of_plain_statistics() -> None:
    seattle, san_francisco = in_the_year()
    outcome = temperatures.run_historically()
    assert outcome.pairs == READINGS
    assert len(outcome.hours) == READINGS - temperatures.DAY + 1
    assert sum(hour.unusual for hour in outcome.hours) == 50
    for last, hour in enumerate(outcome.hours, temperatures.DAY):
        windows = [
            [reading.temperature for reading in readings[last - temperatures.DAY : last]]
            for readings in (seattle, san_francisco)
        ]
        gaps = [first - second for first, second in zip(*windows, strict=True)]
        assert hour.time == seattle[last - 1].time
        assert hour.temperatures == (windows[0][-1], windows[1][-1])
        assert hour.means == pytest.approx([statistics.fmean(window) for window in windows])
        assert hour.gap == gaps[-1]
        distance = abs(gaps[-1] - statistics.fmean(gaps)) / statistics.stdev(gaps)
        assert hour.unusual == (distance > temperatures.UNUSUAL)


@pytest.mark.zmq
@pytest.mark.etcd
@pytest.mark.parametrize("by_name", [(), ("--etcd",)])
def test_the_demo_loses_nothing_and_says_so(
    by_name: tuple[str, ...], example: Callable[..., Any]
) -> None:
    code, output, error = example("temperatures.py", "--year", "2s", *by_name).finish()
    others = [line for line in error.splitlines() if not line.startswith("waiting for a publisher")]
    assert (code, others) == (0, [])
    rows = [line for line in output.splitlines() if "Seattle" in line or "San Francisco" in line]
    assert [line.replace("│", " ").split()[-6:-4] for line in rows] == [["8,759", "0"]] * 2
    assert "8,759 hours aligned, 50 of 8,736 unusual" in output
    assert "gives the same hours" in output
    assert output.count(" hours, ") == 12
    assert ("found by name" in output) is bool(by_name)


def test_the_demo_fails_when_an_hour_differs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded = temperatures.run_historically()
    changed = recorded.hours[5_000]._replace(unusual=not recorded.hours[5_000].unusual)
    hours = [*recorded.hours[:5_000], changed, *recorded.hours[5_001:]]
    never_run = [zmq_sub(port, codec=msgpack(temperatures.Reading)) for port in (5556, 5557)]
    live = temperatures.Outcome(recorded.pairs, hours)
    monkeypatch.setattr(temperatures, "run_live", lambda year, display, etcd: (live, never_run))
    with pytest.raises(typer.Exit) as exit:
        temperatures.demo("1s")
    assert exit.value.exit_code == 1
    assert "FAILED" in capsys.readouterr().err


def test_a_missing_etcd_is_reported(
    example: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(name: str) -> Any:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(own_etcd, "distribution", missing)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(typer.Exit) as exit:
        temperatures.demo("1s", etcd=True)
    assert exit.value.exit_code == 1
    out, err = capsys.readouterr()
    assert (out, err.startswith("demo: there is no etcd on the path")) == ("", True)


def test_an_etcd_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_etcd, "free_ports", lambda count: [70_000, 70_001])
    with (
        pytest.raises(RuntimeError, match="etcd does not serve: .*invalid port"),
        own_etcd.own_etcd(),
    ):
        raise AssertionError("it started")


def test_an_invalid_duration_is_named(example: Callable[..., Any]) -> None:
    code, output, error = example("temperatures.py", "--year", "soon").finish()
    assert (code, output) == (1, "")
    assert "soon" in error and "Traceback" not in error


def begun(example: Callable[..., Any], *options: str) -> tuple[Any, list[int]]:
    """Return the demo once its first month is over, and its publishers."""
    process = example("temperatures.py", "--year", "20s", *options)
    line = process.process.stdout.readline()
    assert "January" in line
    children = process.children()
    assert len(children) == 2
    return process, children


@pytest.mark.zmq
@pytest.mark.etcd
@pytest.mark.parametrize("by_name", [(), ("--etcd",)])
def test_ctrl_c_ends_all_processes(
    by_name: tuple[str, ...],
    example: Callable[..., Any],
    ended: Callable[[list[int]], bool],
) -> None:
    process, children = begun(example, *by_name)
    others = process.all_children()
    assert len(others) == 3 + len(by_name)  # with multiprocessing's own
    process.signal(signal.SIGINT)
    code, output, error = process.finish(15)
    assert code == 130
    assert "interrupted" not in output
    assert error.splitlines()[-1] == "demo: interrupted" and "Traceback" not in error
    assert ended(children) and ended(others)


@pytest.mark.zmq
def test_a_publisher_that_is_killed_fails_the_demo_and_ends_the_other(
    example: Callable[..., Any],
    ended: Callable[[list[int]], bool],
) -> None:
    process, children = begun(example)
    os.kill(children[1], signal.SIGKILL)
    code, output, error = process.finish(15)
    assert code == 1
    assert "San Francisco failed, exit code -9" in error and "failed" not in output
    assert ended(children)


@pytest.mark.zmq
def test_publishers_end_when_the_demo_is_killed(
    example: Callable[..., Any],
    wait_for: Callable[..., None],
    ended: Callable[[list[int]], bool],
) -> None:
    process, children = begun(example)
    process.process.kill()
    wait_for(lambda: ended(children), 10)
