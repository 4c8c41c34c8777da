"""The table in docs/zmq.md, "What comes back", compared with the codecs cell by cell."""

import dataclasses
import enum
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import graphcore as gc
from graphcore_zmq import CodecError, arrow, bincode, json, msgpack, raw

PAGE = Path(__file__).parents[4] / "docs" / "zmq.md"
REFUSED, REFUSED_BY_SUBSCRIBER, SAME = "refused", "subscriber refuses", "same"


class Side(enum.Enum):
    BUY = "buy"


@dataclasses.dataclass
class Quote:
    bid: float


NAMES = {
    **{"Side": Side, "Quote": Quote, "np": np, "pd": pd, "UTC": UTC},
    **{"datetime": datetime, "timedelta": timedelta, "Decimal": Decimal},
}


def declared(value: Any) -> Any:
    """Return the type that a user declares for a value; for one of numpy, Python's."""
    if isinstance(value, np.datetime64):
        return int
    if isinstance(value, np.generic):
        return type(value.item())
    if isinstance(value, np.ndarray):
        return list[float]
    if isinstance(value, pd.Timestamp):
        return datetime
    if isinstance(value, set):
        return set[int]
    return tuple[int, int] if isinstance(value, tuple) else type(value)


class InRow:
    """A codec of tables, used for one value."""

    def __init__(self, codec: Any, row: Any, taken: Any) -> None:
        self.codec, self.row, self.taken = codec, row, taken

    def encode(self, value: Any) -> bytes:
        payload: bytes = self.codec.encode([self.row(v=value)])
        return payload

    def decode(self, payload: bytes) -> Any:
        return self.taken(self.codec.decode(payload))


def in_row(value: Any) -> InRow:
    row = dataclasses.make_dataclass("Row", [("v", declared(value))])
    return InRow(arrow(row), row, lambda rows: rows[0].v)


CODECS: dict[str, Any] = {
    "`msgpack`": lambda _: msgpack,
    "`msgpack(T)`": lambda value: msgpack(declared(value)),
    "`json`": lambda _: json,
    "`json(T)`": lambda value: json(declared(value)),
    "`bincode(T)`": lambda value: bincode(declared(value)),
    "`arrow`": lambda _: InRow(arrow, dict, lambda batch: batch.to_pylist()[0]["v"]),
    "`arrow(Row)`": in_row,
    "`raw`": lambda _: raw,
}


def table() -> list[list[str]]:
    """Return the cells of the table, the line with its names first."""
    section = PAGE.read_text(encoding="utf-8").partition("### What comes back")[2]
    lines = re.findall(r"^\| (.*) \|$", section.partition("\n## ")[0], re.M)
    return [re.split(r" +\| +", line.strip()) for line in lines]


def cells() -> Iterator[Any]:
    (_, *names), *rows = table()
    for value, *said in rows:
        for name, cell in zip(names, said, strict=True):
            yield pytest.param(value.strip("`"), name, cell.strip("`"), id=f"{value} {name}")


def test_the_table_has_all_codecs_and_each_kind_of_value() -> None:
    (_, *names), *rows = table()
    assert names == list(CODECS)
    kinds = {type(eval(row[0].strip("`"), NAMES)) for row in rows}
    assert kinds >= {
        *(set, tuple, bytes, float, int, datetime, timedelta, Decimal, Quote, Side),
        *(np.int64, np.float64, np.bool_, np.datetime64, np.ndarray, pd.Timestamp),
    }


@pytest.mark.parametrize(("value", "codec", "said"), list(cells()))
def test_the_values_that_come_back_are_those_in_the_table(
    value: str, codec: str, said: str
) -> None:
    given = eval(value, NAMES)
    if said == REFUSED:
        with pytest.raises((CodecError, gc.InvalidTypeError)):
            CODECS[codec](given).encode(given)
        return
    made = CODECS[codec](given)
    payload = made.encode(given)
    if said == REFUSED_BY_SUBSCRIBER:
        with pytest.raises(CodecError):
            made.decode(payload)
        return
    expected = given if said == SAME else eval(said, NAMES)
    found = made.decode(payload)
    assert type(found) is type(expected)
    assert found == expected or (found != found and expected != expected)
