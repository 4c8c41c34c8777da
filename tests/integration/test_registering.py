"""A publisher that waits for its name: its log, and the end of its run meanwhile."""

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import graphcore as gc
from graphcore_zmq import EtcdRegistry, LocalRegistry
from tests.integration.etcd_server import registered

pytestmark = pytest.mark.zmq

HERE = "tcp://127.0.0.1:5001"


@pytest.fixture(params=["local", pytest.param("etcd", marks=pytest.mark.etcd)])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Any]:
    """Make another registry object for the same names."""
    if request.param == "local":
        return lambda **options: LocalRegistry(tmp_path / "names.db", ttl="30s", **options)
    url = request.getfixturevalue("etcd").url
    return lambda **options: EtcdRegistry(url, ttl="30s", **options)


def warnings_of(what: str, caplog: pytest.LogCaptureFixture) -> list[str]:
    messages = [each.getMessage() for each in caplog.records if each.levelno > logging.INFO]
    return [each for each in messages if what in each]


def test_a_run_that_ends_while_it_waits_for_its_name_logs_that(
    registry: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    publisher = gc.ticker("1s").zmq_pub(0, ("quotes", registry()), bind="127.0.0.1", keep_for=0)
    with registered(registry(), "quotes", HERE):
        report = publisher.run(realtime=True, duration="3s")
        assert registry().lookup("quotes") == HERE
    assert report.ended_by == "until"
    waits, ended = warnings_of("'quotes'", caplog)
    assert re.fullmatch(
        f"{publisher.address} waits at most 3[0-2] s for the name 'quotes': {HERE} holds it", waits
    )
    assert ended == (
        f"{publisher.node.name}: the run ended before the name 'quotes' was registered, so nobody "
        "has found this publisher by it"
    )


def test_a_standby_waits_without_limit_and_its_run_ends_like_any_other(
    registry: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    standby = registry(conflict="standby")
    publisher = gc.ticker("1s").zmq_pub(0, ("quotes", standby), bind="127.0.0.1", keep_for=0)
    with registered(registry(), "quotes", HERE):
        publisher.run(realtime=True, duration="3s")
    (waits,) = warnings_of("'quotes'", caplog)
    assert waits == f"{publisher.address} waits for the name 'quotes': {HERE} holds it"
