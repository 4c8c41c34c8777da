"""The order book beside an oracle that keeps dicts and searches them after each message."""

import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphcore_examples import order_book

DATA = Path(__file__).parents[3] / "shared" / "data" / "aapl_messages.csv"
needs_data = pytest.mark.skipif(not DATA.exists(), reason=f"{DATA} is not there")


def oracle(lines: list[str]) -> tuple[list[str], int, int]:
    """Return the lines of the output file, the number of trades and the shares traded."""
    orders: dict[str, tuple[int, int, int]] = {}
    levels: dict[int, Counter[int]] = {1: Counter(), -1: Counter()}
    found, trades, shares, before = [], 0, 0, [""] * 4

    def rest(order: str, size: int, price: int, direction: int) -> None:
        old = orders.pop(order, None)
        if old is not None:
            levels[old[2]][old[1]] -= old[0]
            if not levels[old[2]][old[1]]:
                del levels[old[2]][old[1]]
        if size > 0:
            orders[order] = (size, price, direction)
            levels[direction][price] += size

    for line in lines:
        seconds, kind, order, size, price, direction = line.strip().split(",")
        if kind == "1":
            rest(order, int(size), int(price), int(direction))
        elif kind == "5":
            trades, shares = trades + 1, shares + int(size)
        elif kind in "234" and order in orders:
            rested, at, side = orders[order]
            taken = rested if kind == "3" else min(rested, int(size))
            rest(order, rested - taken, at, side)
            if kind == "4":
                trades, shares = trades + 1, shares + taken
        top = [""] * 4
        if bids := levels[1]:
            top[:2] = str(max(bids)), str(bids[max(bids)])
        if asks := levels[-1]:
            top[2:] = str(min(asks)), str(asks[min(asks)])
        if top != before:
            before = top
            time = (Decimal(seconds) * 10**9).to_integral_value(ROUND_HALF_UP)
            found.append(",".join([str(time), *top]) + "\n")
    return found, trades, shares


def check_against_oracle(path: Path, lines: list[str]) -> None:
    written: list[str] = []
    summary = order_book.from_file(path, written.append)
    expected, trades, shares = oracle(lines)
    assert written == expected
    assert (summary.messages, summary.quotes) == (len(lines), len(expected))
    assert (summary.trades, summary.shares) == (trades, shares)
    last = (expected[-1] if expected else ",,,,").strip().split(",")[1:]
    assert ["" if value is None else str(value) for value in summary.top] == last


# Few ids, prices and sizes, so that orders meet, run out and come again.
messages = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 1, 999_999_999]),  # ns since the message before
        st.sampled_from([1, 1, 1, 2, 3, 4, 5, 7]),
        st.integers(1, 4),
        st.integers(0, 4),
        st.integers(1, 5),
        st.sampled_from([-1, 1]),
    ),
    max_size=60,
)


def as_lines(rows: list[tuple[int, int, int, int, int, int]]) -> Iterator[str]:
    time = 34_200 * 10**9
    for passed, *rest in rows:
        time += passed
        seconds, nanoseconds = divmod(time, 10**9)
        yield f"{seconds}.{nanoseconds:09d}".rstrip("0") + "," + ",".join(map(str, rest)) + "\n"


@given(rows=messages, named=st.booleans())
def test_random_messages_give_the_lines_of_the_oracle(
    rows: list[tuple[int, int, int, int, int, int]], named: bool
) -> None:
    lines = list(as_lines(rows))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "messages.csv"
        names = "seconds,message_type,order_id,quantity,price,direction\n" if named else ""
        path.write_text(names + "".join(lines))
        check_against_oracle(path, lines)


def test_many_messages_give_the_lines_of_the_oracle(tmp_path: Path) -> None:
    lines = random_lines(20_000)
    path = tmp_path / "messages.csv"
    path.write_text("".join(lines))
    check_against_oracle(path, lines)


@needs_data
def test_the_messages_of_a_real_morning_give_the_lines_of_the_oracle() -> None:
    lines = DATA.read_text().splitlines()[1:]
    assert len(lines) == 91_997
    check_against_oracle(DATA, lines)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("34200.004241176", 34_200_004_241_176),
        ("34200.00426064", 34_200_004_260_640),
        ("34200", 34_200 * 10**9),
        ("0.000000001", 1),
        ("86399.999999999", 86_399_999_999_999),
        ("35821.088778456004", 35_821_088_778_456),
        ("35821.088778455996", 35_821_088_778_456),
        ("35821.9999999996", 35_822 * 10**9),
    ],
)
def test_a_time_is_exact_to_the_nanosecond(text: str, nanoseconds: int) -> None:
    assert order_book.parse_time(text) == nanoseconds


def random_lines(count: int) -> list[str]:
    chance = random.Random(7)
    rows = [
        (
            chance.choice([0, 1, 1_000_003]),
            chance.choice([1, 1, 1, 2, 3, 4, 5]),
            chance.randrange(1, 200),
            chance.randrange(1, 100),
            chance.randrange(100, 120),
            chance.choice([-1, 1]),
        )
        for _ in range(count)
    ]
    return list(as_lines(rows))


@pytest.mark.zmq
@pytest.mark.parametrize("source", ["none", "made", pytest.param("real", marks=needs_data)])
def test_two_processes_give_the_same_output_line_for_line(
    source: str, tmp_path: Path, example: Callable[..., Any]
) -> None:
    path = tmp_path / "messages.csv"
    path.write_text("".join(random_lines({"none": 0, "made": 20_000}.get(source, 0))))
    if source == "real":
        path = DATA
    outputs, files = [], []
    for name, *option in (("one.csv",), ("two.csv", "--via-zmq")):
        out = tmp_path / name
        outputs.append(example("order_book.py", path, "--out", out, *option).finish())
        files.append(out.read_bytes())
    assert outputs[0] == outputs[1]
    assert outputs[0][0] == 0 and outputs[0][2] == ""
    assert files[0] == files[1]
    assert bool(files[0]) == (source != "none")


@pytest.mark.zmq
@pytest.mark.parametrize("option", [[], ["--via-zmq"]])
@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("34200.x,1,1,1,1,1", "line 3: '34200.x' is no time in seconds"),
        ("34200.5,9,1,1,1,1", "line 3: 9 is not a valid Kind"),
        ("34200.5,1,1,1,1", "line 3: '34200.5,1,1,1,1' has 5 fields, not 6"),
        ("34200.5,1,1,1,1,0", "line 3: '34200.5,1,1,1,1,0' has no size"),
        ("34199,1,1,1,1,1", "times must not go back"),
    ],
)
def test_a_bad_line_is_named_and_leaves_no_file(
    option: list[str], line: str, sentence: str, tmp_path: Path, example: Callable[..., Any]
) -> None:
    path, out = tmp_path / "messages.csv", tmp_path / "out.csv"
    path.write_text(f"34200.1,1,1,5,100,1\n34200.1,1,2,5,101,1\n{line}\n")
    code, output, error = example("order_book.py", path, "--out", out, *option).finish()
    assert (code, output) == (1, "")
    assert sentence in error and "Traceback" not in error
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("option", [[], ["--via-zmq"]])
def test_a_file_that_is_not_there_is_named(
    option: list[str], tmp_path: Path, example: Callable[..., Any]
) -> None:
    code, output, error = example("order_book.py", tmp_path / "none.csv", *option).finish()
    assert (code, output) == (1, "")
    assert "No such file or directory" in error and "none.csv" in error
    assert "Traceback" not in error


class Long:
    """A run over two processes that goes on for long."""

    def __init__(
        self, folder: Path, example: Callable[..., Any], wait_for: Callable[..., None]
    ) -> None:
        path, self.out = folder / "messages.csv", folder / "out.csv"
        path.write_text("".join(random_lines(300_000)))
        part = folder / "out.csv.part"
        self.example = example("order_book.py", path, "--out", self.out, "--via-zmq")
        wait_for(lambda: part.exists() and part.stat().st_size, 30)
        self.feed = self.example.children()
        assert len(self.feed) == 1


@pytest.fixture
def long(tmp_path: Path, example: Callable[..., Any], wait_for: Callable[..., None]) -> Long:
    return Long(tmp_path, example, wait_for)


@pytest.mark.zmq
@pytest.mark.parametrize("everybody", [True, False])
def test_ctrl_c_ends_both_processes_and_leaves_no_file(
    everybody: bool, long: Long, ended: Callable[[list[int]], bool]
) -> None:
    if everybody:
        long.example.signal(signal.SIGINT)
    else:
        long.example.process.send_signal(signal.SIGINT)
    code, output, error = long.example.finish(15)
    assert (code, output) == (130, "")
    assert "interrupted" in error and "Traceback" not in error
    assert ended(long.feed)
    assert [path.name for path in long.out.parent.iterdir()] == ["messages.csv"]


@pytest.mark.zmq
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_feed_fails_the_run(number: signal.Signals, long: Long) -> None:
    os.kill(long.feed[0], number)
    code, output, error = long.example.finish(15)
    assert (code, output) == (1, "")
    assert "the feed failed, exit code" in error
    assert not long.out.exists()


@pytest.mark.zmq
def test_the_feed_ends_when_the_book_is_killed(
    long: Long, ended: Callable[[list[int]], bool], wait_for: Callable[..., None]
) -> None:
    long.example.process.kill()
    wait_for(lambda: ended(long.feed), 10)


@pytest.mark.parametrize("option", [[], ["--via-zmq"]])
def test_a_disk_that_is_full_fails_the_run(
    option: list[str], tmp_path: Path, example: Callable[..., Any]
) -> None:
    path = tmp_path / "messages.csv"
    path.write_text("".join(random_lines(5_000)))
    code, output, error = example("order_book.py", path, "--out", "/dev/full", *option).finish()
    assert (code, output) == (1, "")
    assert "No space left on device" in error and "Traceback" not in error
