"""Rows to columns and back: every value comes back with its type, whatever stands beside it."""

import datetime
import decimal
import math

import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.data.versions import columns, shards

_text = st.text(st.characters() | st.characters(categories=["Cs"]), max_size=8)
_scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _text
_json = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=8,
)
_names = (
    st.sampled_from(["text", "label", "(digest)", "(row)", "$luthier", "$luthier$", "a\0b", "é\ud800"])
    | _text
)
_rows = st.lists(st.dictionaries(_names, _json, max_size=4) | _json, min_size=1, max_size=6)


def _round_trip(rows):
    digests = [columns.digest_of(row)[0] for row in rows]
    data = shards.to_parquet(columns.table_of(rows, digests), key=None)
    return [row for batch in shards.from_parquet(data, key=None) for row in columns.rows_of(batch)]


def _typed(value):
    """Make 1, 1.0 and True differ, and 0.0 and -0.0."""
    if isinstance(value, dict):
        return {name: _typed(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_typed(part) for part in value]
    return (type(value).__name__, repr(value))


@given(_rows)
def test_rows_come_back_as_they_were(rows):
    assert _typed(_round_trip(rows)) == _typed(rows)


def test_values_that_json_has_no_word_for_come_back():
    row = {
        "bytes": b"\xff\x00",
        "when": datetime.datetime(2027, 1, 31, 12, 0, 0, 5, tzinfo=datetime.UTC),
        "day": datetime.date(2027, 1, 31),
        "price": decimal.Decimal("1.10"),
        "image": {"bytes": b"\x89PNG", "path": None},
        "took": datetime.timedelta(days=-1, microseconds=7),
    }
    assert _round_trip([row, {"bytes": "text now"}]) == [row, {"bytes": "text now"}]
    (back,) = _round_trip([{"x": math.nan}])
    assert math.isnan(back["x"])


def test_what_cannot_be_stored_is_refused():
    with pytest.raises(TypeError, match="a set cannot be stored"):
        columns.digest_of({"x": {1}})


def test_an_absent_field_is_not_a_null():
    rows = [{"a": 1}, {"a": None}, {"b": None}, {}]
    assert _round_trip(rows) == rows


def test_the_order_of_fields_does_not_count_and_types_do():
    digest = columns.digest_of
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert len({digest({"a": value})[0] for value in (1, 1.0, True, "1", None, [1])}) == 6


def test_agreeing_fields_are_typed_and_others_are_json():
    rows = [
        {"text": "好", "n": 1, "mixed": 1, "turns": ["a"]},
        {"text": "b", "n": 2, "mixed": "x", "turns": []},
    ]
    schema = columns.table_of(rows, [b"0" * 16] * 2).schema
    assert [columns.type_name(field.type) for field in schema][:4] == ["string", "int64", "json", "json"]


def test_batches_of_unlike_shards_get_one_schema():
    tables = [columns.table_of([row], [b"0" * 16]) for row in ({"a": 1, "b": "x"}, {"a": "one", "c": 2.5})]
    schema = columns.united([table.schema for table in tables])
    batches = [columns.conformed(table.to_batches()[0], schema) for table in tables]
    joined = pyarrow.Table.from_batches(batches)
    assert joined.drop_columns([columns.DIGEST]).to_pylist() == [
        {"a": "1", "b": "x", "c": None},
        {"a": '"one"', "b": None, "c": 2.5},
    ]
