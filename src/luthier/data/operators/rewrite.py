"""Texts of a batch replaced, with a note of what each was; values beside the texts filled in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow
import pyarrow.compute as compute
from numpy.typing import NDArray

from luthier.data.operators.row_batch import CHANGES, lengths_of, list_array, with_columns
from luthier.data.row_json import dumps

Note = tuple[int, str, str]
"""Place of a text in `KeptTexts.values`, the operator that rewrote it, and what it was before that operator."""


@dataclass(frozen=True)
class KeptTexts:
    """The texts of the rows that are kept.

    Args:
        values: One after the other.
        rows: Place in the batch of the row that each belongs to.
        places: Place of each among all texts of the batch.
    """

    values: list[str]
    rows: NDArray[np.int64]
    places: NDArray[np.int64]


def kept_texts(batch: pyarrow.RecordBatch) -> KeptTexts:
    """Return the texts of the rows that are kept."""
    rows = np.repeat(np.arange(batch.num_rows), lengths_of(batch["texts"]))
    flat = batch["texts"].flatten()
    is_kept = batch["reason"].is_null().to_numpy(zero_copy_only=False)[rows]
    if is_kept.all():
        return KeptTexts(flat.to_pylist(), rows, np.arange(len(rows)))
    places = np.flatnonzero(is_kept)
    return KeptTexts(flat.take(pyarrow.array(places)).to_pylist(), rows[places], places)


def replace_texts(
    batch: pyarrow.RecordBatch, texts: KeptTexts, changed: Mapping[int, str], notes: Sequence[Note]
) -> pyarrow.RecordBatch:
    """Put texts in the place of others, with notes of what they were.

    Args:
        batch: Rows.
        texts: Of `kept_texts`.
        changed: New texts, by their places in ``texts.values``, ascending.
        notes: In the order of the texts; those of one text in the order of its changes.
    """
    if not changed:
        return batch
    flat = batch["texts"].flatten()
    mask = np.zeros(len(flat), bool)
    mask[texts.places[list(changed)]] = True
    new = pyarrow.array(list(changed.values()), pyarrow.string())
    indices, operators, before = zip(*notes, strict=True)
    changes = pyarrow.StructArray.from_arrays(
        [
            pyarrow.array(operators, pyarrow.string()),
            batch["paths"].flatten().take(pyarrow.array(texts.places[list(indices)])),
            pyarrow.array(before, pyarrow.string()),
        ],
        fields=list(CHANGES.value_type),
    )
    return with_columns(
        batch,
        texts=list_array(lengths_of(batch["texts"]), compute.replace_with_mask(flat, mask, new)),
        changes=with_notes(batch["changes"], texts.rows[list(indices)], changes),
    )


def rewrite_texts(
    batch: pyarrow.RecordBatch, operator: str, rewrite: Callable[[Sequence[str]], Sequence[str]]
) -> pyarrow.RecordBatch:
    """Rewrite the texts of the rows that are kept, and note what each was before.

    Args:
        batch: Rows.
        operator: Name that the changes are counted under.
        rewrite: Texts in, as many texts out, in the same order.
    """
    texts = kept_texts(batch)
    after = list(rewrite(texts.values))
    if len(after) != len(texts.values):
        raise ValueError(f"{operator} made {len(after)} texts of {len(texts.values)}")
    if after == texts.values:
        return batch
    pairs = enumerate(zip(texts.values, after, strict=True))
    changed = {index: new for index, (old, new) in pairs if old != new}
    return replace_texts(batch, texts, changed, [(index, operator, texts.values[index]) for index in changed])


def with_notes(
    changes: pyarrow.ListArray, rows: NDArray[np.int64], notes: pyarrow.StructArray
) -> pyarrow.ListArray:
    """Return the changes with notes appended to those of the rows that they belong to; the rows are sorted."""
    num_old = lengths_of(changes)
    lengths = num_old + np.bincount(rows, minlength=len(changes))
    if not num_old.any():
        return list_array(lengths, notes)
    both = pyarrow.concat_arrays([changes.flatten(), notes])
    owners = np.concatenate([np.repeat(np.arange(len(changes)), num_old), rows])
    return list_array(lengths, both.take(pyarrow.array(np.argsort(owners, kind="stable"))))


@dataclass(frozen=True)
class Edit:
    """A value of a row that is filled in.

    Args:
        path: JSON pointer of it.
        before: What stood there.
        after: What stands there now.
    """

    path: str
    before: Any
    after: Any


def edit_rows(
    batch: pyarrow.RecordBatch, operator: str, edits: Mapping[int, tuple[Any, Sequence[Edit]]]
) -> pyarrow.RecordBatch:
    """Replace whole rows of which values were filled in, with notes of what they were.

    Args:
        batch: Rows.
        operator: Name that the changes are counted under.
        edits: The new row and its edits, by place in the batch, ascending.
    """
    if not edits:
        return batch
    edited, texts = batch["edited"].to_pylist(), batch["texts"].to_pylist()
    paths = batch["paths"].to_pylist()
    owners: list[int] = []
    notes: list[dict[str, str]] = []
    for index, (row, row_edits) in edits.items():
        edited[index] = dumps(row).decode()
        new = {edit.path: edit.after for edit in row_edits if isinstance(edit.after, str)}
        texts[index] = [new.get(path, text) for path, text in zip(paths[index], texts[index], strict=True)]
        for edit in row_edits:
            before = edit.before if isinstance(edit.before, str) else dumps(edit.before).decode()
            owners.append(index)
            notes.append({"operator": operator, "path": edit.path, "before": before})
    return with_columns(
        batch,
        edited=pyarrow.array(edited, pyarrow.string()),
        texts=pyarrow.array(texts, batch["texts"].type),
        changes=with_notes(batch["changes"], np.array(owners), pyarrow.array(notes, CHANGES.value_type)),
    )
