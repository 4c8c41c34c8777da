"""Tables as payloads: which values go in and out, and which frames are refused; oracle: pyarrow."""

import pickle
import struct
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc
from graphcore_zmq import CodecError, arrow, f32, u8, zmq_sub

BATCH = pa.record_batch({"id": [1, 2, 3], "bid": [1.5, None, 2.5], "venue": ["a", "b", "a"]})


def payload_of(*batches: pa.RecordBatch, **options: object) -> bytes:
    sink = pa.BufferOutputStream()
    used = pa.ipc.IpcWriteOptions(**options)
    with pa.ipc.new_stream(sink, batches[0].schema, options=used) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


@dataclass
class Row:
    id: int
    bid: float | None
    venue: str


class Wide(msgspec.Struct, kw_only=True):
    small: u8
    price: f32
    flag: bool
    blob: bytes
    levels: list[float]
    names: list[str] | None


class One(NamedTuple):
    id: int


INSIDE = pa.ListArray.from_arrays(pa.array([0, 54_321], pa.int32()), pa.nulls(54_321))
NO_TEXT = pa.StringArray.from_buffers(
    1, pa.py_buffer(struct.pack("<ii", 0, 1)), pa.py_buffer(b"\xff")
)
ROWS = [Row(1, 1.5, "a"), Row(2, None, "b"), Row(3, 2.5, "a")]


@pytest.mark.parametrize(
    "value",
    [
        BATCH,
        pa.table(BATCH),
        pa.concat_tables([pa.table(BATCH[:1]), pa.table(BATCH[1:])]),
        pl.from_arrow(BATCH),
        BATCH.to_pylist(),
        tuple(BATCH.to_pylist()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_batches_tables_frames_and_mappings_become_one_batch(value):
    payload = arrow.encode(value)
    assert arrow.decode(payload).to_pylist() == BATCH.to_pylist()
    with pa.ipc.open_stream(payload) as reader:
        assert [batch.num_rows for batch in reader] == [3]
    assert arrow(Row).decode(payload) == ROWS


def test_a_pandas_frame_becomes_a_batch():
    frame = pd.DataFrame({"id": [1, 2], "venue": ["a", "b"]})
    assert arrow.decode(arrow.encode(frame)).to_pylist() == frame.to_dict("records")


def test_categories_stay_categories():
    frame = pl.DataFrame({"venue": pl.Series(["a", "b", "a"], dtype=pl.Categorical)})
    batch = arrow.decode(arrow.encode(frame))
    assert pa.types.is_dictionary(batch.schema.field("venue").type)
    assert batch.column("venue").to_pylist() == ["a", "b", "a"]


def test_empty_lists_and_tables_become_a_batch_without_rows():
    assert arrow.decode(arrow.encode([])).num_rows == 0
    assert arrow.decode(arrow.encode(pa.table(BATCH)[:0])).schema == BATCH.schema
    assert arrow(Row).decode(arrow(Row).encode([])) == []


def test_columns_have_the_types_of_the_fields():
    rows = [
        Wide(small=7, price=0.5, flag=True, blob=b"\0", levels=[1.0, 2.0], names=None),
        Wide(small=8, price=1.5, flag=False, blob=b"", levels=[], names=["x"]),
    ]
    payload = arrow(Wide).encode(rows)
    schema = arrow.decode(payload).schema
    assert schema.types == [
        pa.uint8(),
        pa.float32(),
        pa.bool_(),
        pa.binary(),
        pa.list_(pa.float64()),
        pa.list_(pa.string()),
    ]
    assert [field.nullable for field in schema] == [False] * 5 + [True]
    assert arrow(Wide).decode(payload) == rows


@dataclass
class Kinds:
    whole: int = 1
    real: float = 1.0
    flag: bool = True
    text: str = "a"
    blob: bytes = b"a"
    many: list[int] | None = None


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("whole", 1.5, "int"),
        ("whole", np.float32(0.1), "int"),
        ("whole", Decimal("1.1"), "int"),
        ("whole", Fraction(1, 2), "int"),
        ("whole", True, "int"),
        ("real", "1.5", "float"),
        ("real", Decimal("1.1"), "float"),
        ("real", True, "float"),
        ("flag", 1, "bool"),
        ("text", b"a", "str"),
        ("text", 1, "str"),
        ("blob", "a", "bytes"),
        ("blob", [97], "bytes"),
        ("many", [1, 1.5], "int"),
        ("many", b"ab", "list"),
        ("many", np.array([0.5]), "int"),
        ("many", {1, 2}, "list"),
    ],
)
def test_rows_refuse_a_value_that_arrow_would_change(field, value, kind):
    message = f"arrow\\(Kinds\\) cannot encode column '{field}': .*{kind} cannot hold "
    with pytest.raises(CodecError, match=message):
        arrow(Kinds).encode([Kinds(), Kinds(**{field: value})])


def test_rows_take_values_of_numpy_and_of_subclasses():
    row = Kinds(
        *(np.int64(3), np.float32(0.5), np.False_, np.str_("x"), np.bytes_(b"y")),
        many=np.array([1, 2]),
    )
    assert arrow(Kinds).decode(arrow(Kinds).encode([row, Kinds(many=(np.int8(4), 5))])) == [
        Kinds(3, 0.5, False, "x", b"y", [1, 2]),
        Kinds(many=[4, 5]),
    ]


@pytest.mark.parametrize(
    "values", [["a", b"b"], [datetime(2024, 1, 1), datetime(2024, 1, 1, tzinfo=UTC)], [1, "a"]]
)
def test_mappings_refuse_values_if_arrow_would_change_one(values):
    with pytest.raises(CodecError, match="arrow cannot encode a value of type list: "):
        arrow.encode([{"v": value} for value in values])


@given(
    st.lists(
        st.builds(
            Row,
            st.integers(-(2**63), 2**63 - 1),
            st.none() | st.floats(allow_nan=False),
            st.text(st.characters(exclude_categories=["Cs"])),
        )
    )
)
def test_rows_come_back(rows):
    assert arrow(Row).decode(arrow(Row).encode(rows)) == rows


def test_types_that_other_libraries_prefer_are_taken_if_every_value_fits():
    types = {"id": pa.uint16(), "bid": pa.float32(), "venue": pa.large_string()}
    other = BATCH.cast(pa.schema(types.items()))
    assert arrow(Row).decode(arrow.encode(other)) == ROWS
    none = pa.record_batch({"venue": ["a"], "bid": pa.nulls(1), "id": [1], "more": [[1]]})
    assert arrow(Row).decode(arrow.encode(none)) == [Row(1, None, "a")]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"id": pa.array([2**63], pa.uint64())}, "column 'id'"),
        ({"id": [1.0]}, "column 'id': it is double, not int64"),
        ({"id": ["1"]}, "column 'id': it is string, not int64"),
        ({"id": [True]}, "it is bool"),
        ({"id": pa.array([1]).dictionary_encode()}, "it is dictionary"),
        ({"id": [1, None]}, "lacks 1 of its values"),
        ({"other": [1]}, r"needs one column 'id': \['other'\]"),
    ],
)
def test_columns_that_are_not_the_rows_are_refused(columns, said):
    payload = payload_of(pa.record_batch({k: pa.array(v) for k, v in columns.items()}))
    with pytest.raises(CodecError, match=rf"arrow\(One\).*{said}") as refused:
        arrow(One).decode(payload)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("codec", "value", "said"),
    [
        (arrow, 3, "of type int: it takes a record batch"),
        (arrow, [Row(1, 2.0, "a")], r"a mapping, not .*arrow\(Row\) takes others"),
        (arrow, [{"a": 1}, {"a": 1, "b": 2}], "differ in their columns"),
        (arrow, [{"a": 1}, {"a": "x"}], "cannot encode a value of type list"),
        (arrow, [{"a": object()}], "cannot encode a value of type list"),
        (arrow, pa.table({"n": pa.nulls(54_321)}), r"Table: \d+ bytes cannot hold 54321 rows"),
        (arrow, pl.DataFrame({"n": [None] * 54_321}), r"DataFrame: .* 54321 rows"),
        (arrow, pa.record_batch({"l": INSIDE}), "54321 values of null"),
        (arrow, pa.table({"s": pa.array([{}] * 54_321)}), "54321 rows"),
        (arrow, pa.table({"r": pa.RunEndEncodedArray.from_arrays([9], ["x"])}), "are not taken"),
        (arrow, pa.record_batch({"t": NO_TEXT}), "UTF8"),
        (arrow(Row), 3, "takes a list of rows, not 3"),
        (arrow(Row), [One(1)], "takes rows with all its fields"),
        (arrow(One), [One(2**63)], r"arrow\(One\) cannot encode column 'id'"),
        (arrow(One), [One("1")], r"arrow\(One\) cannot encode column 'id'"),
        (arrow(One), [One(None)], "lacks 1 of its values"),
        (arrow(Row), [Row(1, None, "\ud800")], "cannot encode column 'venue'"),
    ],
)
def test_a_value_that_is_not_a_supported_table_is_refused_in_one_sentence(codec, value, said):
    with pytest.raises(CodecError, match=said) as refused:
        codec.encode(value)
    assert "\n" not in str(refused.value)


class Nested(msgspec.Struct):
    inner: One


class Empty(msgspec.Struct):
    pass


@pytest.mark.parametrize(
    ("row", "said"),
    [(Nested, "'inner' is not"), (Empty, "with fields"), (int, "with fields"), (3, "3")],
)
def test_a_class_that_is_not_a_row_is_refused_where_the_codec_is_made(row, said):
    with pytest.raises(gc.InvalidTypeError, match=said):
        arrow(row)


def with_columns(columns: dict[str, pa.Array]) -> bytes:
    return payload_of(pa.record_batch(columns))


def lying(payload: bytes, said: int, lie: int) -> bytes:
    """Return the bytes with every occurrence of a number replaced by another."""
    assert struct.pack("<q", said) in payload
    return payload.replace(struct.pack("<q", said), struct.pack("<q", lie))


NULLS = payload_of(pa.record_batch({"n": pa.nulls(54_321)}))


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"", "arrow cannot decode b''"),
        (b"junk", "arrow cannot decode b'junk'"),
        (payload_of(BATCH)[:100], "cannot decode"),
        (payload_of(BATCH)[:-60], "cannot decode"),
        (payload_of(BATCH, BATCH), "2 record batches, not one"),
        (payload_of(pa.record_batch({"a": [0] * 9_999}), compression="zstd"), "is compressed"),
        (payload_of(pa.record_batch({"a": [0] * 9_999}), compression="lz4"), "is compressed"),
        (NULLS, "cannot hold 54321 rows"),
        (lying(NULLS, 54_321, 2**50), f"cannot hold {2**50} rows"),
        (lying(payload_of(pa.record_batch({"a": [0] * 321})), 321, 2**50), "cannot decode"),
        (with_columns({"l": INSIDE}), "cannot hold 54321 values of null"),
        (with_columns({"s": pa.StructArray.from_arrays([INSIDE], ["l"])}), "54321 values of null"),
        (with_columns({"r": pa.RunEndEncodedArray.from_arrays([9], ["x"])}), "are not taken"),
    ],
)
def test_a_hostile_frame_is_refused_in_one_sentence(payload, said):
    with pytest.raises(CodecError, match=said) as refused:
        arrow.decode(payload)
    assert "\n" not in str(refused.value)


def test_offsets_beyond_the_text_and_invalid_utf8_are_refused():
    text = with_columns({"t": pa.array(["abc", "defg"])})
    honest, lie = struct.pack("<iii", 0, 3, 7), struct.pack("<iii", 0, 3, 9_999)
    assert honest in text
    with pytest.raises(CodecError, match="cannot decode"):
        arrow.decode(text.replace(honest, lie))
    with pytest.raises(CodecError, match="UTF8"):
        arrow.decode(text.replace(b"abcdefg", b"abc\xff\xff\xff\xff"))


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("it was unpickled",))


def test_nothing_is_unpickled():
    metadata = {
        "ARROW:extension:name": "arrow.py_extension_type",
        "ARROW:extension:metadata": pickle.dumps(Bomb()),
    }
    schema = pa.schema([pa.field("id", pa.int64(), metadata=metadata)])
    payload = payload_of(pa.record_batch([[1]], schema=schema))
    assert arrow.decode(payload).column("id").to_pylist() == [1]
    assert arrow(One).decode(payload) == [One(1)]


@given(st.data())
def test_any_bytes_raise_at_worst_a_codec_error(data):
    payload = bytearray(payload_of(BATCH))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(payload)))
        payload[place : place + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    for codec in (arrow, arrow(Row)):
        try:
            codec.decode(bytes(payload))
        except CodecError as error:
            assert "\n" not in str(error)


def test_without_pyarrow_only_the_codec_fails_and_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for use in (
        lambda: zmq_sub(5556, codec=arrow),
        lambda: arrow(Row),
        lambda: arrow.encode([]),
        lambda: arrow.decode(b""),
    ):
        with pytest.raises(gc.RunError, match=r"arrow needs pyarrow: .*graphcore\[tables\]"):
            use()


def test_pyarrow_is_imported_only_when_it_is_used():
    code = "import sys, graphcore_zmq; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_type_that_pyarrow_has_no_class_for_is_refused_in_one_sentence():
    # Changing one byte of the schema turns pyarrow's only kind of interval into one of months.
    payload = arrow.encode(pa.table({"span": pa.array([None], pa.month_day_nano_interval())}))
    said = []
    for place in range(len(payload)):
        changed = bytearray(payload)
        changed[place] = 0
        try:
            arrow.decode(bytes(changed))
        except CodecError as error:
            said.append(str(error))
    assert any(each.endswith("a type that pyarrow cannot read") for each in said)
