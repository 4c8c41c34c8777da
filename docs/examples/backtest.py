"""A backtest over five symbols: sell what is far above its rolling mean, buy what is far below.

Each symbol has a sub-graph of its own, which begins with the symbol's first bar. The prices here
are random walks; `wire` takes any stream of bars, recorded or live:

    python docs/examples/backtest.py
"""

import random
from collections.abc import Iterator
from typing import NamedTuple

import graphcore as gc

SYMBOLS = ("AAPL", "AMZN", "GOOG", "META", "MSFT")
WINDOW = 30  # bars
ENTER, LEAVE = 2.0, 0.5  # standard deviations from the rolling mean
MINUTE = 60 * 10**9  # ns


class Bar(NamedTuple):
    """The closing price of a minute."""

    symbol: str
    close: float


class Account(NamedTuple):
    """What a symbol has come to."""

    zscore: float
    position: int  # shares that are held from this bar on
    pnl: float  # since the first bar


def decide(position: int, zscore: float) -> int:
    """Return the next position: against the deviation, until the price is near its mean again."""
    if abs(zscore) > ENTER:
        return -1 if zscore > 0 else 1
    return 0 if abs(zscore) < LEAVE else position


def trade(bars: gc.Stream[Bar], symbol: str) -> gc.Stream[Account]:
    """Wire the sub-graph of a symbol."""
    close = bars.map(lambda bar: bar.close)
    window = close.rolling(WINDOW)
    zscore = (close - window.mean()) / window.std()
    position = zscore.scan(decide, 0)
    # What was held over the last minute earns the change of the price in it.
    pnl = (position.lag(1) * close.difference()).sum()
    return zscore.join(position, pnl, function=Account)


def wire(bars: gc.Stream[Bar]) -> gc.Keyed[str, Account]:
    """Wire the backtest: an account for each symbol."""
    return bars.group_by(lambda bar: bar.symbol, trade)


def random_walks(minutes: int, seed: int = 1) -> Iterator[tuple[int, Bar]]:
    """Return the bars of all symbols, minute by minute."""
    chance = random.Random(seed)
    prices = dict.fromkeys(SYMBOLS, 100.0)
    for minute in range(minutes):
        for symbol in SYMBOLS:
            prices[symbol] *= 1 + chance.gauss(0, 0.001)
            yield minute * MINUTE, Bar(symbol, prices[symbol])


if __name__ == "__main__":
    accounts = wire(gc.replay(lambda: random_walks(10_000))).latest
    total = accounts.map(lambda each: sum(account.pnl for account in each.values()))
    worst = total.min()
    gc.Graph(accounts, worst).run()
    for symbol, account in sorted(accounts.value.items()):
        print(f"{symbol}  PnL {account.pnl:8.2f}  position {account.position:2}")
    print(f"all   PnL {total.value:8.2f}  at worst {worst.value:.2f}")
