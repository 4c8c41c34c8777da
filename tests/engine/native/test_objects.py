"""Object files that are loaded without LLVM, and those that are not."""

import math
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import graphcore as gc

np = pytest.importorskip("numpy")
pytest.importorskip("llvmlite")

from graphcore.engine.native.backend import llvm, machine, object_cache, objects

if sys.platform != "linux" or os.uname().machine != "x86_64":
    pytest.skip("object files of Linux on x86-64", allow_module_level=True)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The object files that are compiled."""
    found: list[bytes] = []
    monkeypatch.setattr(object_cache, "read", lambda key: None)
    monkeypatch.setattr(object_cache, "write", lambda key, data: found.append(data))
    monkeypatch.setattr(machine, "_kept", type(machine._kept)())
    return found


def smooth(values: Any) -> Any:
    """A graph with constants, a function of the C library, a deque and a list."""
    source = gc.replay(np.arange(len(values)), values)
    logs = source.map(lambda x: math.log(1.0 if x <= 1.5 else x)) + 0.25
    return (logs.rolling(9).median() * logs.ewm(span=4).std() % 3.75).collect()


def run(values: Any, tier: str) -> tuple[list[Any], str]:
    out = smooth(values)
    graph = gc.Graph(out)
    graph.run(tier=tier)  # type: ignore[arg-type]  # the name of a tier
    return out.values, graph.explain("native") if tier == "native" else ""


def test_llvm_and_graphcore_load_the_same_machine_code(
    written: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(5).normal(2, 1, 2_000)
    expected, _ = run(values, "fused")

    def never(*given: object) -> None:
        raise AssertionError("LLVM loaded an object file")

    with monkeypatch.context() as patched:
        patched.setattr(llvm, "loaded", never)
        found, told = run(values, "native")
    assert told.startswith("native: 1,") and repr(found) == repr(expected)
    machine._kept.clear()
    monkeypatch.setattr(objects, "loaded", refuse)
    found, told = run(values, "native")
    assert told.startswith("native: 1,") and repr(found) == repr(expected)
    assert len(written) == 2 and written[0] == written[1]


def refuse(*given: object) -> None:
    raise objects.Unloadable


def wrong_processor(data: bytes) -> bytes:
    return data[:18] + struct.pack("<H", 183) + data[20:]


def wrong_kind(data: bytes) -> bytes:
    return data[:16] + struct.pack("<H", 3) + data[18:]


def wrong_relocation(data: bytes) -> bytes:
    """Return the file with its first relocation of another kind: relative to the code's place."""
    first, count = struct.unpack_from("<Q", data, 40)[0], struct.unpack_from("<H", data, 60)[0]
    for number in range(count):
        kind, offset = struct.unpack_from("<4xI16xQ", data, first + 64 * number)
        if kind == 4:
            at = offset + 8
            return data[:at] + struct.pack("<I", 2) + data[at + 4 :]
    raise AssertionError("there is no relocation")


@pytest.mark.parametrize(
    "change",
    [
        wrong_processor,
        wrong_kind,
        wrong_relocation,
        lambda data: data[:100],
        lambda data: data.replace(b"kernel", b"colonel"[:6]),
        lambda data: b"",
    ],
)
def test_other_object_files_are_left_to_llvm(
    change: Callable[[bytes], bytes], written: list[bytes]
) -> None:
    run(np.random.default_rng(5).normal(2, 1, 900), "native")
    [data] = written
    objects.loaded(data, machine._address_of)
    with pytest.raises(objects.Unloadable):
        objects.loaded(change(data), machine._address_of)


def test_a_function_that_the_c_library_lacks_is_left_to_llvm(written: list[bytes]) -> None:
    run(np.random.default_rng(5).normal(2, 1, 900), "native")

    def lacking(name: str) -> int:
        raise AttributeError(name)

    assert [data for data in written if b"graphcore.c." in data or b"memmove" in data]
    for data in written:
        with pytest.raises(objects.Unloadable):
            objects.loaded(data, lacking)


PROGRAM = """
import sys
import graphcore as gc, numpy as np
out = (gc.replay(np.arange(900), np.arange(900.0)) * 1.75).ewm(span=3).mean()
graph = gc.Graph(out)
graph.run(tier="native")
loaded = [f"llvmlite.{name}" in sys.modules for name in ("binding", "ir")]
print(graph.explain("native").partition(" of")[0], *loaded)
"""


def test_a_process_that_finds_its_machine_code_loads_no_llvm(tmp_path: Path) -> None:
    environment = {**os.environ, "GRAPHCORE_CACHE": str(tmp_path)}
    told = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env=environment,
            capture_output=True,
            check=True,
            text=True,
        ).stdout.split()
        for _ in range(2)
    ]
    assert told == [["native:", "644", "True", "True"], ["native:", "644", "False", "False"]]
