"""Which line wired a node (R11): a user's, never one of a registered package."""

import gc as garbage
import weakref
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

import pytest

import graphcore as gc
from graphcore import origin
from graphcore_zmq import zmq_sub

ADAPTER = "def doubled(stream):\n    return stream.map(lambda value: value * 2)\n"


def adapter(name: str) -> Callable[[gc.Stream[int]], gc.Stream[int]]:
    """Return a function of a package of this name that makes a node."""
    namespace: dict[str, Any] = {"__name__": name}
    exec(compile(ADAPTER, f"{name}.py", "exec"), namespace)
    function: Callable[[gc.Stream[int]], gc.Stream[int]] = namespace["doubled"]
    return function


@pytest.fixture
def libraries(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Forget the packages that a test registers after it."""
    known = set(origin._libraries)
    monkeypatch.setattr(origin, "_libraries", known)
    yield known


def file_of(stream: gc.Stream[Any]) -> str:
    return stream.node.wired_at[0]


def test_r11_a_node_that_a_registered_package_makes_is_wired_by_its_caller(
    libraries: set[str],
) -> None:
    doubled = adapter("graphcore_other.inner.module")
    assert file_of(doubled(gc.constant(1))) == "graphcore_other.inner.module.py"
    origin.register_library("graphcore_other")
    assert file_of(doubled(gc.constant(1))) == __file__


def test_r11_a_package_is_registered_by_its_whole_name(libraries: set[str]) -> None:
    origin.register_library("other")
    assert file_of(adapter("others.module")(gc.constant(1))) == "others.module.py"


def test_r11_the_nodes_of_the_zmq_adapter_are_wired_by_its_caller() -> None:
    data, status = zmq_sub(5556)
    assert file_of(data) == file_of(status) == __file__


def test_r11_an_operator_that_is_defined_again_leaks_nothing() -> None:
    def define() -> "weakref.ref[CodeType]":
        function = adapter("a_notebook")
        origin.register_operator(function)
        assert file_of(function(gc.constant(1))) == __file__
        return weakref.ref(function.__code__)

    code = define()
    garbage.collect()
    assert code() is None


def test_nodes_of_one_operator_have_names_of_their_own() -> None:
    nodes = gc.Graph(*(gc.constant(i).map(abs).map(abs) for i in range(3))).nodes
    assert len({node.name for node in nodes}) == len(nodes) == 9
    assert all(node.name == f"{node.operator}_{node.serial}" for node in nodes)
