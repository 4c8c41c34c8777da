"""Shared by all tests: the number of hypothesis's cases, and the tiers that tests run on."""

import gc as collector
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import Phase, settings

import graphcore as gc

# No deadlines: the machine may be busy with other work. In CI the cases are the same each time, so
# that a failure is caused by the change. To explain a failure, hypothesis would trace lines; a run
# that is traced is interpreted and logs it, which looks like a second failure.
settings.register_profile(
    "default",
    max_examples=50,
    deadline=None,
    derandomize="CI" in os.environ,
    phases=[phase for phase in Phase if phase is not Phase.explain],
)
settings.register_profile("thorough", parent=settings.get_profile("default"), max_examples=1000)
settings.load_profile("default")

# Hundreds of processes are started, and each finds the byte code that an earlier one has written.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ.setdefault("PYTHONPYCACHEPREFIX", str(Path(__file__).parents[1] / "build" / "pycache"))

# These tests hold on every tier, so they run on each. All other tests run on the default
# tier.
_FOLDERS = ("embedding", "engine", "operators", "operators/statistics", "sources")
_ON_EACH_TIER = [Path(__file__).parent / folder for folder in _FOLDERS]

# These, on what can go wrong between two processes, hold for each way of receiving.
_RECEIVING = "breaks bursts follow killed limits peer_timeout silent stopped topics zmq"
_ON_EACH_RECEIVE = [
    Path(__file__).parent / "integration" / f"test_{name}.py" for name in _RECEIVING.split()
]

# These files take longest, so they start first: none is left over for one worker at the end.
_LONGEST = [
    Path(__file__).parent / file
    for file in (
        "differential/test_differential.py",
        "integration/test_stream_commands.py",
        "integration/test_etcd_failures.py",
        "sweeping/test_executors.py",
        "integration/test_etcd.py",
        "integration/test_peer_timeout.py",
        "integration/test_limits.py",
        "integration/test_follow.py",
        "integration/test_fork.py",
        "integration/test_follow_processes.py",
        "test_docs.py",
        "integration/test_processes.py",
        "integration/test_etcd_conformance.py",
        "integration/test_killed.py",
        "engine/fused/test_merged.py",
        "tables/test_recording.py",
    )
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ranks = {path: rank for rank, path in enumerate(_LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    # A program in another process would not get the tier.
    own_process = "child" in metafunc.fixturenames or "tier" in metafunc.fixturenames
    if metafunc.definition.path.parent in _ON_EACH_TIER and not own_process:
        tiers = ("fused", "interpreted")
        metafunc.parametrize("default_tier", tiers, indirect=True, scope="module")
    if metafunc.definition.path in _ON_EACH_RECEIVE:
        about_publisher = metafunc.definition.get_closest_marker("about_the_publisher") is not None
        inline = pytest.param("inline", marks=[pytest.mark.thorough] * about_publisher)
        metafunc.parametrize("default_receive", ("thread", inline), indirect=True, scope="module")


@pytest.fixture(scope="module", autouse=True)
def only_own_objects() -> None:
    """Hide what there was before a module from the collector.

    A worker has objects of 14,000 tests. A full collection, and a check of a graph, which looks at
    all objects, would take half a second each.
    """
    collector.collect()
    collector.freeze()


# All tests use it, because pytest ignores a fixture that `pytest_generate_tests` adds to a test.
@pytest.fixture(scope="module", autouse=True)
def default_tier(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run graphs on the tier of the parameter, if there is one, unless a test names one."""
    with pytest.MonkeyPatch.context() as patch:
        if hasattr(request, "param"):
            patch.setitem(gc.Graph.run.__kwdefaults__, "tier", request.param)
        yield gc.Graph.run.__kwdefaults__["tier"]


@pytest.fixture(scope="module", autouse=True)
def default_receive(request: pytest.FixtureRequest) -> Iterator[None]:
    """Receive in the way of the parameter, here and in the programs that a test starts."""
    with pytest.MonkeyPatch.context() as patch:
        if hasattr(request, "param"):
            patch.setenv("RECEIVE", request.param)
            patch.setitem(gc.Graph.run.__kwdefaults__, "receive", request.param)
        yield
