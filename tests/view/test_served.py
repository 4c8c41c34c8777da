"""`graph.serve`: what a page is shown of runs in this process, and that nothing outlives it."""

import asyncio
import itertools
import logging
import os
import socket
import sys
import threading
import time
from contextlib import AsyncExitStack
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin

import graphcore as gc
from graphcore.engine.fused import Fused
from graphcore.testing import wait_until
from graphcore.view.figures import figures_of
from graphcore.view.logs import LogTail
from graphcore.view.server import MOST_VIEWERS
from tests.view.pages import Page, page_of, row_of


def threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("graphcore-view")]


@pytest.fixture(autouse=True)
def nothing_is_left() -> Any:
    handlers = list(logging.root.handlers)
    yield
    assert threads() == []
    assert logging.root.handlers == handlers


@pytest.mark.parametrize("tier", ["fused", "interpreted"])
def test_a_page_sees_values_ticks_and_rates_of_a_live_run(tier: Any) -> None:
    numbers = gc.ticker("10ms").count().named("numbers")
    tens = numbers.filter(lambda n: n % 10 == 0).named("tens")
    never = numbers.filter(lambda n: n < 0).named("never")
    graph = gc.Graph(tens, never)
    with graph.serve() as view, page_of(view) as page, graph.running(tier=tier):
        at = page.list_all()
        now = page.until(lambda now: bool(r := row_of(now, at["tens"])) and r[1] > 100)
        row = row_of(now, at["numbers"])
        ten, none = row_of(now, at["tens"]), row_of(now, at["never"])
        assert row and ten and none
        assert now["status"] == "running"
        assert row[1] == now["cycle"] and row[6] == str(row[1])
        assert ten[1] % 10 == 0 and ten[6] == str(ten[1]) and row[1] - ten[1] < 10
        assert 0 <= row[2] <= ten[2] < 30
        assert none[1:3] == [0, None] and none[6] == ""
        # Of one graph, ticks are as cycles: one in ten.
        assert row[4] == pytest.approx(now["speed"], rel=0.01)
        assert ten[4] == pytest.approx(row[4] / 10, rel=0.7)
        assert none[4] == 0


def test_a_view_attaches_to_a_run_in_progress_and_sees_the_next_one_too() -> None:
    numbers = gc.ticker("1ms").count().named("numbers")
    graph = gc.Graph(numbers)
    with graph.running() as run:
        wait_until(lambda: numbers.value > 5)
        with graph.serve() as view, page_of(view) as page:
            at = page.list_all()
            page.until(lambda now: row_of(now, at["numbers"]) is not None)
            run.stop()
            assert run.join("20s")
            now = page.until(lambda now: now["status"] == "ended by stop")
            page.until(lambda now: row_of(now, at["numbers"])[6] == str(numbers.value))  # type: ignore[index]
            with graph.running():
                page.until(lambda later: later["run"] > now["run"] and later["status"] == "running")


def test_a_page_asks_for_a_part_and_finds_nodes_by_name_and_class() -> None:
    streams = [gc.constant(n).named(f"price {n}") for n in range(50)]
    graph = gc.Graph(*streams, gc.constant(1).sum().named("total"))
    with graph.serve() as view, page_of(view) as page:
        page.ask(rows={"search": "", "first": 10, "count": 5})
        listed = page.answer("rows")
        assert (listed["all"], listed["found"], len(listed["nodes"])) == (52, 52, 5)
        page.ask(rows={"search": "PRICE 4", "first": 0, "count": 100})
        names = [name for _, name, _ in page.answer("rows")["nodes"]]
        assert names == ["price 4", *(f"price 4{n}" for n in range(10))]
        page.ask(rows={"search": "sum", "first": 0, "count": 100})
        assert [name for _, name, _ in page.answer("rows")["nodes"]] == ["total"]


def test_a_node_is_shown_with_its_neighbours_its_wiring_and_its_value() -> None:
    source = gc.replay([1, 2], ["x" * 300, "y" * 300]).named("source")
    other = gc.constant(0).named("other")
    pair = source.with_latest(other).named("pair")
    graph = gc.Graph(pair.map(len).named("length"))
    with graph.serve() as view, page_of(view) as page:
        graph.run()
        at = page.list_all()
        page.ask(node=at["pair"])
        node = page.answer("node")
        assert node["reads"] == [[at["source"], "source", True], [at["other"], "other", False]]
        assert node["read_by"] == [[at["length"], "length", True]]
        assert node["wired_at"].startswith(__file__)
        assert {(i, column) for i, _, column in node["places"]} == {
            (at["source"], -1),
            (at["other"], -1),
            (at["pair"], 0),
            (at["length"], 1),
        }
        now = page.until(lambda now: now.get("whole", [None])[0] == at["pair"])
        assert now["whole"][1] == repr(pair.value)


def test_each_tick_of_a_charted_node_is_shown_while_the_graph_is_slow_enough() -> None:
    out = gc.ticker("20ms").count().named("numbers").map(float).named("floats")
    graph = gc.Graph(out)
    with graph.serve() as view, page_of(view) as page, graph.running():
        at = page.list_all()
        page.ask(charts=[at["floats"]])
        page.until(lambda now: len(page.points) > 40)
    numbers = [value for _, _, value in page.points]
    times = [at for _, at, _ in page.points]
    assert numbers == [float(n) for n in range(int(numbers[0]), int(numbers[0]) + len(numbers))]
    assert times == sorted(times)


def test_an_error_is_shown_with_its_note() -> None:
    broken = gc.replay([1, 2], [1, 0]).named("prices").map(lambda n: 1 / n).named("inverse")
    graph = gc.Graph(broken)
    with graph.serve() as view, page_of(view) as page:
        with pytest.raises(ZeroDivisionError):
            graph.run()
        now = page.until(lambda now: bool(now["failure"]))
        assert now["status"] == "ended by error"
        assert "ZeroDivisionError: division by zero" in now["failure"]
        assert "in inverse (Map), wired at" in now["failure"]
        assert "reading prices = 0" in now["failure"]


def test_the_log_is_shown_and_warnings_still_reach_standard_error(
    capfd: pytest.CaptureFixture[str],
) -> None:
    root, own = logging.getLogger(), logging.getLogger("my.program")
    before = root.handlers[:]
    with gc.Graph(gc.constant(1)).serve() as view, page_of(view) as page:
        page.until(lambda now: True)
        mine = [each for each in root.handlers if each not in before]
        root.handlers[:] = mine  # as in a program that has not set up logging
        try:
            own.warning("the %s is hot", "stove")
        finally:
            root.handlers[:] = [*before, *mine]
        page.until(lambda now: bool(page.log))
    assert page.log[0].endswith("WARNING my.program: the stove is hot")
    assert capfd.readouterr().err == "the stove is hot\n"


def test_a_historical_run_begins_in_a_pause_steps_and_goes_on() -> None:
    numbers = gc.replay(range(500), range(500)).named("numbers")
    graph = gc.Graph(numbers.map(lambda n: n * 2).named("twice"))
    with graph.serve(paused=True) as view, page_of(view) as page:
        at = page.list_all()
        page.ask(charts=[at["twice"]])
        with graph.running(realtime=False) as run:
            first = page.until(lambda now: now["status"] == "paused" and "cycle" in now)
            for step in (1, 1, 7):
                page.ask(step=step)
                target = first["cycle"] + step
                now = page.until(lambda now, target=target: now.get("cycle") == target)
                row = row_of(now, at["numbers"])
                assert row and row[6] == str(now["cycle"] - 1)
                first = now
            page.ask(pause=False)
            assert run.join("20s")
            page.until(lambda now: now["status"] == "ended by sources")
    shown = [value for _, _, value in page.points]
    assert shown[: first["cycle"]] == [2.0 * n for n in range(first["cycle"])]


def test_a_run_that_a_page_paused_goes_on_when_all_pages_are_gone() -> None:
    numbers = gc.replay(range(100), range(100))
    graph = gc.Graph(numbers)
    with graph.serve(paused=True) as view, graph.running(realtime=False) as run:
        with page_of(view) as page:
            page.until(lambda now: now["status"] == "paused")
        assert run.join("20s")
    assert run.report.cycles == 100


def test_a_live_run_is_not_paused() -> None:
    graph = gc.Graph(gc.ticker("1ms").count())
    with graph.serve(paused=True) as view, page_of(view) as page, graph.running():
        page.ask(pause=True)
        now = page.until(lambda now: now.get("cycle", 0) > 50)
        assert now["status"] == "running" and not now["historical"]


def test_a_cycle_that_takes_long_holds_up_no_page() -> None:
    entered, go_on = threading.Event(), threading.Event()

    def wait(n: int) -> int:
        if n == 3:
            entered.set()
            assert go_on.wait(20)
        return n

    graph = gc.Graph(gc.ticker("1ms").count().map(wait).named("slow"))
    with graph.serve() as view, page_of(view) as page, graph.running():
        page.list_all()
        assert entered.wait(20)
        try:
            now = page.until(lambda now: now["waiting"] > 1)
            assert now["status"] == "running"
        finally:
            go_on.set()
        page.until(lambda now: now.get("cycle", 0) > 10)


def test_ten_thousand_nodes_stay_usable_and_only_what_is_seen_is_asked_for() -> None:
    numbers = gc.ticker("1ms").count().named("numbers")
    graph = gc.Graph(*(numbers.map(lambda n: n + 1).named(f"node {k}") for k in range(10_000)))
    with graph.serve() as view, page_of(view) as page, graph.running():
        page.ask(rows={"search": "", "first": 9_000, "count": 40})
        listed = page.answer("rows")
        assert listed["found"] == 10_002
        shown = {index for index, _, _ in listed["nodes"]}
        now = page.until(lambda now: bool(now.get("rows")))
        assert {row[0] for row in now["rows"]} == shown
        page.ask(rows={"search": "node 99", "first": 0, "count": 40})
        found = page.answer("rows")
        assert found["found"] == 111
        page.until(lambda now: row_of(now, found["nodes"][39][0]) is not None)


def test_of_a_thousand_pages_the_first_are_served_and_the_others_are_told() -> None:
    numbers = gc.ticker("1ms").count().named("numbers")
    graph = gc.Graph(numbers)

    async def open_all() -> int:
        told: list[str] = []
        several = asyncio.Semaphore(50)

        async def first_message() -> None:
            async with several:
                made = await stack.enter_async_context(connect(address, origin=Origin(origin)))
                told.append(str(await asyncio.wait_for(made.recv(), 20)))

        async with AsyncExitStack() as stack:
            await asyncio.gather(*(first_message() for _ in range(1_000)))
            refused = [each for each in told if "refused" in each]
            assert all(f"{MOST_VIEWERS} pages view this graph already" in each for each in refused)
            before = numbers.value
            await asyncio.to_thread(page.until, lambda now: now.get("cycle", 0) > before + 50)
        return len(refused)

    with graph.serve() as view, graph.running():
        address, origin = view.url.replace("http", "ws") + "socket", view.url.rsplit("/", 2)[0]
        with page_of(view) as page:
            assert asyncio.run(open_all()) == 1_000 - MOST_VIEWERS + 1
        with page_of(view) as another:  # now that they are closed
            another.until(lambda now: True)


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        '{"rows": 3}',
        '{"rows": {"search": "", "first": -1, "count": 1}}',
        '{"node": 99}',
        '{"charts": [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]}',
        '{"step": "x"}',
        '{"rows": {"search": "", "first": true, "count": 1}}',
        '"' + "x" * 100_000 + '"',
    ],
)
def test_a_page_that_sends_nonsense_is_closed_and_the_run_goes_on(text: str) -> None:
    graph = gc.Graph(gc.replay(range(3), range(3)))
    with graph.serve(paused=True) as view, graph.running(realtime=False) as run:
        with page_of(view) as page:
            page.connection.send(text)
            with pytest.raises(ConnectionClosed):
                while True:
                    page.read()
        with page_of(view) as page:
            page.until(lambda now: now["status"] == "paused")
            page.ask(pause=False)
            assert run.join("20s")


def test_values_that_fail_to_show_are_named_and_harm_nothing() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise ValueError("no repr")

        def __float__(self) -> float:
            raise OSError("no float")

    graph = gc.Graph(gc.constant(Broken()).named("broken"), gc.constant(float("nan")).named("nan"))
    with graph.serve() as view, page_of(view) as page:
        graph.run()
        at = page.list_all()
        page.ask(charts=list(at.values()), node=at["broken"])
        now = page.until(lambda now: "whole" in now)
        assert row_of(now, at["nan"])[6] == "nan"  # type: ignore[index]
        assert "Broken" in row_of(now, at["broken"])[6]  # type: ignore[index]
        assert "unprintable" in now["whole"][1]
        assert page.points == []


def test_a_port_in_use_is_named() -> None:
    graph = gc.Graph(gc.constant(1))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        view = graph.serve(port)
        with pytest.raises(gc.RunError, match=f"cannot listen at port {port} of 127.0.0.1"):
            view.__enter__()


@pytest.mark.parametrize("library", ["starlette", "uvicorn", "websockets"])
def test_without_the_extra_it_says_what_to_install(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(gc.RunError, match=rf"needs {library}: pip install 'graphcore\[view\]'"):
        gc.Graph(gc.constant(1)).serve()


@pytest.mark.parametrize(
    ("port", "error", "text"),
    [
        ("80", gc.InvalidTypeError, "port must be a whole number, not '80'"),
        (True, gc.InvalidTypeError, "port must be a whole number, not True"),
        (70_000, gc.InvalidValueError, "port is 0 for any free one, or up to 65535, not 70000"),
    ],
)
def test_a_port_that_is_none_is_refused(port: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        gc.Graph(gc.constant(1)).serve(port)


def test_a_page_is_told_when_the_block_ends() -> None:
    graph = gc.Graph(gc.constant(1).named("one"))
    with graph.serve() as view:
        context = page_of(view)
        page = context.__enter__()
        graph.run()
        page.until(lambda now: now["status"] == "ended by sources")
    with pytest.raises(ConnectionClosed):
        while True:
            page.read()
    with pytest.raises(gc.RunError, match="a view has an address in its with block"):
        view.url


def test_after_an_error_in_the_block_nothing_is_left() -> None:
    graph = gc.Graph(gc.constant(1))
    with pytest.raises(KeyboardInterrupt), graph.serve() as view, page_of(view):
        port = int(view.url.split(":")[2].split("/")[0])
        raise KeyboardInterrupt
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", port))


@pytest.mark.parametrize("number", range(12))
def test_pages_come_and_go_while_runs_begin_and_end(number: int) -> None:
    graph = gc.Graph(gc.ticker("1ms").count().named("numbers"))
    seen: list[Page] = []

    def visit() -> None:
        with page_of(view) as page:
            page.list_all()
            page.until(lambda now: True)
            seen.append(page)

    with graph.serve() as view:
        visitors = [threading.Thread(target=visit) for _ in range(4)]
        for visitor in visitors:
            visitor.start()
        for _ in range(1 + number % 3):
            with graph.running():
                time.sleep(0.001 * (number % 7))  # not waited for: any moment will do
        for visitor in visitors:
            visitor.join(20)
    assert len(seen) == 4


def test_nobody_who_looks_costs_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = itertools.count()
    plain = Fused.look

    def counted(self: Fused, *given: Any) -> Any:
        next(looks)
        return plain(self, *given)

    monkeypatch.setattr(Fused, "look", counted)
    numbers = gc.ticker("5ms").count().named("numbers")
    graph = gc.Graph(numbers)
    with graph.serve() as view, graph.running(tier="fused"):
        wait_until(lambda: numbers.value > 20)
        assert next(looks) == 0
        with page_of(view) as page:
            page.list_all()
            page.until(lambda now: bool(now.get("rows")))
        assert next(looks) > 1
        # The page's handler of the log goes with it.
        wait_until(lambda: not any(isinstance(each, LogTail) for each in logging.root.handlers))
        settled, before = next(looks), numbers.value
        wait_until(lambda: numbers.value > before + 50)
        assert next(looks) == settled + 1


def test_a_fast_run_is_looked_at_in_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = itertools.count()
    plain = Fused.look

    def counted(self: Fused, *given: Any) -> Any:
        next(looks)
        return plain(self, *given)

    monkeypatch.setattr(Fused, "look", counted)
    numbers = gc.replay(lambda: ((n, n) for n in itertools.count())).named("numbers")
    graph = gc.Graph(numbers.map(lambda n: n + 1))
    run = graph.running(realtime=False, tier="fused", cycles=10**12)
    with graph.serve() as view, page_of(view) as page, run:
        page.list_all()
        now = page.until(lambda now: now.get("cycle", 0) > 200_000)
        assert next(looks) < now["cycle"] / 4


def test_a_forked_child_does_not_keep_the_port() -> None:
    with gc.Graph(gc.constant(1)).serve() as view:
        port = int(view.url.split(":")[2].split("/")[0])
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(writing)
            os.read(reading, 1)  # until the parent closes its end
            os._exit(0)
        os.close(reading)
    try:
        with socket.socket() as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(("127.0.0.1", port))
            free.listen()
    finally:
        os.close(writing)
        os.waitpid(child, 0)


def test_figures_that_fail_are_named_and_end_nothing() -> None:
    @gc.node
    class Device(gc.MutableNode[int]):
        source: gc.Active[int]

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = self.source.value
            return True

    figures_of.register(Device, lambda node: {"share": 1 / (node.value - 1)})
    graph = gc.Graph(gc.Stream(Device(gc.from_iterable([1]))).named("device"))
    with graph.serve() as view, page_of(view) as page:
        graph.run()
        page.ask(node=page.list_all()["device"])
        now = page.until(lambda now: "whole" in now)
        assert now["whole"][2] == [
            ["figures", "not available: ZeroDivisionError('division by zero')"]
        ]


@pytest.mark.parametrize("tier", ["fused", "interpreted"])
def test_the_nodes_in_sub_graphs_are_shown_with_the_node_that_owns_them(tier: Any) -> None:
    pairs = gc.from_iterable([("a", 1), ("b", 2), ("b", 3)]).named("pairs")
    totals = pairs.group_by(
        lambda pair: pair[0],
        lambda each, key: (
            each.map(lambda pair: pair[1]).filter(lambda n: n > 1).sum().named("total")
        ),
    )
    graph = gc.Graph(totals.changes.named("totals"), gc.ticker("1h"))
    with graph.serve() as view, page_of(view) as page, graph.running(tier=tier):
        page.ask(node=page.list_all()["totals"])
        page.answer("node")
        now = page.until(lambda now: len(now.get("whole", [0, "", []])[2]) == 3)
        figures = dict(now["whole"][2])
        assert figures["sub-graphs"] == "2"
        assert figures["key a"].splitlines()[-1] == "total: no value yet"
        assert figures["key b"].splitlines()[-1] == "total: 5"
        assert len(figures["key b"].splitlines()) == 3


def test_of_many_sub_graphs_the_first_are_shown() -> None:
    counts = gc.from_iterable(range(30)).group_by(lambda n: n, lambda each, key: each.count())
    graph = gc.Graph(counts.changes.named("counts"), gc.ticker("1h"))
    with graph.serve() as view, page_of(view) as page, graph.running():
        page.ask(node=page.list_all()["counts"])
        now = page.until(lambda now: len(now.get("whole", [0, "", []])[2]) > 20)
        (name, text), *lines = now["whole"][2]
        assert (name, text) == ("sub-graphs", "30, the first 20 of them:")
        assert [name for name, _ in lines] == [f"key {n}" for n in range(20)]
