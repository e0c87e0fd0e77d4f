"""Texts and numbers of a batch replaced without a trace: what they were stands nowhere in it any more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pyarrow
import pyarrow.compute as compute
from numpy.typing import NDArray

from luthier.data.operators.batch import json_column, with_columns
from luthier.data.operators.fields import with_texts as with_values
from luthier.data.operators.rewrite import with_notes
from luthier.data.operators.row_batch import CHANGES, lengths_of, list_array, row_json
from luthier.data.pii.numbers import Number
from luthier.data.row_json import dumps, loads


def with_texts(
    batch: pyarrow.RecordBatch, after: Mapping[int, str], rows: NDArray[np.int64], operator: str
) -> pyarrow.RecordBatch:
    """Return the batch with some texts replaced; what they were is noted as a change without the text.

    Args:
        batch: Rows.
        after: New texts, by their place among all texts of the batch, ascending.
        rows: Index of the row that each text of the batch belongs to.
        operator: Name that the changes are counted under.
    """
    if not after:
        return batch
    texts = batch["texts"].flatten()
    places = np.fromiter(after, np.int64, len(after))
    values = pyarrow.array(after.values(), pyarrow.string())
    is_new = compute.not_equal(texts.take(places), values)
    places = places[is_new.to_numpy(zero_copy_only=False)]
    if not len(places):
        return batch
    paths = batch["paths"].flatten().take(places)
    batch = with_columns(
        batch,
        texts=list_array(lengths_of(batch["texts"]), _replaced(texts, places, values.filter(is_new))),
        changes=with_notes(batch["changes"], rows[places], _notes(paths, operator)),
    )
    return with_raw(batch, np.unique(rows[places]), json_column)


def with_numbers(
    batch: pyarrow.RecordBatch, after: Sequence[tuple[Number, str]], operator: str
) -> pyarrow.RecordBatch:
    """Return the batch with some numbers replaced by strings, noted as changes without the number.

    Args:
        batch: Rows.
        after: Numbers and the new texts, by row ascending.
        operator: Name that the changes are counted under.
    """
    new = [(number, text) for number, text in after if text != number.text]
    if not new:
        return batch
    rows = np.array([number.row for number, _ in new], np.int64)
    paths = pyarrow.array([number.path for number, _ in new], pyarrow.string())
    by_row: dict[int, list[tuple[str, str]]] = {}
    for number, text in new:
        by_row.setdefault(number.row, []).append((number.path, text))

    def json_rows(some: pyarrow.RecordBatch) -> Iterable[bytes]:
        raws = row_json(some).cast(pyarrow.binary()).to_pylist()
        for raw, values in zip(raws, by_row.values(), strict=True):
            yield dumps(with_values(loads(raw), *zip(*values, strict=True)))

    batch = with_columns(batch, changes=with_notes(batch["changes"], rows, _notes(paths, operator)))
    return with_raw(batch, np.array(list(by_row)), json_rows)


def with_raw(
    batch: pyarrow.RecordBatch,
    indices: NDArray[np.int64],
    json_rows: Callable[[pyarrow.RecordBatch], Iterable[bytes]],
) -> pyarrow.RecordBatch:
    """Return the batch as if some rows had been read as ``json_rows`` makes them."""
    if not len(indices):
        return batch
    made = json_rows(batch.take(pyarrow.array(indices)))
    rows = made if isinstance(made, pyarrow.Array) else pyarrow.array(made, pyarrow.binary())
    edited = batch["edited"]
    if edited.null_count < len(edited):
        edited = _replaced(edited, indices, pyarrow.nulls(len(indices), pyarrow.string()))
    return with_columns(
        batch, raw=_replaced(batch["raw"], indices, rows.cast(pyarrow.string())), edited=edited
    )


def _notes(paths: pyarrow.StringArray, operator: str) -> pyarrow.StructArray:
    parts = [pyarrow.repeat(operator, len(paths)), paths, pyarrow.nulls(len(paths), pyarrow.string())]
    return pyarrow.StructArray.from_arrays(parts, fields=list(CHANGES.value_type))


def _replaced(
    column: pyarrow.StringArray, places: NDArray[np.int64], values: pyarrow.StringArray
) -> pyarrow.StringArray:
    mask = np.zeros(len(column), bool)
    mask[places] = True
    return compute.replace_with_mask(column, pyarrow.array(mask), values)
