"""The types that operators return, as mypy and pyright infer them: `make lint` checks this file.

Run as tests, the functions show that each call can be wired as it is written.
"""

import ast
import asyncio
import threading
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from decimal import Decimal
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, assert_type

import numpy as np
import pytest

import graphcore as gc
import graphcore_zmq
from graphcore.stream.typed import adapters
from graphcore_zmq import ZmqPublisher, ZmqStatus, raw, zmq_sub
from graphcore_zmq.write.publish import PublisherOptions


class Quote(NamedTuple):
    bid: float
    ask: float


numbers = gc.from_iterable([1, 2])
prices = gc.from_iterable([1.5, 2.5])
words = gc.from_iterable(["a", "b"])
flags = gc.from_iterable([True, False])
quotes = gc.from_iterable([Quote(1.0, 2.0)])
gaps = gc.from_iterable([1.5, None])
beats = gc.ticker("1s")
days = gc.constant(datetime(2024, 1, 1))
amounts = gc.constant(Decimal("1.5"))


def test_sources() -> None:
    assert_type(beats, gc.Stream[int])
    assert_type(gc.constant(Quote(1.0, 2.0)), gc.Stream[Quote])
    assert_type(gc.replay([(1, 2.5)]), gc.Stream[float])
    assert_type(gc.replay([1], ["a"], delivery="burst"), gc.Stream[list[str]])
    assert_type(gc.from_iterable(lambda: iter("ab")), gc.Stream[str])
    assert_type(gc.poll(lambda: 1.5, "1s"), gc.SourceStream[float])

    def receive(sender: gc.Sender[int], stop: threading.Event) -> None: ...

    assert_type(gc.receiver(receive), gc.SourceStream[list[int]])
    assert_type(gc.receiver(receive, delivery="each"), gc.SourceStream[int])
    # A lambda has no annotations, and needs none.
    assert_type(gc.receiver(lambda sender, stop: sender.send(1)), gc.SourceStream[list[Any]])

    async def produce() -> AsyncIterator[str]:
        await asyncio.sleep(0)
        yield "a"

    assert_type(gc.produce_async(produce), gc.SourceStream[list[str]])
    assert_type(gc.produce_async(produce, delivery="latest"), gc.SourceStream[str])
    assert_type(gc.poll(lambda: 1.5, "1s").status, gc.Stream[gc.SourceStatus])


def test_one_stream() -> None:
    assert_type(numbers.map(str), gc.Stream[str])
    assert_type(numbers.map(lambda n: n / 2), gc.Stream[float])
    assert_type(numbers.filter(lambda n: n > 1), gc.Stream[int])
    assert_type(words.filter_map({"a": 1}.get), gc.Stream[int])
    assert_type(numbers.scan(lambda total, n: total + n, 0.5), gc.Stream[float])
    assert_type(numbers.reduce(max), gc.Stream[int])
    assert_type(words.enumerate(), gc.Stream[tuple[int, str]])
    assert_type(words.with_time(), gc.Stream[tuple[int, str]])
    assert_type(words.time_interval(), gc.Stream[tuple[int, str]])
    assert_type(words.pairwise(), gc.Stream[tuple[str, str]])
    assert_type(words.lag(1), gc.Stream[str])
    assert_type(words.lag("1s"), gc.Stream[str])
    assert_type(numbers.split(lambda n: n > 1), tuple[gc.Stream[int], gc.Stream[int]])
    assert_type(quotes.replace(bid=prices), gc.Stream[Quote])
    assert_type(words.default("x"), gc.Stream[str])
    assert_type(numbers.check(lambda n: n > 0), gc.Stream[int])
    assert_type(words.try_map(int), tuple[gc.Stream[int], gc.Stream[gc.Failure]])
    assert_type(words.stop_run(), gc.Stream[str])


def test_choosing_and_numbers() -> None:
    assert_type(words.distinct(), gc.Stream[str])
    assert_type(prices.drop_small_change(0.5), gc.Stream[float])
    assert_type(words.unique(last=2), gc.Stream[str])
    assert_type(words.step_by(2), gc.Stream[str])
    assert_type(words.take_while(str.isalpha), gc.Stream[str])
    assert_type(words.skip_while(str.isalpha), gc.Stream[str])
    assert_type(words.take_until(beats), gc.Stream[str])
    assert_type(words.skip_until(beats), gc.Stream[str])
    assert_type(prices.ffill(), gc.Stream[float])
    assert_type(prices.dropna(), gc.Stream[float])
    assert_type(prices.fillna(0.0), gc.Stream[float])
    assert_type(gaps.ffill(), gc.Stream[float])
    assert_type(gaps.dropna(), gc.Stream[float])
    assert_type(gaps.fillna(0.0), gc.Stream[float])
    assert_type(prices.clip(1.0, 2.0).round(1), gc.Stream[float])
    assert_type(prices.difference(), gc.Stream[float])
    assert_type(prices.pct_change("1s"), gc.Stream[float])


def test_rate_and_time() -> None:
    assert_type(words.throttle("1s"), gc.Stream[str])
    assert_type(words.throttle_latest("1s"), gc.Stream[str])
    assert_type(words.debounce("1s"), gc.Stream[str])
    assert_type(words.silent_for("1s"), gc.Stream[bool])
    assert_type(words.fresh("1s"), gc.Stream[bool])
    assert_type(words.every("1s"), gc.Stream[str])
    assert_type(words.every_new("1s"), gc.Stream[str])
    assert_type(words.pace("1s"), gc.Stream[str])
    assert_type(words.sample(beats), gc.Stream[str])
    assert_type(words.delay("1s"), gc.Stream[str])
    assert_type(words.delay_until(beats), gc.Stream[str])
    assert_type(words.gate(flags), gc.Stream[str])
    assert_type(words.reopen(flags), gc.Stream[str])
    assert_type(words.freeze(flags), gc.Stream[str])
    assert_type(words.hold_while(flags), gc.Stream[str])
    assert_type(words.buffer(2, within="1s"), gc.Stream[list[str]])
    assert_type(words.buffer_until(beats), gc.Stream[list[str]])
    assert_type(words.sliding(2), gc.Stream[list[str]])
    assert_type(words.window("1s"), gc.Stream[list[str]])


def test_several_streams() -> None:
    assert_type(words.merge(words), gc.Stream[str])
    assert_type(words.merge_first(words), gc.Stream[str])
    assert_type(gc.merge_all(words, words), gc.Stream[list[str]])
    assert_type(numbers.join(words, lambda n, word: n * word), gc.Stream[str])
    assert_type(gc.select(flags, words, words), gc.Stream[str])
    assert_type(gc.multiplex(words, {"a": numbers, "b": numbers}), gc.Stream[int])
    assert_type(gc.first_valid(words, words), gc.Stream[str])
    assert_type(gc.race(words, words), gc.Stream[str])
    assert_type(gc.maximum(prices, prices), gc.Stream[float])
    assert_type(gc.all_of(flags, flags), gc.Stream[bool])
    assert_type(gc.make(Quote, bid=prices, ask=prices), gc.Stream[Quote])
    assert_type(gc.stack(prices, prices), gc.Stream[np.ndarray[Any, np.dtype[np.float64]]])
    parts = words.demux(lambda word: word[0], ["a"])
    assert_type(parts["a"], gc.Stream[str])
    assert_type(parts.other, gc.Stream[str])


def test_tuples_of_up_to_six_streams() -> None:
    assert_type(numbers.combine(words), gc.Stream[tuple[int, str]])
    assert_type(
        numbers.combine(words, prices, flags, words, prices),
        gc.Stream[tuple[int, str, float, bool, str, float]],
    )
    assert_type(numbers.combine(*[words, words]), gc.Stream[tuple[Any, ...]])
    assert_type(numbers.with_latest(words, prices), gc.Stream[tuple[int, str, float]])
    assert_type(
        numbers.with_latest(words, prices, flags, words, prices),
        gc.Stream[tuple[int, str, float, bool, str, float]],
    )


def test_keyed() -> None:
    def count(own: gc.Stream[str], key: int) -> gc.Stream[float]:
        return own.count() / 2

    keyed = words.group_by(len, count)
    assert_type(keyed, gc.Keyed[int, float])
    assert_type(keyed.changes, gc.Stream[dict[int, float]])
    assert_type(keyed.latest, gc.Stream[dict[int, float]])
    assert_type(keyed.pairs(), gc.Stream[tuple[int, float]])
    assert_type(keyed.removed, gc.Stream[int])
    assert_type(keyed.build(lambda own, key: own.map(str)), gc.Keyed[int, str])
    assert_type(words.catch(lambda own: own.map(int))[0], gc.Stream[int])


def test_ends_sinks_and_bursts() -> None:
    assert_type(words.fold(lambda total, word: total + len(word), 0), gc.Stream[int])
    assert_type(words.final(), gc.Stream[str])
    assert_type(words.for_each(print), gc.Stream[str])
    assert_type(words.inspect(print), gc.Stream[str])
    assert_type(words.collect(), gc.Collected[str])
    assert_type(words.collect().values, list[str])
    assert_type(words.accumulate(), gc.Stream[list[str]])
    assert_type(words.buffer(2).unroll(), gc.Stream[str])
    assert_type(words.buffer(2).collapse(), gc.Stream[str])

    async def call(word: str) -> int:
        await asyncio.sleep(0)
        return len(word)

    assert_type(words.consume_async(call), gc.Stream[int])


def test_figures_and_operators_of_python() -> None:
    assert_type(words.count(), gc.Stream[int])
    assert_type(numbers.mean(), gc.Stream[float])
    assert_type(numbers.max(), gc.Stream[int])
    assert_type(prices.rolling(3).mean(), gc.Stream[float])
    assert_type(prices.ewm(span=3).mean(), gc.Stream[float])
    assert_type(prices.ewm(span=3).cov(numbers), gc.Stream[float])
    assert_type(prices.rolling(3).idxmax(), gc.Stream[int])


Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]


def test_figures_of_vectors() -> None:
    vectors = gc.stack(prices, numbers)
    assert_type(vectors.rolling(3).mean(), gc.Stream[Floats])
    assert_type(vectors.expanding(weights=prices).std(), gc.Stream[Floats])
    assert_type(vectors.rolling(3).cov(), gc.Stream[Floats])
    assert_type(vectors.rolling(3).corr(vectors), gc.Stream[Floats])
    assert_type(vectors.rolling(3).cov(prices), gc.Stream[Floats])
    assert_type(vectors.ewm(span=3).corr(), gc.Stream[Floats])
    assert_type(vectors.expanding().idxmax(), gc.Stream[np.ndarray[Any, np.dtype[np.int64]]])


def test_operators_of_python() -> None:
    assert_type(prices > 1.5, gc.Stream[bool])
    assert_type(numbers + numbers, gc.Stream[int])
    assert_type(numbers + prices, gc.Stream[float])
    assert_type(prices - numbers, gc.Stream[float])
    assert_type(prices * 2, gc.Stream[float])
    assert_type(numbers * 2.5, gc.Stream[float])
    assert_type(numbers / numbers, gc.Stream[float])
    assert_type(numbers // 2 % 3, gc.Stream[int])
    assert_type(1 - numbers, gc.Stream[int])
    assert_type(1.5 * numbers, gc.Stream[float])
    assert_type(1 / prices, gc.Stream[float])
    assert_type(words + "!", gc.Stream[str])
    assert_type("a" + words, gc.Stream[str])
    assert_type(days - days, gc.Stream[timedelta])
    assert_type(days + timedelta(1), gc.Stream[datetime])
    assert_type(amounts * 2, gc.Stream[Decimal])
    assert_type(2 * amounts, gc.Stream[Decimal])
    assert_type(quotes.field("bid") + prices, gc.Stream[Any])
    assert_type(flags & ~flags, gc.Stream[bool])


def test_powers_have_the_types_of_pythons_own() -> None:
    assert_type(numbers**2, gc.Stream[int])
    assert_type(prices**2, gc.Stream[float])
    assert_type(prices**-1, gc.Stream[float])
    assert_type(prices**numbers, gc.Stream[float])
    assert_type((prices - prices.mean()) ** 2, gc.Stream[float])
    assert_type(amounts**2, gc.Stream[Decimal])
    assert_type(amounts**amounts, gc.Stream[Decimal])
    assert_type(Decimal(2) ** amounts, gc.Stream[Decimal])
    # The exponent decides: 2 to the power -1 is a float, and -1.0 to the power 0.5 is complex.
    assert_type(numbers**numbers, gc.Stream[Any])
    assert_type(prices**0.5, gc.Stream[Any])
    assert_type(2**numbers, gc.Stream[Any])
    assert_type(2**prices, gc.Stream[Any])


def test_recordings(tmp_path: Path) -> None:
    file = tmp_path / "quotes.parquet"
    quotes.record(file).run()
    assert_type(gc.replay_parquet(file, Quote), gc.Stream[Quote])
    assert_type(gc.replay_parquet(file, Quote, delivery="burst"), gc.Stream[list[Quote]])
    assert_type(gc.replay_parquet(file), gc.Stream[Any])


def test_zmq() -> None:
    data, status = zmq_sub(5556)
    assert_type(data, gc.Stream[list[Any]])
    assert_type(status, gc.Stream[ZmqStatus])
    assert_type(zmq_sub(5556, codec=raw).data, gc.Stream[list[bytes]])
    assert_type(zmq_sub(5556, topics=["a"]).data, gc.Stream[list[tuple[str, Any]]])
    assert_type(words.zmq_pub(0, wait_for=1, topic=lambda word: word), ZmqPublisher)
    assert_type(words.buffer(2).zmq_pub_burst(0, topic=lambda word: word), ZmqPublisher)
    with pytest.raises(gc.InvalidTypeError):
        # For mypy the comment is an error if this line has none.
        words.zmq_pub("0")  # type: ignore[arg-type]


def test_the_stub_of_the_methods_of_adapters_has_the_parameters_of_their_functions() -> None:
    stub = ast.parse(Path(adapters.__file__).with_suffix(".pyi").read_text())
    methods = [each for each in ast.walk(stub) if isinstance(each, ast.FunctionDef)]
    assert {method.name for method in methods} == {"zmq_pub", "zmq_pub_burst"}
    for method in methods:
        actual = signature(getattr(graphcore_zmq, method.name)).parameters
        given = method.args
        declared = [each.arg for each in (*given.args, *given.kwonlyargs)][1:]
        names = [name for name, each in actual.items() if each.kind is not each.VAR_KEYWORD][1:]
        options = set(names) - set(declared)
        assert declared == [name for name in names if name not in options]
        assert options in (set(), set(PublisherOptions.__annotations__))
