"""The lines of the files that operators' rows are written to; made in this process, or where the operators run."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
import orjson
import pyarrow
import pyarrow.compute as compute

from luthier.data.operators.batch import is_changed, json_column
from luthier.data.operators.row_batch import CHANGES, lengths_of, list_array, with_columns
from luthier.data.row_json import Json, dumps

_JSON, _NOTE = "json", "note"
"""Columns that `render` adds: each row as it is written, and its line in the file of changes."""


def render(batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
    """Operator that does what is left to do for `write_batches`, where operators run; it must be the last one.

    What the lines of a row hold is taken out of its other columns, so that it is not sent twice.
    """
    is_kept = batch["reason"].is_null()
    mask = is_kept.to_numpy(zero_copy_only=False) & is_changed(batch)
    changed = batch.filter(pyarrow.array(mask))
    rows = json_column(batch)
    notes = pyarrow.nulls(batch.num_rows, pyarrow.binary())
    if changed.num_rows:
        lines = pyarrow.array(_made_notes(changed), pyarrow.binary())
        notes = compute.replace_with_mask(notes, pyarrow.array(mask), lines)
    no_texts = list_array(np.zeros(batch.num_rows, np.int32), pyarrow.array([], pyarrow.string()))
    is_out = pyarrow.array(~is_kept.to_numpy(zero_copy_only=False))
    rendered = with_columns(
        batch,
        source=_only(batch["source"], is_out),
        raw=_only(batch["raw"], is_out),
        edited=pyarrow.nulls(batch.num_rows, pyarrow.string()),
        paths=no_texts,
        texts=no_texts,
        changes=_operators_only(batch["changes"]),
    )
    rows = rows if is_out.true_count == 0 else compute.if_else(is_kept, rows, None)
    return rendered.append_column(_JSON, rows).append_column(_NOTE, notes)


def _only(column: pyarrow.StringArray, mask: pyarrow.BooleanArray) -> pyarrow.StringArray:
    """Return a column of which nothing is left outside of a mask."""
    nothing = pyarrow.nulls(len(column), column.type)
    return compute.replace_with_mask(nothing, mask, column.filter(mask)) if mask.true_count else nothing


def notes_only(batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
    """Operator for where no row is written: nothing stays but what operators noted in the batch's metadata."""
    empty = [pyarrow.array([], column.type) for column in batch.columns]
    return pyarrow.RecordBatch.from_arrays(empty, schema=batch.schema)


def _operators_only(changes: pyarrow.ListArray) -> pyarrow.ListArray:
    operators = changes.flatten().field("operator")
    nothing = pyarrow.nulls(len(operators), pyarrow.string())
    notes = pyarrow.StructArray.from_arrays([operators, nothing, nothing], fields=list(CHANGES.value_type))
    return list_array(lengths_of(changes), notes)


def json_rows(batch: pyarrow.RecordBatch) -> list[bytes]:
    """Return every row as JSON, as `json_of` does."""
    rows: list[bytes] = _json_rows(batch).to_pylist()
    return rows


def kept_lines(batch: pyarrow.RecordBatch) -> bytes:
    """Return the rows that are kept as lines of JSONL, without the last line end."""
    return _joined(_json_rows(batch).filter(batch["reason"].is_null()))


def note_lines(batch: pyarrow.RecordBatch) -> bytes:
    """Return the lines of the file of changes, for rows that are changed."""
    return _joined(batch[_NOTE]) if _NOTE in batch.schema.names else b"\n".join(_made_notes(batch))


def _json_rows(batch: pyarrow.RecordBatch) -> pyarrow.Array:
    return batch[_JSON] if _JSON in batch.schema.names else json_column(batch)


def _joined(lines: pyarrow.BinaryArray) -> bytes:
    if not len(lines):
        return b""
    # Arrow joins the bytes of one list; those of a batch are far from the 2 GB that one value can hold.
    joined = compute.binary_join(list_array(np.array([len(lines)]), lines), b"\n")
    return bytes(joined[0].as_py())


def rejection_lines(batch: pyarrow.RecordBatch) -> Iterator[bytes]:
    """Yield the lines of the rejected file."""
    if batch.num_rows:
        columns = (batch[name].to_pylist() for name in ("source", "row", "reason", "detail", "raw"))
        for source, row, reason, detail, raw in zip(*columns, strict=True):
            facts = {"source": source, "row": row, "reason": reason, "detail": detail}
            yield dumps({**facts, "raw": Json(raw)})


def _made_notes(batch: pyarrow.RecordBatch) -> Iterator[bytes]:
    if batch.num_rows:
        notes = zip(*(part.to_pylist() for part in batch["changes"].flatten().flatten()), strict=True)
        columns = (batch[name].to_pylist() for name in ("source", "row"))
        lengths = batch["changes"].value_lengths().to_pylist()
        for source, row, length in zip(*columns, lengths, strict=True):
            changes = [{"operator": o, "path": p, "before": b} for o, p, b in islice(notes, length)]
            yield orjson.dumps(
                {"source": source, "row": row, "changes": changes}
            )  # no floats: nothing to check
