"""The README and the site: their code runs, its output is as shown, and the things that they name
exist."""

import gc as collector
import inspect
import linecache
import re
import sys
from pathlib import Path
from textwrap import dedent
from types import FunctionType, ModuleType
from typing import Any

import pytest

import graphcore as gc
from graphcore import source_functions
from graphcore.stream import functions, tables
from graphcore.stream.bars import BarOperators
from graphcore.stream.event_time import EventTimeOperators
from graphcore.stream.ewm import Ewm
from graphcore.stream.families.bursts import BurstOperators
from graphcore.stream.families.ending import EndingOperators
from graphcore.stream.families.keyed import KeyedOperators
from graphcore.stream.families.rate import RateOperators
from graphcore.stream.families.running import RunningOperators
from graphcore.stream.families.selecting import SelectingOperators
from graphcore.stream.families.several import SeveralOperators
from graphcore.stream.families.single import SingleOperators
from graphcore.stream.families.sinks import SinkOperators
from graphcore.stream.windows import Rolling
from tests.pages import OUTPUT_MARK, PAGES, ROOT, blocks

SOURCES = {"ticker", "session", "constant", "never", "replay", "replay_parquet", "from_iterable"}
SOURCES |= {"from_table", "read_parquet", "read_csv", "receiver", "produce_async", "poll"}
SOURCES |= {"frame", "feedback", "later"}
# Attributes of a stream that are not operators: they wire nothing.
NO_OPERATORS = {"run", "named", "value"}

LINK = re.compile(r"\[[^\]]*\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def with_zmq_marked() -> list[object]:
    pages = []
    for page in PAGES:
        if page.name == "notebooks.md":  # a real kernel runs it, in tests/seeing
            continue
        code = [block.text for block in blocks(page) if block.language == "python"]
        if code:
            marks = [pytest.mark.zmq] if any("graphcore_zmq" in text for text in code) else []
            pages.append(pytest.param(page, marks=marks, id=name_of(page)))
    return pages


def checking(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let each run check its graph before and after, and return the list that gets the findings.

    Of graphs that the same lines wired, such as those of a sweep, the first is checked.
    """
    found: list[str] = []
    checked: set[tuple[tuple[str, int], ...]] = set()
    execute = gc.Graph._execute

    def check_and_execute(graph: gc.Graph, *given: Any, **options: Any) -> gc.RunReport:
        lines = tuple(node.wired_at for node in graph.nodes)
        if lines in checked:
            return execute(graph, *given, **options)
        checked.add(lines)
        found.extend(map(str, graph.check()))
        report = execute(graph, *given, **options)
        found.extend(map(str, graph.check()))  # with the sub-graphs that the run made
        return report

    monkeypatch.setattr(gc.Graph, "_execute", check_and_execute)
    return found


@pytest.fixture
def alone() -> None:
    """Hide the objects of other tests from `check`, which looks at all that there are."""
    collector.collect()
    collector.freeze()


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("page", with_zmq_marked())
def test_the_blocks_of_a_page_run_in_order_and_print_what_is_shown(
    page: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    needed = {"native.md": "llvmlite", "gallery.md": "matplotlib"}
    if page.name in needed:
        pytest.importorskip(needed[page.name])
    module = ModuleType(f"page_{page.stem}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.chdir(tmp_path)
    found = checking(monkeypatch)
    printed: str | None = None
    for block in blocks(page):
        where = f"{name_of(page)}:{block.line}"
        if block.language == "python":
            source = "\n" * (block.line - 1) + block.text
            # `linecache` has the text of each block, as of a notebook's cells.
            lines = source.splitlines(True)
            monkeypatch.setitem(linecache.cache, where, (len(source), None, lines, where))
            exec(compile(source, where, "exec"), vars(module))
            printed = capsys.readouterr().out
            continue
        if block.before == OUTPUT_MARK:
            assert printed is not None, f"{where} shows the output of no block of code"
            assert block.language in ("", "text"), where
            assert printed == block.text, where
        printed = None
    assert found == [] or page.name == "seeing.md"  # which shows mistakes


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_output_mark_stands_between_code_and_its_output(page: Path) -> None:
    marked = [block for block in blocks(page) if block.before == OUTPUT_MARK]
    assert page.read_text(encoding="utf-8").count(OUTPUT_MARK) == len(marked)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_make_target_in_a_page_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    named = {
        target
        for block in blocks(page)
        if block.language == "sh"
        for target in re.findall(r"^(?:.*&& )?make ([a-z]+)", block.text, re.M)
    }
    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_link_to_a_file_leads_somewhere(page: Path) -> None:
    broken = [
        target
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []


@pytest.mark.parametrize("page", ["README.md", "docs/operators.md"])
def test_the_operator_table_names_exactly_the_operators_that_exist(page: str) -> None:
    rows = re.findall(r"^\| ([^|`]+) \| (`.*) \|$", (ROOT / page).read_text("utf-8"), re.M)
    assert rows, "there is no operator table"
    named = {name for _, cell in rows for name in re.findall(r"`(?:gc)?\.?([a-z_]+)", cell)}
    operators = {
        name
        for name, member in inspect.getmembers(gc.Stream)
        if not name.startswith("_")
        and getattr(member, "__module__", "").startswith("graphcore.stream")
    }
    statistics = {name for cls in (Rolling, Ewm) for name in dir(cls) if not name.startswith("_")}
    functions = {
        name
        for name in gc.__all__
        if getattr(getattr(gc, name), "__module__", "") == "graphcore.stream.functions"
    }
    operators = (operators - NO_OPERATORS) | functions
    by_time = {*vars(gc.EventTime), *vars(gc.EventWindows), *vars(gc.Bars)}
    by_time = {name for name in by_time if not name.startswith("_")}
    handles = statistics | by_time
    assert named - {"reset"} == operators | SOURCES | handles | {"named"}


# The families whose operators are on the page one by one; those of arithmetic are Python's.
SHOWN = (
    SingleOperators,
    SelectingOperators,
    RateOperators,
    SeveralOperators,
    KeyedOperators,
    BarOperators,
    EventTimeOperators,
    gc.EventTime,
    BurstOperators,
    RunningOperators,
    SinkOperators,
    EndingOperators,
)
# The modules of functions that make streams.
FUNCTIONS = {functions.__name__, source_functions.__name__, tables.__name__}
# `event_time` shows them.
NOT_SHOWN = {"ordered", "EventTime.map"}


def operators_with_diagrams() -> list[object]:
    methods = [each for family in SHOWN for each in vars(family).values()]
    made = [getattr(gc, name) for name in gc.__all__]
    made = [each for each in made if getattr(each, "__module__", "") in FUNCTIONS]
    return [
        pytest.param(each, id=each.__name__)
        for each in (*methods, gc.Stream.field, *made)
        if inspect.isfunction(each) and each.__name__[0] != "_"
        if not {each.__name__, each.__qualname__} & NOT_SHOWN
    ]


@pytest.mark.parametrize("operator", operators_with_diagrams())
def test_the_page_shows_the_diagram_of_each_operators_docstring(operator: FunctionType) -> None:
    drawn = re.search(r"^::\n\n((?:    .*\n|\n)+)", f"{inspect.getdoc(operator)}\n", re.M)
    assert drawn, f"the docstring of {operator.__name__} has no diagram of times and values"
    page = (ROOT / "docs/operators.md").read_text("utf-8")
    prefix = "gc." if operator.__module__ in FUNCTIONS else ""
    assert f"### `{prefix}{operator.__name__}`" in page
    assert f"```text\n{dedent(drawn[1]).strip(chr(10))}\n```" in page
