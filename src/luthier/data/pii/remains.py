"""What would stay beside the masked texts: earlier versions of them, and rows that are left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow

from luthier.data.operators.batch import with_columns
from luthier.data.operators.row_batch import CHANGES
from luthier.data.pii.numbers import digits_of
from luthier.data.pii.replace import with_raw
from luthier.data.row_json import dumps, loads

Without = Callable[[list[str]], list[str]]
"""Returns texts without personal data."""


def cleared(batch: pyarrow.RecordBatch, without: Without) -> pyarrow.RecordBatch:
    """Return the batch without personal data in earlier versions of its texts and in rows that are left out."""
    befores = batch["changes"].flatten().field("before").drop_null().to_pylist()
    if befores:
        texts = iter(without(befores))
        entries = batch["changes"].to_pylist()
        for change in (change for row in entries for change in row):
            if change["before"] is not None:
                change["before"] = next(texts)
        batch = with_columns(batch, changes=pyarrow.array(entries, CHANGES))

    def cleared_rows(some: pyarrow.RecordBatch) -> Iterator[bytes]:
        for raw in some["raw"].to_pylist():
            yield dumps(_cleared_row(loads(raw.encode()), without))

    left_out = np.flatnonzero(batch["reason"].is_valid().to_numpy(zero_copy_only=False))
    return with_raw(batch, left_out, cleared_rows)


def _cleared_row(row: Any, without: Without) -> Any:
    """Return a row with each string and long number in it rewritten, whatever the row is."""
    before: list[str] = []

    def collect(value: Any) -> None:
        if text := _text_of(value):
            before.append(text)
        for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            collect(part)

    collect(row)
    after = dict(zip(before, without(before), strict=True))

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: walk(part) for name, part in value.items()}
        if isinstance(value, list):
            return [walk(part) for part in value]
        text = _text_of(value)
        return after[text] if text and after[text] != text else value

    return walk(row)


def _text_of(value: Any) -> str:
    return value if isinstance(value, str) else digits_of(value)
