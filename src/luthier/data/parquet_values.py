"""Rows as Parquet columns of given types: what JSON had to write as text becomes a time, a number or bytes again."""

from __future__ import annotations

import base64
import datetime
import decimal
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow
import pyarrow.types as types


def table_of(rows: Sequence[Mapping[str, Any]], schema: pyarrow.Schema) -> pyarrow.Table:
    """Return rows as a table; a field that a row does not have is null.

    Raises:
        ValueError: A row has a field that the schema lacks, or a value that is not of its type.
        pyarrow.ArrowException: The same.
    """
    if unknown := sorted({str(name) for row in rows for name in row if name not in schema.names}):
        raise ValueError(f"field {unknown[0]!r} is not in all of the rows before")
    return pyarrow.Table.from_arrays(
        [_column([row.get(field.name) for row in rows], field.type) for field in schema], schema=schema
    )


def _column(values: list[Any], kind: pyarrow.DataType) -> pyarrow.Array:
    if types.is_timestamp(kind) and all(value is None or isinstance(value, str) for value in values):
        return pyarrow.array(values, pyarrow.string()).cast(kind)  # keeps nanoseconds
    return pyarrow.array(values if _is_plain(kind) else [_restored(value, kind) for value in values], kind)


def _is_plain(kind: pyarrow.DataType) -> bool:
    """Tell whether JSON has all that a type can hold."""
    if types.is_struct(kind):
        return all(_is_plain(field.type) for field in kind)
    if types.is_nested(kind):
        return not types.is_map(kind) and _is_plain(kind.value_type)
    return not any(is_kind(kind) for is_kind in (types.is_temporal, types.is_decimal, _is_binary))


def _is_binary(kind: pyarrow.DataType) -> bool:
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind))


def _restored(value: Any, kind: pyarrow.DataType) -> Any:
    if isinstance(value, Mapping) and types.is_struct(kind):
        return {field.name: _restored(value.get(field.name), field.type) for field in kind}
    if isinstance(value, list) and types.is_map(kind):
        return [(_restored(key, kind.key_type), _restored(item, kind.item_type)) for key, item in value]
    if isinstance(value, list) and types.is_nested(kind):
        return [_restored(item, kind.value_type) for item in value]
    if isinstance(value, float | int) and types.is_duration(kind):
        return datetime.timedelta(seconds=value)
    if not isinstance(value, str):
        return value
    if types.is_timestamp(kind):
        return datetime.datetime.fromisoformat(value)
    if types.is_date(kind):
        return datetime.date.fromisoformat(value[:10])
    if types.is_time(kind):
        return datetime.time.fromisoformat(value)
    if types.is_decimal(kind):
        return decimal.Decimal(value)
    return base64.b64decode(value) if _is_binary(kind) else value
