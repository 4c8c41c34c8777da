"""The joined feeds beside pandas, over history and over real sockets."""

import random
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pandas as pd
import pytest

import graphcore as gc
from graphcore.testing import ticks
from graphcore_examples import two_feeds
from graphcore_examples.two_feeds import Quote


def oracle(first: list[Quote], second: list[Quote]) -> list[tuple[int, int]]:
    """Return (time, profit) of all crossings, in order of time."""
    frames = [pd.DataFrame([msgspec.structs.asdict(each) for each in q]) for q in (first, second)]
    both = frames[0].merge(frames[1], on="time").sort_values("time")
    buys = pd.concat([both["bid_x"] - both["ask_y"], both["bid_y"] - both["ask_x"]], axis=1)
    both["profit"] = buys.max(axis=1)
    return list(both.loc[both["profit"] > 0, ["time", "profit"]].itertuples(index=False, name=None))


def test_quotes_meet_by_their_own_time_whatever_the_order_of_arrival() -> None:
    chance = random.Random(1)
    feeds = [[quote for _, quote in two_feeds.random_quotes(seed, 2_000)] for seed in (3, 4)]
    feeds = [chance.sample(feed, 1_500) for feed in feeds]
    streams = (gc.from_iterable(feed, period=n) for n, feed in enumerate(feeds, 2))
    found = ticks(two_feeds.wire(*streams))
    assert sorted((each.time, each.profit) for _, each in found) == oracle(*feeds)


@pytest.mark.zmq
def test_the_program_prints_the_crossings_of_two_publishers(example: Callable[..., Any]) -> None:
    code, output, error = example("two_feeds.py").finish()
    assert (code, error) == (0, "")
    found = re.findall(r" crossed Crossing\(time=(\d+), profit=(\d+)\)$", output, re.MULTILINE)
    feeds = [[quote for _, quote in two_feeds.random_quotes(seed)] for seed in (1, 2)]
    assert [(int(time), int(profit)) for time, profit in found] == oracle(*feeds)
    assert output.splitlines()[-1] == "5000 received 5000 received"
