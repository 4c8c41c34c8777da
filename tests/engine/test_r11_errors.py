"""R11: an exception in a node keeps its type and gains a note."""

import inspect
import linecache
import subprocess
import sys
from pathlib import Path
from typing import Any, Generic, TypeVar

import pytest

import graphcore as gc

HERE = str(Path(__file__))
T = TypeVar("T")


class Oops(Exception):
    pass


def fail(*values: object) -> Any:
    raise Oops("no good")


def note_of(stream: gc.Stream[Any], **options: Any) -> str:
    with pytest.raises(Oops, match="no good") as caught:
        stream.run(**options)
    assert type(caught.value) is Oops
    (note,) = caught.value.__notes__
    return str(note)


def line() -> int:
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


def test_r11_the_note_names_the_node_and_the_file_and_line_that_wired_it() -> None:
    source = gc.replay([1], [5])
    failing = source.map(fail).named("ratio")
    wired = line() - 1
    note = note_of(failing.map(str))
    assert note.splitlines()[:2] == [
        f"in ratio (Map), wired at {HERE}:{wired}",
        '    failing = source.map(fail).named("ratio")',
    ]


def test_r11_the_note_shows_all_lines_of_a_call_over_several_lines() -> None:
    # fmt: off
    ratio = gc.replay([1], [0]).map(lambda x: x).map(
        lambda x: (
            100
            + 1 / x
        )
    ).named("ratio")
    chain = (
        gc.replay([1], [0])
        .map(lambda x: x)
        .map(lambda x:
            1 / x)
        .map(str)
    )
    # fmt: on
    shown = [
        [
            "ratio = gc.replay([1], [0]).map(lambda x: x).map(",
            "    lambda x: (",
            "        100",
            "        + 1 / x",
            "    )",
            ').named("ratio")',
        ],
        [".map(lambda x:", "    1 / x)"],
    ]
    for stream, expected in zip((ratio, chain), shown, strict=True):
        with pytest.raises(ZeroDivisionError) as caught:
            stream.run()
        _, *lines, _, _ = caught.value.__notes__[0].splitlines()
        assert [line.removeprefix("    ") for line in lines] == expected


def cell(text: str) -> gc.Stream[Any]:
    """Return the stream that a text wires; `linecache` has the text's lines."""
    name = f"<cell {len(text)}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    names: dict[str, Any] = {"gc": gc, "fail": fail}
    exec(compile(text, name, "exec"), names)
    stream: gc.Stream[Any] = names["stream"]
    return stream


@pytest.mark.parametrize("length", [11, 12, 13, 50])
def test_r11_a_call_is_cut_at_twelve_lines(length: int) -> None:
    middle = "    #\n" * (length - 2)
    note = note_of(cell(f"stream = gc.constant(1).map(\n{middle}    fail)\n"))
    lines = [line.strip() for line in note.splitlines()[1:-2]]
    whole = ["stream = gc.constant(1).map(", *["#"] * (length - 2), "fail)"]
    assert lines == (whole if length <= 12 else [*whole[:12], "…"])


def test_r11_a_call_of_a_calls_result_is_shown_from_its_first_line() -> None:
    text = (
        "from functools import partial\nfrom graphcore.operators.single import Map\n"
        "node = partial(\n    Map, function=fail)(\n    gc.constant(1))\nstream = gc.Stream(node)\n"
    )
    assert note_of(cell(text)).splitlines()[1:-2] == [
        "    node = partial(",
        "        Map, function=fail)(",
        "        gc.constant(1))",
    ]


def test_r11_text_that_is_not_python_is_shown_by_its_line() -> None:
    stream = cell("stream = gc.constant(1).map(\n    fail)\n")
    linecache.cache[stream.node.wired_at[0]][2].append("%timeit 5\n")  # type: ignore[misc]  # a list
    assert note_of(stream).splitlines()[1:-2] == ["    stream = gc.constant(1).map("]


def test_r11_a_node_without_a_name_is_named_by_operator_and_number() -> None:
    failing = gc.replay([1], [5]).map(fail)
    assert note_of(failing).startswith(f"in map_{failing.node.serial} (Map), ")


def test_r11_the_note_tells_the_engine_time() -> None:
    time = 1_700_000_000_000_000_001
    note = note_of(gc.replay([time], [5]).map(fail))
    assert f"at 2023-11-14T22:13:20.000000001Z ({time} ns)" in note


def test_r11_the_note_tells_the_values_that_the_node_was_reading() -> None:
    bid, ask = gc.replay([1, 2], [5, 6]).named("bid"), gc.replay([2], [{"a": 1}]).named("ask")
    assert note_of(bid.join(ask, fail)).splitlines()[-1] == "reading bid = 6, ask = {'a': 1}"


def test_r11_a_missing_value_is_shown_as_missing() -> None:
    @gc.node(valid="any")
    class Fails(gc.MutableNode[None]):
        one: gc.Active[int]
        other: gc.Passive[int]

        def cycle(self, state: gc.GraphState) -> bool:
            raise Oops("no good")

    one, other = gc.replay([1], [5]).named("one"), gc.never().named("other")
    note = note_of(gc.Stream(Fails(one, other)))
    assert note.splitlines()[-1] == "reading one = 5, other = <no value>"


@pytest.mark.parametrize("length", [197, 198, 199, 5000])
def test_r11_reprs_are_cut_at_200_characters(length: int) -> None:
    note = note_of(gc.constant("x" * length).named("text").map(fail))
    shown = note.splitlines()[-1].removeprefix("reading text = ")
    whole = repr("x" * length)
    assert shown == (whole if len(whole) <= 200 else whole[:200] + "…")


def test_r11_a_failing_repr_is_replaced_by_the_type() -> None:
    class Wild:
        def __repr__(self) -> str:
            raise RuntimeError("not even this")

    note = note_of(gc.constant(Wild()).named("wild").map(fail))
    assert note.splitlines()[-1] == "reading wild = <unprintable Wild>"


def test_r11_an_error_in_start_or_stop_has_the_note_too() -> None:
    class Bad(gc.MutableNode[int]):
        def __init__(self, step: str) -> None:
            super().__init__()
            self.step = step

        def start(self, state: gc.GraphState) -> None:
            if self.step == "start":
                raise Oops("no good")

        def stop(self, state: gc.GraphState) -> None:
            if self.step == "stop":
                raise Oops("no good")

    for step in ("start", "stop"):
        note = note_of(gc.Stream(Bad(step)).named("bad"))
        assert note.startswith(f"in {step} of bad (Bad), wired at ")
        assert "at 1970-01-01T00:00:00.000000000Z (0 ns)" in note


@pytest.mark.parametrize(("step", "reading"), [("start", []), ("stop", ["reading one = 5"])])
def test_r11_an_error_in_stop_shows_the_values_that_were_read_and_an_error_in_start_does_not(
    step: str, reading: list[str]
) -> None:
    @gc.node
    class Bad(gc.MutableNode[int]):
        source: gc.Active[int]

        def cycle(self, state: gc.GraphState) -> bool:
            return False

    setattr(Bad, step, lambda self, state: fail())
    note = note_of(gc.Stream(Bad(gc.constant(5).named("one"))).named("bad"))
    assert note.startswith(f"in {step} of bad (Bad), wired at ")
    assert [line for line in note.splitlines() if line.startswith("reading")] == reading


def test_r11_each_error_of_a_group_has_its_own_note() -> None:
    class Bad(gc.MutableNode[int]):
        def stop(self, state: gc.GraphState) -> None:
            raise Oops(self.name)

    with pytest.raises(ExceptionGroup) as caught:
        gc.Graph(gc.Stream(Bad()).named("one"), gc.Stream(Bad()).named("two")).run()
    firsts = [error.__notes__[0].split(" (")[0] for error in caught.value.exceptions]
    assert firsts == ["in stop of two", "in stop of one"]


class ByHand(gc.MutableNode[int]):
    """Its constructor is in the user's own file, but does not count as the line that wires it."""

    def __init__(self, source: gc.Stream[Any]) -> None:
        super().__init__()
        self.source = source.node

    def upstreams(self) -> gc.Upstreams:
        return gc.Upstreams(active=(self.source,))

    def cycle(self, state: gc.GraphState) -> bool:
        return bool(fail())


class Derived(ByHand):
    def __init__(self, source: gc.Stream[Any]) -> None:
        super().__init__(source)


@gc.node
class Declared(gc.MutableNode[int]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        return bool(fail())


@pytest.mark.parametrize("kind", [ByHand, Derived, Declared])
def test_r11_a_user_written_node_is_wired_where_it_was_made(kind: Any) -> None:
    stream = gc.Stream(kind(gc.constant(1)))
    wired = line() - 1
    assert f"wired at {HERE}:{wired}\n    stream = gc.Stream(kind(" in note_of(stream)


@gc.node
class Typed(gc.MutableNode[T], Generic[T]):
    source: gc.Active[T]

    def cycle(self, state: gc.GraphState) -> bool:
        return bool(fail())


def test_r11_a_node_with_a_type_argument_is_wired_where_it_was_made() -> None:
    stream = gc.Stream(Typed[int](gc.constant(1)))
    wired = line() - 1
    assert f"wired at {HERE}:{wired}\n" in note_of(stream)
    replayed = gc.replay([1], [2.5])
    assert replayed.node.wired_at == (HERE, line() - 1)


@gc.stream_operator
def failing_twice(stream: gc.Stream[Any]) -> gc.Stream[Any]:
    return stream.map(fail).map(fail)


def test_r11_a_user_written_operator_is_wired_where_it_was_called() -> None:
    stream = failing_twice(gc.constant(1))
    wired = line() - 1
    assert f"wired at {HERE}:{wired}\n" in note_of(stream)


def test_r11_the_note_also_shows_the_line_of_a_program_given_on_the_command_line() -> None:
    program = "import graphcore as gc\n\ngc.constant(0).map(lambda n: 1 / n).run()\n"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert "ZeroDivisionError: division by zero\nin map_" in done.stderr
    assert "wired at <string>:3\n" in done.stderr


@pytest.mark.parametrize("realtime", [False, True])
def test_r11_the_node_that_failed_is_named_at_any_place_in_a_graph(realtime: bool) -> None:
    source = gc.constant(3)
    stream = source
    for i in range(6):
        function = fail if i == 4 else (lambda n: n)
        stream = stream.map(function).named(f"step {i}")
    other = source.map(lambda n: n)
    assert note_of(stream.join(other, max), realtime=realtime).startswith("in step 4 (Map), ")
    assert note_of(stream, realtime=realtime).startswith("in step 4 (Map), ")


def test_r11_an_exception_of_a_receivers_thread_aborts_the_run_with_a_note() -> None:
    def run(sender: gc.Sender[int], stop: Any) -> None:
        fail()

    note = note_of(gc.receiver(run).named("feed"), realtime=True)
    assert note.startswith(f"in feed (ReceiverStream), wired at {HERE}:")


def test_r11_an_error_in_replayed_events_names_index_and_times() -> None:
    source = gc.replay([1, 5, 4], ["a", "b", "c"]).named("tape")
    seen: list[str] = []
    with pytest.raises(ValueError, match="index 2 .*4.*5|4 at index 2 comes after 5") as caught:
        source.for_each(seen.append).run()
    assert caught.value.__notes__[0].startswith("in tape (Replay), ")
    assert seen == ["a", "b"]
