"""Rows as Arrow batches: the texts of each row beside the row itself, what was changed, and why it is left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import compress
from typing import Any

import numpy as np
import pyarrow
import pyarrow.compute as compute
from numpy.typing import NDArray

from luthier.data.operators.fields import text_paths, with_texts
from luthier.data.operators.intake import SAMPLE_FIELDS, batches_of_rows, batches_of_samples
from luthier.data.operators.rewrite import rewrite_texts
from luthier.data.operators.row_batch import ROW_BATCH, lengths_of, row_json, with_columns
from luthier.data.row_json import dumps, loads_all
from luthier.data.sample import Sample
from luthier.data.store import sample_of

__all__ = [
    "ROW_BATCH",
    "SAMPLE_FIELDS",
    "Verdict",
    "batches_of_rows",
    "batches_of_samples",
    "is_changed",
    "json_column",
    "json_of",
    "leave_out",
    "leave_out_at",
    "rewrite_texts",
    "rows_of",
    "samples_of",
    "text_paths",
    "with_columns",
]


def samples_of(batch: pyarrow.RecordBatch) -> list[Sample]:
    """Return the samples of the rows that are kept, with their texts as the operators left them."""
    is_kept = batch["reason"].is_null().to_pylist()
    return [sample_of(row) for row in compress(rows_of(batch), is_kept)]


def rows_of(batch: pyarrow.RecordBatch) -> list[Any]:
    """Return every row of a batch, kept or not, with its texts as the operators left them."""
    rows = loads_all(row_json(batch))
    mask = is_changed(batch)
    if mask.any():
        changed = batch if mask.all() else batch.filter(pyarrow.array(mask))
        columns = (changed[name].to_pylist() for name in ("paths", "texts"))
        for index, pointers, texts in zip(np.flatnonzero(mask).tolist(), *columns, strict=True):
            with_texts(rows[index], pointers, texts)
    return rows


def json_of(batch: pyarrow.RecordBatch) -> list[bytes]:
    """Return every row as JSON; one that no operator changed is byte by byte as it was read."""
    json: list[bytes] = json_column(batch).to_pylist()
    return json


def json_column(batch: pyarrow.RecordBatch) -> pyarrow.BinaryArray:
    """Return every row as JSON, as `json_of` does, in a column."""
    column = row_json(batch).cast(pyarrow.binary())
    mask = is_changed(batch)
    if not mask.any():
        return column
    changed = batch if mask.all() else batch.filter(pyarrow.array(mask))
    rows = pyarrow.array(map(dumps, rows_of(changed)), pyarrow.binary())
    return compute.replace_with_mask(column, pyarrow.array(mask), rows)


def is_changed(batch: pyarrow.RecordBatch) -> NDArray[np.bool_]:
    """Tell of each row whether an operator changed it."""
    return lengths_of(batch["changes"]) > 0


Verdict = tuple[str, str] | None
"""Reason and detail for a row that is left out, None for one that is kept."""


def leave_out(
    batch: pyarrow.RecordBatch, judge: Callable[[Sequence[Sequence[str]]], Sequence[Verdict]]
) -> pyarrow.RecordBatch:
    """Mark the rows that a judge leaves out; those that are out already are not judged again.

    Args:
        batch: Rows.
        judge: The texts of each kept row in, a verdict for each out.
    """
    is_kept = batch["reason"].is_null()
    kept = np.flatnonzero(is_kept.to_numpy(zero_copy_only=False)).tolist()
    texts = batch["texts"] if len(kept) == batch.num_rows else batch["texts"].filter(is_kept)
    verdicts = list(judge(texts.to_pylist()))
    if len(verdicts) != len(kept):
        raise ValueError(f"{len(verdicts)} verdicts for {len(kept)} rows")
    return leave_out_at(batch, {row: v for row, v in zip(kept, verdicts, strict=True) if v})


def leave_out_at(batch: pyarrow.RecordBatch, verdicts: Mapping[int, tuple[str, str]]) -> pyarrow.RecordBatch:
    """Mark rows as left out; those that are out already keep their reason.

    Args:
        batch: Rows.
        verdicts: Reason and detail by place in the batch.
    """
    if not verdicts:
        return batch
    reasons, details = batch["reason"].to_pylist(), batch["detail"].to_pylist()
    for row, verdict in verdicts.items():
        if reasons[row] is None:
            reasons[row], details[row] = verdict
    return with_columns(
        batch,
        reason=pyarrow.array(reasons, pyarrow.string()),
        detail=pyarrow.array(details, pyarrow.string()),
    )
