"""What workers of other processes run; they import this module."""

import os
import time
from pathlib import Path
from typing import Any

import graphcore as gc

TIMES = list(range(10, 60))
PRICES = [100 + (7 * n % 13) / 4 for n in range(50)]


def crossover(fast: int, slow: int) -> dict[str, gc.Handle]:
    if fast == slow:
        raise ValueError(f"both are {fast}")
    prices = gc.replay(TIMES, PRICES)
    gap = (prices.ewm(span=fast).mean() - prices.ewm(span=slow).mean()).named("gap")
    crossings = (gap > 0).distinct().count()
    return {"gap": gap, "crossings": crossings}


GRID = {"fast": [2, 3, 5, 7], "slow": [5, 7, 9, 11, 30]}


class Data:
    """Data that note in a folder how often they are pickled and loaded."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        (Path(self.folder) / f"pickled-{time.monotonic_ns()}").touch()
        return loaded, (self.folder,)


def loaded(folder: str) -> Data:
    (Path(folder) / f"loaded-{os.getpid()}-{time.monotonic_ns()}").touch()
    return Data(folder)


def with_data(data: Data, n: int) -> dict[str, gc.Handle]:
    return {"out": gc.replay([1], [n])}


def deadly(folder: str, n: int) -> dict[str, gc.Handle]:
    """Set 3 kills its worker."""
    (Path(folder) / f"run-{n}-{time.monotonic_ns()}").touch()
    if n == 3:
        os._exit(1)
    return {"out": gc.replay([1], [n])}


class Awkward(Exception):
    """An exception that pickle cannot make again."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def raises(n: int) -> dict[str, gc.Handle]:
    if n:
        raise Awkward(n, n)
    return {"out": gc.replay([1], [n])}


def of_lambda(n: int) -> dict[str, gc.Handle]:
    return {"out": gc.replay([1], [n]).map(lambda x: (y for y in [x]))}


def of_iterator(n: int) -> dict[str, gc.Handle]:
    return {"out": gc.replay(iter([(1, n)])).named("ticks")}


def of_process(n: int) -> dict[str, gc.Handle]:
    return {"out": gc.replay([1], [os.getpid()])}


def means(part: Any) -> dict[str, gc.Handle]:
    prices = gc.from_table(part, value="price")
    mean = prices.ewm(span=3).mean()
    rows = gc.frame(price=prices, high=prices.filter(lambda x: x > 100), fill="last")
    return {"mean": mean, "rows": rows}
