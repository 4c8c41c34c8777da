"""Pass 1: a function's syntax tree, or `None` where that cannot be proved."""

import ast
import linecache
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

import graphcore as gc
from graphcore.engine.fused.frontend import source, subset
from graphcore.engine.fused.frontend.lower import lowered
from graphcore.engine.fused.frontend.source import (
    SourceFile,
    file_of,
    is_mangled,
    without_warnings,
)
from graphcore.operators import running
from graphcore.operators.statistics import ewm
from graphcore.sources import replay

_names = iter(range(10**6))


def tree_of(function: Any) -> Any:
    """Return a function's syntax tree, `None` if it is not certain that the tree is its own."""
    file = file_of(function)
    return None if file is None else file.find(function.__code__)


@pytest.fixture
def cell() -> Iterator[Callable[[str], dict[str, Any]]]:
    """Run text as a notebook's cell, whose text only `linecache` has."""
    made: list[str] = []

    def run(text: str) -> dict[str, Any]:
        name = f"<ipython-input-{next(_names)}>"
        made.append(name)
        linecache.cache[name] = (len(text), None, text.splitlines(True), name)
        namespace: dict[str, Any] = {"__name__": "__main__"}
        exec(compile(text, name, "exec"), namespace)
        return namespace

    yield run
    for name in made:
        linecache.cache.pop(name, None)


def body_of(function: Any) -> str | None:
    tree = tree_of(function)
    return None if tree is None else ast.unparse(tree.body)


def test_several_lambdas_on_one_line_are_told_apart() -> None:
    two = [lambda x: x + 1, lambda x: x * 2, lambda y: y - 3]  # fmt: skip
    assert [body_of(each) for each in two] == ["x + 1", "x * 2", "y - 3"]


def test_lambdas_with_the_same_code_are_told_apart_by_their_positions() -> None:
    one, other = (lambda x: x + 1), (lambda x: x + 1)
    trees = tree_of(one), tree_of(other)
    assert all(trees)
    assert trees[0] is not trees[1]


def test_a_lambda_inside_a_lambda_is_found() -> None:
    outer = lambda x: lambda y: x + y  # noqa: E731  # what is tried
    assert body_of(outer(1)) == "x + y"
    assert body_of(outer) == "lambda y: x + y"


def test_a_decorated_function_is_found_by_its_first_decorator() -> None:
    def same(function: Any) -> Any:
        return function

    @same
    @same
    def twice(x: int) -> int:
        return 2 * x

    tree = tree_of(twice)
    assert isinstance(tree, ast.FunctionDef)
    assert tree.name == "twice"
    assert len(tree.decorator_list) == 2


def test_a_method_is_found() -> None:
    class Some:
        def cycle(self) -> int:
            return 5

    tree = tree_of(Some.cycle)
    assert isinstance(tree, ast.FunctionDef)
    assert tree.name == "cycle"


def test_a_file_that_changed_since_it_was_imported_gives_no_tree(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text("double = lambda x: 2 * x\n")
    namespace: dict[str, Any] = {}
    exec(compile(path.read_text(), str(path), "exec"), namespace)
    assert body_of(namespace["double"]) == "2 * x"
    path.write_text("double = lambda x: 3 * x\n")
    linecache.checkcache(str(path))
    assert tree_of(namespace["double"]) is None


def test_a_function_that_moved_in_its_file_gives_no_tree(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text("double = lambda x: 2 * x\n")
    namespace: dict[str, Any] = {}
    exec(compile(path.read_text(), str(path), "exec"), namespace)
    path.write_text("\ndouble = lambda x: 2 * x\n")
    linecache.checkcache(str(path))
    assert tree_of(namespace["double"]) is None


@pytest.mark.parametrize("text", ["double = lambda x: (", "\0", ""])
def test_text_that_never_was_a_module_gives_no_tree(tmp_path: Path, text: str) -> None:
    namespace: dict[str, Any] = {}
    path = tmp_path / "module.py"
    exec(compile("double = lambda x: 2 * x\n", str(path), "exec"), namespace)
    path.write_text(text)
    linecache.checkcache(str(path))
    assert tree_of(namespace["double"]) is None


def test_a_function_without_source_gives_no_tree() -> None:
    # From 3.13 on, "<string>" holds the text given with `-c`.
    made: Any = eval(compile("lambda x: x + 1", "<nowhere>", "eval"))
    assert file_of(made) is None
    assert tree_of(made) is None


def test_code_replaced_by_hand_gives_no_tree() -> None:
    def one(x: int) -> int:
        return x + 1

    one.__code__ = one.__code__.replace(co_consts=(None, 2))
    assert tree_of(one) is None


def test_a_notebooks_cell_is_found_in_linecache(cell: Callable[[str], dict[str, Any]]) -> None:
    assert body_of(cell("double = lambda x: 2 * x\n")["double"]) == "2 * x"


def test_a_cell_with_a_future_import_gives_the_tree_that_was_compiled(
    cell: Callable[[str], dict[str, Any]],
) -> None:
    text = "from __future__ import annotations\ndef f(x: int) -> int:\n    return x\n"
    function = cell(text)["f"]
    assert isinstance(tree_of(function), ast.FunctionDef)


def test_a_tree_is_kept_while_its_file_is_the_same() -> None:
    function = lambda x: x  # noqa: E731  # what is tried
    assert file_of(function) is file_of(function)
    assert tree_of(function) is tree_of(function)


ONCE = {
    "a parameter": "def around(k):\n    return lambda: k",
    "a parameter by keyword only": "def around(*, k):\n    return lambda: k",
    "further parameters": "def around(*k):\n    return lambda: k",
    "assigned once": "def around():\n    k = 1\n    return lambda: k",
    "a function": "def around():\n    def k(): pass\n    return lambda: k",
    "imported": "def around():\n    import k\n    return lambda: k",
    "a function further out": "def around(k):\n    def inner():\n        return lambda: k",
    "another function's own": "def around(k):\n    def g(k): k = 2\n    return lambda: k",
}
OFTEN = {
    "a parameter that is assigned": "def around(k):\n    k += 1\n    return lambda: k",
    "assigned twice": "def around():\n    k = 1\n    k = 2\n    return lambda: k",
    "assigned in each branch": (
        "def around(a):\n    if a:\n        k = 1\n    else:\n        k = 2\n    return lambda: k"
    ),
    "assigned in a loop": "def around(a):\n    while a():\n        k = a()\n    return lambda: k",
    "a loop's variable": "def around(a):\n    for k in a:\n        yield lambda: k",
    "a comprehension's": "def around(a):\n    return [(lambda: k) for k in a]",
    "nonlocal in a function inside": (
        "def around(k):\n    def change():\n        nonlocal k\n        k = 2\n    return lambda: k"
    ),
    "deleted": "def around(k):\n    f = lambda: k\n    del k\n    return f",
    "bound by a walrus, and a parameter": "def around(k):\n    (k := 2)\n    return lambda: k",
    "an exception": (
        "def around():\n    k = 1\n    try: pass\n    except E as k: pass\n    return lambda: k"
    ),
    "caught by match": (
        "def around(k):\n    match k:\n        case [_, *k]: pass\n    return lambda: k"
    ),
    "with": "def around(k):\n    with k as k: pass\n    return lambda: k",
}


def bound_once(text: str) -> bool:
    file = SourceFile(text, "<text>")
    functions = [each for each in file._whole._parents if isinstance(each, ast.Lambda)]
    return file.bound_once("k", functions[0])


@pytest.mark.parametrize("how", ONCE)
def test_a_variable_that_is_bound_once(how: str) -> None:
    assert bound_once(ONCE[how])


@pytest.mark.parametrize("how", OFTEN)
def test_a_variable_that_may_be_bound_again(how: str) -> None:
    assert not bound_once(OFTEN[how])


def test_a_variable_that_no_function_around_binds_may_be_bound_again() -> None:
    assert not bound_once("k = 1\nf = lambda: k")


def test_names_that_code_of_the_file_may_delete() -> None:
    file = SourceFile("def f(a, b, c):\n    del a\n    try: b\n    except E as e: c\n", "<text>")
    assert {name for name in "abce" if file.may_delete(name)} == {"a", "e"}


@pytest.mark.filterwarnings("always")
def test_a_text_that_python_warns_about_is_compiled_without_a_second_warning() -> None:
    with warnings.catch_warnings(record=True) as shown:
        SourceFile("f = lambda x: x is 5\n", "<text>")
    assert shown == []


def test_two_threads_that_compile_at_once_leave_the_filters_as_they_were() -> None:
    before = list(warnings.filters)
    first_is_inside, second_is_inside = threading.Event(), threading.Event()
    overlapped: list[bool] = []

    def first() -> None:
        with without_warnings():
            first_is_inside.set()
            overlapped.append(second_is_inside.wait(0.1))

    def second() -> None:
        assert first_is_inside.wait(10)
        with without_warnings():
            second_is_inside.set()

    threads = [threading.Thread(target=each, name=each.__name__) for each in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert overlapped == [False]
    assert second_is_inside.is_set()
    assert list(warnings.filters) == before


def test_the_least_recently_used_files_are_evicted(cell: Callable[[str], dict[str, Any]]) -> None:
    functions = [cell(f"f = lambda x: x + {n}\n")["f"] for n in range(65)]
    first = file_of(functions[0])
    assert first is not None
    seen = weakref.ref(first)
    del first
    for function in functions[1:]:
        file_of(function)
    assert seen() is None
    assert body_of(functions[0]) == "x + 0"


@pytest.mark.parametrize(("name", "mangled"), [("__a", True), ("__a__", False), ("_a", False)])
def test_python_renames_some_names_inside_a_class(name: str, mangled: bool) -> None:
    assert is_mangled(name) is mangled


def _trees_of_methods(module: Any) -> Iterator[tuple[Any, SourceFile]]:
    for cls in vars(module).values():
        if isinstance(cls, type) and cls.__module__ == module.__name__:
            for given in vars(cls).values():
                # The methods that `gc.node` writes stand in no file of the module's.
                if (
                    isinstance(given, FunctionType)
                    and given.__code__.co_filename == module.__file__
                ):
                    file = file_of(given)
                    assert file is not None
                    yield given.__code__, file


@pytest.mark.parametrize("module", [running, ewm, replay], ids=lambda module: module.__name__)
def test_the_lines_of_a_method_give_the_same_tree_as_its_whole_file(module: Any) -> None:
    found = 0
    for code, file in _trees_of_methods(module):
        alone = SourceFile._alone(file, code)
        whole = file._whole.find(code)
        assert alone is not None and whole is not None, code.co_qualname
        assert ast.dump(alone, include_attributes=True) == ast.dump(whole, include_attributes=True)
        found += 1
    assert found > 3


def test_a_graph_of_operators_compiles_no_whole_file_again() -> None:
    for each in (running, ewm):
        linecache.checkcache(each.__file__)
    source._files.clear()
    lowered.cache_clear()
    subset._read.cache_clear()
    gc.Graph(gc.replay([1, 2], [1.0, 2.0]).ewm(span=3).mean().count()).run()
    files = [file for name, file in source._files.items() if "graphcore" in name]
    assert files
    assert not [file for file in files if "_whole" in vars(file)]


def test_a_method_after_lines_that_changed_is_found_where_it_still_is(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    text = "\n\nclass Some:\n  def one(self):\n    return 1\n\n  def two(self):\n    pass\n"
    path.write_text(text)
    namespace: dict[str, Any] = {}
    exec(compile(text, str(path), "exec"), namespace)
    path.write_text(text.replace("return 1", "return 3"))
    linecache.checkcache(str(path))
    some = namespace["Some"]
    assert tree_of(some.one) is None
    assert ast.unparse(tree_of(some.two)) == "def two(self):\n    pass"


def test_a_method_whose_name_python_changes_is_found(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    text = "\n\nclass _Some:\n    def one(self):\n        return self.__hidden\n"
    path.write_text(text)
    namespace: dict[str, Any] = {}
    exec(compile(text, str(path), "exec"), namespace)
    function = namespace["_Some"].one
    file = file_of(function)
    assert file is not None
    assert file._alone(function.__code__) is not None
