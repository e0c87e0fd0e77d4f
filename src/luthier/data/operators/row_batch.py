"""ROW_BATCH: the columns of what flows through operators."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow
import pyarrow.compute as compute
from numpy.typing import NDArray

CHANGES = pyarrow.list_(
    pyarrow.struct([("operator", pyarrow.string()), ("path", pyarrow.string()), ("before", pyarrow.string())])
)
"""One entry per text that an operator rewrote, in the order of the operators."""

ROW_BATCH = pyarrow.schema(
    [
        ("source", pyarrow.string()),  # path of the file, as the user named it
        ("row", pyarrow.int64()),  # from 1
        ("raw", pyarrow.string()),  # the row as JSON on one line, as it was read
        ("edited", pyarrow.string()),  # the same after a step changed values that are no texts, else null
        ("paths", pyarrow.list_(pyarrow.string())),  # JSON pointer of each text in it: `/messages/0/content`
        ("texts", pyarrow.list_(pyarrow.string())),  # the texts, as the operators so far have left them
        ("reason", pyarrow.string()),  # short code, null while the row is kept
        ("detail", pyarrow.string()),  # a sentence for a person
        ("changes", CHANGES),  # a row without any is written as it was read
    ]
)
"""What flows through operators. A row that is left out stays in its batch, with its reason."""


def list_array(lengths: NDArray[Any], values: pyarrow.Array) -> pyarrow.ListArray:
    """Return a list array from the length of each list and the values of all."""
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return pyarrow.ListArray.from_arrays(pyarrow.array(offsets), values)


def lengths_of(lists: pyarrow.ListArray) -> NDArray[np.int64]:
    """Return the length of each list; that of null is 0."""
    lengths = compute.list_value_length(lists).fill_null(0)
    return lengths.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def with_columns(batch: pyarrow.RecordBatch, **columns: pyarrow.Array) -> pyarrow.RecordBatch:
    """Return a batch with some of its columns replaced."""
    arrays = [
        columns.get(name, column) for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return pyarrow.RecordBatch.from_arrays(arrays, schema=batch.schema)


def row_json(batch: pyarrow.RecordBatch) -> pyarrow.StringArray:
    """Return the JSON of the rows, in which the texts are still as they were read."""
    edited, raw = batch["edited"], batch["raw"]
    return raw if edited.null_count == len(edited) else compute.coalesce(edited, raw)
