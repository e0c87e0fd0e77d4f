"""The lines of the files that operators' rows are written to; made in this process, or where the operators run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
import pyarrow
import pyarrow.compute as compute

from luthier.data.operators.batch import is_changed, json_of
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
    notes: list[bytes | None] = [None] * batch.num_rows
    made = _made_notes(batch.filter(pyarrow.array(mask)))
    for index, note in zip(np.flatnonzero(mask).tolist(), made, strict=True):
        notes[index] = note
    rows = [row if kept else None for row, kept in zip(json_of(batch), is_kept.to_pylist(), strict=True)]
    no_texts = list_array(np.zeros(batch.num_rows, np.int32), pyarrow.array([], pyarrow.string()))
    rendered = with_columns(
        batch,
        raw=compute.if_else(is_kept, None, batch["raw"]),
        edited=pyarrow.nulls(batch.num_rows, pyarrow.string()),
        paths=no_texts,
        texts=no_texts,
        changes=_operators_only(batch["changes"]),
    )
    for name, lines in ((_JSON, rows), (_NOTE, notes)):
        rendered = rendered.append_column(name, pyarrow.array(lines, pyarrow.binary()))
    return rendered


def _operators_only(changes: pyarrow.ListArray) -> pyarrow.ListArray:
    operators = changes.flatten().field("operator")
    nothing = pyarrow.nulls(len(operators), pyarrow.string())
    notes = pyarrow.StructArray.from_arrays([operators, nothing, nothing], fields=list(CHANGES.value_type))
    return list_array(lengths_of(changes), notes)


def json_rows(batch: pyarrow.RecordBatch) -> list[bytes]:
    """Return every row as JSON, as `json_of` does."""
    if _JSON not in batch.schema.names:
        return json_of(batch)
    rows: list[bytes] = batch[_JSON].to_pylist()
    return rows


def note_lines(batch: pyarrow.RecordBatch) -> Iterable[bytes]:
    """Return the lines of the file of changes, for rows that are changed."""
    if _NOTE not in batch.schema.names:
        return _made_notes(batch)
    notes: list[bytes] = batch[_NOTE].to_pylist()
    return notes


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
            yield dumps({"source": source, "row": row, "changes": changes})
