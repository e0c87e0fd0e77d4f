"""Rows as columns and back, whatever their fields: typed where every value agrees, JSON where not, nothing lost."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow

from luthier.data.versions.tagged_json import from_json, to_json

DIGEST = "(digest)"
"""Column of the rows' digests."""

WHOLE = "(row)"
"""Column of the rows that have no columns of their own: what is no object, or has names that no column can bear."""

DIGEST_BYTES = 16
_MOST_FIELDS = 500
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
    data = to_json(row, sort_keys=True)
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest(), len(data)


def table_of(rows: Sequence[Any], digests: Sequence[bytes]) -> pyarrow.Table:
    """Return rows as a table with a column per field, and `DIGEST`."""
    names: dict[str, None] = {}
    whole: list[Any] = []
    for row in rows:
        new = [name for name in row if name not in names] if isinstance(row, Mapping) else None
        if new is None or len(names) + len(new) > _MOST_FIELDS or not all(map(_is_name, new)):
            whole.append(row)
            continue
        names.update(dict.fromkeys(new))
        whole.append(_MISSING)
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
            yield from_json(whole[index].encode())
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
    texts = [None if value is _MISSING else to_json(value).decode() for value in values]
    return pyarrow.field(name, _JSON), pyarrow.array(texts, _JSON)


def has_value_nulls(field: pyarrow.Field) -> bool:
    """Whether the nulls of a column stood in the rows, rather than fields that the rows lack."""
    return bool(field.metadata and field.metadata.get(b"nulls") == b"values")


def _reader(kind: pyarrow.DataType) -> Callable[[str], Any] | None:
    return _parsed if kind == _JSON else None


def _parsed(text: str) -> Any:
    return from_json(text.encode())
