"""Parquet in, Parquet out: the types and values of all columns stay."""

import datetime
import decimal

import pyarrow
import pyarrow.parquet
import pytest

from luthier.core.errors import DataError
from luthier.data.operators.batch import rewrite_texts
from luthier.data.operators.files import open_batches, write_batches
from luthier.data.sinks import writing
from luthier.data.sources import read_rows

_DAY = datetime.date(2024, 2, 29)
_TIME = datetime.datetime(2024, 2, 29, 12, 30, 1, 5)
_DEEP = pyarrow.struct([("when", pyarrow.list_(pyarrow.date32())), ("n", pyarrow.int16())])
_COLUMNS = {
    "text": (["A", "b", "C"], pyarrow.large_string()),
    "small": ([1, None, 3], pyarrow.int8()),
    "big": ([2**63, 1, 2], pyarrow.uint64()),
    "share": ([float("nan"), float("inf"), 0.5], pyarrow.float32()),
    "day": ([_DAY, None, _DAY], pyarrow.date32()),
    "at": ([_TIME, None, _TIME], pyarrow.timestamp("ns")),
    "zone": ([_TIME.replace(tzinfo=datetime.UTC), None, None], pyarrow.timestamp("us", "UTC")),
    "clock": ([_TIME.time(), None, None], pyarrow.time64("us")),
    "took": ([datetime.timedelta(seconds=1.5), None, None], pyarrow.duration("us")),
    "price": ([decimal.Decimal("1.10"), None, decimal.Decimal("2.00")], pyarrow.decimal128(10, 2)),
    "image": ([b"\x00\xff", None, b""], pyarrow.binary()),
    "kind": (["x", "y", None], pyarrow.dictionary(pyarrow.int32(), pyarrow.string())),
    "pairs": ([[("k", 1)], None, []], pyarrow.map_(pyarrow.string(), pyarrow.int32())),
    "deep": ([{"when": [_DAY], "n": 1}, None, {"when": [], "n": None}], _DEEP),
    "nothing": ([None, None, None], pyarrow.string()),
}  # fmt: skip


def test_all_columns_stay_as_they_are(tmp_path):
    table = pyarrow.table({name: pyarrow.array(values, kind) for name, (values, kind) in _COLUMNS.items()})
    pyarrow.parquet.write_table(table, tmp_path / "in.parquet")
    lower = [
        rewrite_texts(b, "lower", lambda texts: [t.lower() for t in texts])
        for b in open_batches(tmp_path / "in.parquet")
    ]
    write_batches(lower, tmp_path / "out.parquet")
    result = pyarrow.parquet.read_table(tmp_path / "out.parquet")
    assert result.schema.equals(table.schema)
    assert result["text"].to_pylist() == ["a", "b", "c"]
    for name in table.column_names[1:]:
        if name == "share":
            assert str(result[name].to_pylist()) == str(table[name].to_pylist())
        else:
            assert result[name].equals(table[name]), name


def test_what_json_has_no_form_for_is_readable_text(tmp_path):
    table = pyarrow.table({name: pyarrow.array(values, kind) for name, (values, kind) in _COLUMNS.items()})
    pyarrow.parquet.write_table(table, tmp_path / "in.parquet")
    write_batches(open_batches(tmp_path / "in.parquet"), tmp_path / "out.jsonl")
    _, row = next(read_rows(tmp_path / "out.jsonl"))
    assert (row["day"], row["image"], row["price"], row["big"]) == ("2024-02-29", "AP8=", "1.10", 2**63)


def test_a_field_that_comes_later_is_not_lost(tmp_path):
    with (
        pytest.raises(DataError, match="'late' is not in all of the rows before"),
        writing(tmp_path / "o.parquet") as write,
    ):
        for number in range(2001):
            write({"text": str(number)} | ({"late": 1} if number == 2000 else {}))
    assert list(tmp_path.iterdir()) == []
