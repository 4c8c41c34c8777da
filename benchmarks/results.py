"""The results, stored in a file, so that the page can be made again, or one part measured again.

A part is measured completely in one run on one machine; the machine is stored with it.
"""

import json
import os
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.figures import Measured

_FILE = Path(__file__).with_name("results.json")
_PEERS = (
    *("pyzmq", "etcd-sdk-python", "csp", "wingfoil", "bytewax", "reactivex"),
    *("numpy", "pandas", "polars", "numba", "llvmlite"),
)


@dataclass(frozen=True)
class Result:
    """The results of a part, and the machine."""

    machine: str
    measured: Measured


def load() -> dict[str, Result]:
    """Return the stored results of each part; none before the first run."""
    if not _FILE.exists():
        return {}
    return {part: Result(**kept) for part, kept in json.loads(_FILE.read_text("utf-8")).items()}


def save(results: dict[str, Result]) -> None:
    kept = {part: asdict(result) for part, result in results.items()}
    _FILE.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", "utf-8")


def machine() -> str:
    """Return the machine, the interpreter and the peers' versions."""
    peers = ", ".join(f"{name} {found}" for name in _PEERS if (found := _version(name)))
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"{platform.python_implementation()} {platform.python_version()}, {peers}"
    )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
