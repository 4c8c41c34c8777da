"""Drawings of graphs: what they show, in which formats, and the command that makes them."""

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

import graphcore as gc
from graphcore.commands.loading import load_graph
from graphcore.seeing import graphviz
from graphcore.seeing.picture import Line, Picture, Shape

needs_dot = pytest.mark.skipif(not graphviz.has_dot(), reason="Graphviz is not installed")


def picture(*roots: object) -> Picture:
    return gc.Graph(*roots).draw()._picture


def prices() -> gc.Stream[float]:
    return gc.replay([1, 2, 3], [1.0, 5.0, 2.0]).named("prices")


def test_a_drawing_has_the_edges_of_the_graph_and_tells_active_from_passive() -> None:
    base = prices()
    high = base.filter(lambda price: price > 1).named("high")
    pairs = high.with_latest(base).named("pairs")
    drawn = picture(pairs)
    names = {vertex.id: vertex.name for vertex in drawn.top.vertices}
    found = {(names[e.start], names[e.end]): e.line is Line.ACTIVE for e in drawn.edges}
    graph = gc.Graph(pairs).networkx
    assert found == {(a.name, b.name): active for a, b, active in graph.edges(data="active")}
    assert {pair for pair, active in found.items() if not active} == {("prices", "pairs")}


def test_nodes_of_one_colour_tick_in_the_same_cycles() -> None:
    base = prices()
    doubled = (base * 2).named("doubled")
    high = base.filter(lambda price: price > 1).named("high")
    text = high.map(str).named("text")
    clocks = {v.name: v.clock for v in picture(doubled, text).top.vertices}
    assert clocks["prices"] == clocks["doubled"] != clocks["high"] == clocks["text"]


def test_sources_and_sinks_have_shapes_of_their_own() -> None:
    shapes = {v.name: v.shape for v in picture(prices().map(str).named("text")).top.vertices}
    assert shapes == {"prices": Shape.SOURCE, "text": Shape.SINK}


def test_the_end_of_a_loop_feeds_its_beginning() -> None:
    back: gc.FeedbackStream[float] = gc.feedback().named("back")
    total = (prices() + back.default(0.0)).named("total")
    back.bind(total)
    drawn = picture(total)
    names = {vertex.id: vertex.name for vertex in drawn.top.vertices}
    (feeds,) = [edge for edge in drawn.edges if edge.line is Line.FEEDS]
    assert names[feeds.start].startswith("feedback_end") and names[feeds.end] == "back"


@pytest.mark.parametrize("tier", ["fused", "interpreted"])
def test_a_sub_graph_is_boxed_once_a_run_has_made_it(tier: gc.tiers.TierName) -> None:
    trades = gc.from_iterable([("A", 1.0), ("B", 2.0), ("A", 3.0)]).named("trades")
    outer = gc.constant(2.0).named("outer")
    totals = trades.group_by(
        lambda trade: trade[0],
        lambda own, key: (own.map(lambda trade: trade[1]) * outer).sum().named("total"),
    )
    graph = gc.Graph(totals.changes.named("by_symbol"))
    assert graph.draw()._picture.top.boxes == []
    graph.run(tier=tier)
    drawn = graph.draw()._picture
    (box,) = drawn.top.boxes
    assert box.label == "by_symbol: each key"
    assert {"trades", "total"} <= {vertex.name for vertex in box.vertices}
    # The stream from outside is drawn once, outside.
    ids = {vertex.name: vertex.id for vertex in drawn.top.vertices}
    inside = {vertex.id for vertex in box.vertices}
    assert any(edge.start == ids["outer"] and edge.end in inside for edge in drawn.edges)
    assert any(edge.start == ids["by_symbol"] and edge.end in inside for edge in drawn.edges)


def test_each_branch_of_a_switch_has_a_box() -> None:
    key = gc.replay([1, 3], ["up", "down"])
    switched = gc.switch(key, {"up": lambda s: s + 1, "down": lambda s: s - 1}, prices())
    graph = gc.Graph(switched.named("either"))
    graph.run()
    labels = [box.label for box in graph.draw()._picture.top.boxes]
    assert labels == ["either: branch 'up'", "either: branch 'down'"]


NASTY = 'a "b" <c> & \\ #1; `d` {e} |f|\ng ]) end'


def test_mermaid_text_keeps_the_characters_of_names_apart_from_its_own() -> None:
    text = gc.Graph(prices().map(str).named(NASTY)).draw().mermaid
    (line,) = [line for line in text.splitlines() if "n1[[" in line]
    label = line.partition('"')[2].rpartition('"')[0].partition("<br/>")[0]
    assert not set(label) & set('"<>&\\`{}|\n')


@needs_dot
def test_an_svg_shows_names_as_they_are() -> None:
    drawing = gc.Graph(prices().map(str).named(NASTY)).draw()
    texts = [each.text for each in ElementTree.fromstring(drawing.svg).iter() if each.text]
    assert NASTY.replace("\n", " ") in texts


@needs_dot
def test_a_notebook_draws_a_stream_as_svg_and_a_huge_graph_not_at_all() -> None:
    stream = prices().map(str)
    assert "<svg" in stream._repr_mimebundle_()["image/svg+xml"]
    for _ in range(300):
        stream = stream.map(str)
    assert list(stream._repr_mimebundle_()) == ["text/plain"]


def test_without_graphviz_a_notebook_gets_mermaid_and_an_svg_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    drawing = gc.Graph(prices()).draw()
    assert drawing._repr_mimebundle_()["text/vnd.mermaid"] == str(drawing)
    with pytest.raises(gc.RunError, match="needs the program dot of Graphviz.*install"):
        _ = drawing.svg


def test_a_drawing_is_saved_in_the_format_of_the_files_ending(tmp_path: Path) -> None:
    drawing = gc.Graph(prices()).draw()
    for name, text in (("a.mmd", drawing.mermaid), ("a.gv", drawing.dot)):
        drawing.save(tmp_path / name)
        assert (tmp_path / name).read_text() == text + "\n"
    with pytest.raises(gc.InvalidValueError, match=r"'a\.png' ends with none of them"):
        drawing.save("a.png")


def test_a_stream_whose_graph_cannot_be_built_says_why_in_a_notebook() -> None:
    shown = gc.feedback().named("loop").map(str).named("text")._repr_mimebundle_()
    assert shown == {
        "text/plain": "<Stream text>, which cannot be drawn: loop was never closed: call "
        ".bind(stream) on it"
    }


MODULE = """
import graphcore as gc
print("loading")
graph = gc.Graph(gc.ticker("1s").named("clock"))
stream = gc.ticker("1s").named("stream")
def make():
    return [stream, gc.ticker("2s").named("other")]
number = 7
"""


def draw(folder: Path, *arguments: str) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "graphcore", "draw", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def test_the_command_draws_a_graph_a_stream_or_what_a_function_returns(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MODULE)
    code, out, err = draw(tmp_path, "mine:graph")
    assert (code, out.splitlines()[0], err) == (0, "flowchart TB", "loading\n")
    assert "clock" in out
    code, out, _ = draw(tmp_path, "mine.py:make", "--format", "dot")
    assert code == 0 and out.startswith("digraph") and "stream" in out and "other" in out
    code, out, err = draw(tmp_path, "mine:graf")
    assert (code, out) == (1, "")
    assert err == "loading\ngraphcore: mine has no graf; it has graph, stream\n"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mine", "name a graph as module:graph or file.py:graph, not 'mine'"),
        ("mine:graf", "mine has no graf; it has graph, stream"),
        ("nothing:graph", "there is no module nothing"),
        ("nothing.py:graph", "there is no file nothing.py"),
        ("mine:number", "mine:number must be a Graph, a stream, a list of streams"),
    ],
)
def test_the_command_says_what_is_wrong_with_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    (tmp_path / "mine.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    with pytest.raises(gc.GraphcoreError, match=re.escape(message)):
        load_graph(name)
