"""Ports for the tests' own etcd, which nobody else takes."""

import json
import subprocess
import sys
from pathlib import Path

from tests.integration.etcd_server import free_port

PROGRAM = """
import json
from tests.integration.etcd_server import free_port
print(json.dumps([free_port() for _ in range(1_000)]))
"""


def test_a_process_gets_each_port_before_it_gets_one_again() -> None:
    mine = [free_port() for _ in range(900)]
    assert len(set(mine)) == 900
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    theirs = json.loads(done.stdout)
    assert len(set(theirs)) > 900
    assert not set(mine) & set(theirs)
