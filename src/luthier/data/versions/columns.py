"""Rows as columns and back, whatever their fields: typed where every value agrees, JSON where not, nothing lost."""

from __future__ import annotations

import base64
import datetime
import decimal
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow

DIGEST = "(digest)"
"""Column of the rows' digests."""

WHOLE = "(row)"
"""Column of the rows that have no columns of their own: what is no object, or has names that no column can bear."""

DIGEST_BYTES = 16
_MOST_FIELDS = 500
_TAG = "$luthier"
_NULLS = {b"nulls": b"values"}
"""Marks a column whose nulls were in the rows; in the others a null is a field that the row does not have."""

_JSON = pyarrow.json_(pyarrow.string())
_TYPES: dict[type, pyarrow.DataType] = {
    str: pyarrow.string(),
    bool: pyarrow.bool_(),
    int: pyarrow.int64(),
    float: pyarrow.float64(),
    bytes: pyarrow.binary(),
}
_MISSING = object()


def digest_of(row: Any) -> tuple[bytes, int]:
    """Return what identifies a row's content (BLAKE2b, 16 bytes), and its size as JSON in bytes.

    The order of an object's fields does not count; the type of a value does: 1 is not 1.0.
    """
    data = _dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest(), len(data)


def table_of(rows: Sequence[Any], digests: Sequence[bytes]) -> pyarrow.Table:
    """Return rows as a table with a column per field, and `DIGEST`."""
    names: dict[str, None] = {}
    whole: list[Any] = []
    for row in rows:
        is_wide = isinstance(row, Mapping) and not (
            row.keys() <= names.keys() or len(names.keys() | row.keys()) <= _MOST_FIELDS
        )
        if isinstance(row, Mapping) and not is_wide and all(map(_is_name, row)):
            names.update(dict.fromkeys(row))
            whole.append(_MISSING)
        else:
            whole.append(row)
    columns = [
        _column(
            name,
            [r.get(name, _MISSING) if w is _MISSING else _MISSING for r, w in zip(rows, whole, strict=True)],
        )
        for name in names
    ]
    if any(value is not _MISSING for value in whole):
        columns.append(_json_column(WHOLE, whole))
    digest_type = pyarrow.binary(DIGEST_BYTES)
    columns.append((pyarrow.field(DIGEST, digest_type), pyarrow.array(digests, digest_type)))
    fields, arrays = zip(*columns, strict=True)
    return pyarrow.Table.from_arrays(list(arrays), schema=pyarrow.schema(fields))


def rows_of(batch: pyarrow.RecordBatch) -> Iterator[Any]:
    """Yield the rows of a batch as they were stored."""
    read = [
        (field.name, has_value_nulls(field), _reader(field.type), batch.column(index).to_pylist())
        for index, field in enumerate(batch.schema)
        if field.name != DIGEST
    ]
    whole = next((values for name, _, _, values in read if name == WHOLE), None)
    read = [column for column in read if column[0] != WHOLE]
    for index in range(batch.num_rows):
        if whole is not None and whole[index] is not None:
            yield from_json(whole[index])
            continue
        row = {}
        for name, has_nulls, parse, values in read:
            value = values[index]
            if value is not None:
                row[name] = parse(value) if parse else value
            elif has_nulls:
                row[name] = None
        yield row


def united(schemas: Sequence[pyarrow.Schema]) -> pyarrow.Schema:
    """Return one schema for all: fields whose types differ become JSON, `DIGEST` stands last."""
    types: dict[str, pyarrow.DataType] = {}
    for schema in schemas:
        for field in schema:
            known = types.setdefault(field.name, field.type)
            if known != field.type:
                types[field.name] = _JSON
    digest = types.pop(DIGEST, None)
    fields = [pyarrow.field(name, kind) for name, kind in types.items()]
    return pyarrow.schema(fields + ([pyarrow.field(DIGEST, digest)] if digest else []))


def conformed(batch: pyarrow.RecordBatch, schema: pyarrow.Schema) -> pyarrow.RecordBatch:
    """Return a batch with the fields of a schema that `united` made; a field that it lacks is null."""
    arrays = []
    for field in schema:
        index = batch.schema.get_field_index(field.name)
        if index < 0:
            arrays.append(pyarrow.nulls(batch.num_rows, field.type))
        elif batch.schema.field(index).type == field.type:
            arrays.append(batch.column(index))
        else:
            values = (_MISSING if v is None else v for v in batch.column(index).to_pylist())
            arrays.append(_json_column(field.name, list(values))[1])
    return pyarrow.RecordBatch.from_arrays(arrays, schema=schema)


def type_name(kind: pyarrow.DataType) -> str:
    """Return the name of a column's type for people and manifests."""
    return "json" if kind == _JSON else str(kind)


def type_named(name: str) -> pyarrow.DataType:
    """Return the type that `type_name` named."""
    if name == "json":
        return _JSON
    return next(kind for kind in (*_TYPES.values(), pyarrow.binary(DIGEST_BYTES)) if str(kind) == name)


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and name not in (DIGEST, WHOLE) and "\0" not in name and _is_unicode(name)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def _column(name: str, values: list[Any]) -> tuple[pyarrow.Field, pyarrow.Array]:
    present = [value for value in values if value is not _MISSING]
    kinds = {type(value) for value in present}
    has_nulls = type(None) in kinds and len(present) == len(values)
    if has_nulls:
        kinds.discard(type(None))
    kind = _TYPES.get(next(iter(kinds))) if len(kinds) == 1 else None
    if kind is None:
        return _json_column(name, values)
    plain = [None if value is _MISSING else value for value in values]
    try:
        array = pyarrow.array(plain, kind)
    except (UnicodeEncodeError, OverflowError, pyarrow.ArrowInvalid):
        return _json_column(name, values)  # half of a surrogate pair, or more than 64 bits
    return pyarrow.field(name, kind, metadata=_NULLS if has_nulls else None), array


def _json_column(name: str, values: list[Any]) -> tuple[pyarrow.Field, pyarrow.Array]:
    texts = [None if value is _MISSING else to_json(value) for value in values]
    return pyarrow.field(name, _JSON), pyarrow.array(texts, _JSON)


def has_value_nulls(field: pyarrow.Field) -> bool:
    """Whether the nulls of a column stood in the rows, rather than fields that the rows lack."""
    return bool(field.metadata and field.metadata.get(b"nulls") == b"values")


def _reader(kind: pyarrow.DataType) -> Callable[[str], Any] | None:
    return from_json if kind == _JSON else None


def to_json(value: Any) -> str:
    """Return a value as JSON; `from_json` gives it back."""
    text = _dumps(value, ensure_ascii=False)
    return text if _is_unicode(text) else _dumps(value)


def _dumps(value: Any, **options: Any) -> str:
    text = json.dumps(value, default=_tagged, **options)
    return json.dumps(_escaped(value), default=_tagged, **options) if _TAG in text else text


def from_json(text: str) -> Any:
    """Return the value that `to_json` gave."""
    # The hook costs a call per object, and few rows hold what JSON has no word for.
    return json.loads(text, object_hook=_untagged) if _TAG in text else json.loads(text)


_FROM_TEXT: dict[str, Callable[[str], Any]] = {
    "bytes": base64.b64decode,
    "datetime": datetime.datetime.fromisoformat,
    "date": datetime.date.fromisoformat,
    "time": datetime.time.fromisoformat,
    "Decimal": decimal.Decimal,
    "timedelta": lambda text: datetime.timedelta(microseconds=int(text)),
}


def _tagged(value: Any) -> Any:
    """Return a value that JSON has no word for (Parquet files hold such) as an object that says its type."""
    name = type(value).__name__
    if isinstance(value, bytes):
        text = base64.b64encode(value).decode()
    elif isinstance(value, datetime.timedelta):
        text = str(value // datetime.timedelta(microseconds=1))
    elif isinstance(value, datetime.date | datetime.time):
        text = value.isoformat()
    elif isinstance(value, decimal.Decimal):
        text = str(value)
    else:
        raise TypeError(f"a {name} cannot be stored")
    return {_TAG: name, "value": text}


def _untagged(value: dict[str, Any]) -> Any:
    if _TAG in value:
        return _FROM_TEXT[value[_TAG]](value["value"])
    return {name[:-1] if _is_like_tag(name) else name: part for name, part in value.items()}


def _escaped(value: Any) -> Any:
    """Return a value in which no field of the user's own is called like the tag."""
    if isinstance(value, Mapping):
        return {f"{k}$" if _is_like_tag(k) else k: _escaped(part) for k, part in value.items()}
    return [_escaped(part) for part in value] if isinstance(value, list | tuple) else value


def _is_like_tag(name: str) -> bool:
    return name.rstrip("$") == _TAG
