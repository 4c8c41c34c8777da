"""A real Prometheus for the dashboard's test: `make test-prometheus` names it in PROMETHEUS."""

import json
import os
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.etcd_server import free_port

_CONFIG = """
global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}
scrape_configs: [{{job_name: graphs, static_configs: [{{targets: ["127.0.0.1:{port}"]}}]}}]
"""


class Prometheus:
    """A server that scrapes a port of this machine."""

    def __init__(self, address: str) -> None:
        self._address = address

    def get(self, path: str, **parameters: str) -> Any:
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self._address}{path}?{query}", timeout=10) as answer:
            return json.load(answer)["data"]

    def until_data(self, expression: str) -> list[Any]:
        """Evaluate an expression until it gives data, and return it."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            found: list[Any] = self.get("/api/v1/query", query=expression)["result"]
            if found:
                return found
            time.sleep(0.1)
        raise AssertionError(f"no data in 30 s: {expression}")


@pytest.fixture
def scraping(tmp_path: Path) -> Iterator[Callable[[int], Prometheus]]:
    """Start a Prometheus that scrapes a port; without one the tests fail."""
    program = os.environ.get("PROMETHEUS") or shutil.which("prometheus")
    assert program, "these tests need Prometheus: apt-get install prometheus"
    started: list[subprocess.Popen[bytes]] = []

    def start(port: int) -> Prometheus:
        config = tmp_path / "prometheus.yml"
        config.write_text(_CONFIG.format(port=port))
        own = free_port()
        log = (tmp_path / "log").open("wb")
        server = subprocess.Popen(
            [
                program,
                f"--config.file={config}",
                f"--storage.tsdb.path={tmp_path / 'data'}",
                f"--web.listen-address=127.0.0.1:{own}",
            ],
            stdout=log,
            stderr=log,
        )
        log.close()
        started.append(server)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            assert server.poll() is None, (tmp_path / "log").read_text()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{own}/-/ready", timeout=5).close()
                return Prometheus(f"http://127.0.0.1:{own}")
            except OSError:  # not listening yet, or 503 while it opens its storage
                time.sleep(0.1)
        raise AssertionError((tmp_path / "log").read_text())

    yield start
    for server in started:
        server.terminate()
        server.wait(30)
