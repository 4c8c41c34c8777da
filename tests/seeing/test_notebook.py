"""What notebooks show of collected ticks and reports, and plots."""

import math
from xml.etree import ElementTree

import pyarrow as pa
import pytest

import graphcore as gc
from graphcore.seeing.notebook import sparkline


def shown(collected: gc.Collected[object]) -> str:
    return collected._repr_mimebundle_()["text/html"]


def test_collected_ticks_show_their_number_the_first_and_the_last() -> None:
    out = gc.replay(range(0, 1000), range(1000, 2000)).named("<n>").collect()
    assert "0 ticks" in shown(out)
    out.run()
    table = ElementTree.fromstring(shown(out))
    cells = [row[1].text for row in table.iter("tr")]
    assert cells == ["value", *map(str, range(1000, 1005)), "…", *map(str, range(1995, 2000))]
    assert "&lt;n&gt;</b>: 1,000 ticks" in shown(out)
    (line,) = table.iter("polyline")
    points = [tuple(map(float, each.split(","))) for each in line.attrib["points"].split()]
    assert points == sorted(points) and points[0] == (0, 32) and points[-1] == (240, 0)
    assert len(points) <= 241


@pytest.mark.parametrize(
    "values", [[], [1], ["a", "b"], [math.nan] * 3, [None, 1, 2], [math.inf, 1.0]]
)
def test_values_without_a_line_have_none(values: list[object]) -> None:
    assert sparkline(range(len(values)), values) == ""


@pytest.mark.parametrize("values", [[1, 1], [1.0, math.nan, 2.0], [True, False], [-1e299, 1e299]])
def test_a_line_has_finite_points(values: list[object]) -> None:
    drawn = sparkline(range(len(values)), values)
    assert "polyline" in drawn and "nan" not in drawn and "inf" not in drawn


def test_a_report_shows_how_the_run_ended() -> None:
    table = gc.from_iterable([1, 2]).run()._repr_html_()
    assert "<td>cycles</td><td>2</td>" in table and "<td>ended by</td><td>sources</td>" in table


def test_a_report_with_a_profile_shows_both_and_its_repr_stays_in_a_line() -> None:
    graph = gc.Graph(gc.from_iterable([1, 2]).named("ones"))
    report = graph.run(profile=True, tier="interpreted")
    table = report._repr_html_()
    assert "<td>ended by</td>" in table and "<td>ones</td><td>2</td><td>2</td>" in table
    assert "profile=<Profile of 1 nodes: 2 cycles on the interpreted tier" in repr(report)
    assert "ones" not in repr(report)


def test_a_frame_shows_its_rows_and_other_numbers_of_them() -> None:
    numbers = gc.replay(range(1, 13), range(12))
    frame = gc.frame(n=numbers, even=numbers.filter(lambda n: n % 2 == 0)).named("all")
    assert frame._repr_mimebundle_()["text/html"] == "<div>0 rows</div>"
    assert frame.columns == {"n": [], "even": []} and frame.to_arrow().num_rows == 0
    frame.run()
    bundle = frame._repr_mimebundle_()
    assert bundle["text/plain"] == "<Frame all of 12 rows: n, even>"
    rows = [
        [cell.text for cell in row]
        for row in ElementTree.fromstring(bundle["text/html"]).iter("tr")
    ]
    assert rows[0] == ["time", "n", "even"] and rows[6] == ["…", "…", "…"]
    assert [row[1:] for row in rows[1:6]] == [
        ["0", "0"],
        ["1", "None"],
        ["2", "2"],
        ["3", "None"],
        ["4", "4"],
    ]
    assert len(rows) == 12


def test_streams_by_key_are_drawn() -> None:
    keyed = gc.from_iterable([1, 2]).group_by(lambda n: n, lambda own, key: own.count())
    bundle = keyed._repr_mimebundle_()
    assert bundle["text/plain"] == repr(keyed) and len(bundle) == 2


def test_a_plot_has_the_values_as_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    out = gc.replay([1, 2, 3], [1.0, None, 3.0]).named("price").collect()
    out.run()
    axes = out.plot(color="red")
    (line,) = axes.lines
    assert list(line.get_ydata())[::2] == [1.0, 3.0] and line.get_label() == "price"
    assert out.plot(axes) is axes and len(axes.lines) == 2
    matplotlib.pyplot.close(axes.figure)
    texts = gc.from_iterable(["high"]).named("word").collect()
    texts.run()
    with pytest.raises(gc.InvalidTypeError, match=r"word has 'high' \(str\): take a field"):
        texts.plot()


def test_a_plot_without_matplotlib_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(gc.RunError, match=r"pip install 'graphcore\[plot\]'"):
        gc.from_iterable([1]).collect().plot()


def rows_of(table: str) -> list[list[str | None]]:
    """Return the texts of the cells of a table."""
    return [[cell.text for cell in row] for row in ElementTree.fromstring(table).iter("tr")]


def test_a_sweep_shows_its_first_and_last_sets_and_the_errors_in_one_line() -> None:
    def build(n: int, text: str) -> dict[str, gc.Handle]:
        if n == 2:
            raise ValueError("no <two>\nat all")
        return {"double": gc.constant(2 * n)}

    table = gc.sweep(build, {"n": range(1, 14), "text": ["<&>"]}, progress=False)._repr_html_()
    assert table.startswith("<div>&lt;Sweep of 13 sets, 1 failed&gt;<br/>")
    rows = rows_of(table)
    assert rows[:3] == [
        ["n", "text", "double", "error"],
        ["1", "'<&>'", "2", None],
        ["2", "'<&>'", "None", "ValueError: no <two>"],
    ]
    assert rows[6] == ["…"] * 4 and rows[-1] == ["13", "'<&>'", "26", None] and len(rows) == 12


def test_merged_ticks_show_times() -> None:
    parts = pa.table({"key": ["b", "a"], "at": [1, 2]})

    def build(part: pa.Table) -> dict[str, gc.Handle]:
        return {"at": gc.replay(part["at"], part["at"])}

    table = gc.partition(build, parts, by="key", progress=False)["at"]._repr_html_()
    assert rows_of(table) == [
        ["time", "key", "value"],
        ["1970-01-01T00:00:00.000000001Z", "'b'", "1"],
        ["1970-01-01T00:00:00.000000002Z", "'a'", "2"],
    ]
