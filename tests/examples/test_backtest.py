"""The backtest beside pandas."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

import graphcore as gc
from graphcore_examples import backtest
from graphcore_examples.backtest import ENTER, LEAVE, SYMBOLS, WINDOW

MINUTES = 2_000


def oracle(bars: pd.DataFrame) -> pd.DataFrame:
    """Return z-score, position and PnL of each bar of a symbol, once there is a PnL."""
    close = bars["close"]
    zscore = (close - close.rolling(WINDOW).mean()) / close.rolling(WINDOW).std()
    decided = pd.Series(float("nan"), close.index)
    decided[zscore.abs() < LEAVE] = 0
    decided[zscore > ENTER] = -1
    decided[zscore < -ENTER] = 1
    position = decided.ffill().fillna(0)
    pnl = (position.shift() * close.diff()).cumsum()
    frame = pd.DataFrame({"time": bars["time"], "zscore": zscore, "position": position, "pnl": pnl})
    return frame.iloc[WINDOW:]


@pytest.fixture(scope="module")
def bars() -> list[tuple[int, backtest.Bar]]:
    return list(backtest.random_walks(MINUTES))


@pytest.mark.parametrize("tier", ["fused", "interpreted"])
def test_each_symbol_has_the_account_that_pandas_computes(
    bars: list[tuple[int, backtest.Bar]], tier: Any
) -> None:
    out = backtest.wire(gc.replay(bars)).pairs().collect()
    out.run(tier=tier)
    found = pd.DataFrame(
        {"time": time, "symbol": symbol, **account._asdict()} for time, (symbol, account) in out
    )
    frame = pd.DataFrame({"time": time, **bar._asdict()} for time, bar in bars)
    assert set(found["symbol"]) == set(SYMBOLS)
    for symbol in SYMBOLS:
        own = found[found["symbol"] == symbol].drop(columns="symbol").reset_index(drop=True)
        expected = oracle(frame[frame["symbol"] == symbol]).reset_index(drop=True)
        assert set(expected["position"]) == {-1, 0, 1}
        pd.testing.assert_frame_equal(own, expected, check_dtype=False, rtol=1e-9, atol=1e-9)


def test_the_program_prints_the_sum_of_all_symbols(example: Callable[..., Any]) -> None:
    code, output, error = example("backtest.py").finish()
    assert (code, error) == (0, "")
    *symbols, total = output.splitlines()
    assert [line.split()[0] for line in symbols] == list(SYMBOLS)
    earned = [float(line.split()[2]) for line in symbols]
    assert float(total.split()[2]) == pytest.approx(sum(earned), abs=0.03)
