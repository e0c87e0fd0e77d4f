"""Rows and samples into batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow

from luthier.data.operators.fields import Found, text_finder
from luthier.data.operators.row_batch import CHANGES, ROW_BATCH, list_array
from luthier.data.row_json import dumps
from luthier.data.sample import Sample
from luthier.data.sources import SURPLUS, Row

BATCH_ROWS = 2000
_BATCH_BYTES = 1 << 25  # bounds memory where rows are long

SAMPLE_FIELDS = (
    "text",
    "text_pair",
    "messages.*.content",
    "messages.*.tool_calls.*.arguments.**",
    "tokens.*",
    "question",
    "context",
    "answers.*.text",
)
"""Texts of a sample."""

Entry = tuple[str, int, Any, bytes | None]
"""Source, row number, row, and the JSON that the row was read from."""


def batches_of_rows(
    rows: Iterable[Row], fields: Sequence[str], *, source: str, batch_rows: int = BATCH_ROWS
) -> Iterator[pyarrow.RecordBatch]:
    """Yield the rows of a file as batches.

    Args:
        rows: Row number and row, from `read_rows`.
        fields: Which strings are texts; see `text_finder`.
        source: Path of the file, as the user named it.
        batch_rows: Most rows of a batch.
    """
    return batches_of_entries(((source, number, row, None) for number, row in rows), fields, batch_rows)


def batches_of_samples(
    samples: Iterable[Sample], *, batch_rows: int = BATCH_ROWS
) -> Iterator[pyarrow.RecordBatch]:
    """Yield samples as batches; `samples_of` is the way back."""
    entries = ((sample.source, sample.row, asdict(sample), None) for sample in samples)
    return batches_of_entries(entries, SAMPLE_FIELDS, batch_rows)


def batches_of_entries(
    entries: Iterable[Entry], fields: Sequence[str], batch_rows: int = BATCH_ROWS
) -> Iterator[pyarrow.RecordBatch]:
    """Yield rows as batches; JSON that a row was read from stays as it is, byte by byte."""
    find = text_finder(fields)
    waiting = _Columns()
    for source, number, row, raw in entries:
        raw = raw if raw is not None else dumps(row)
        texts = find(row)
        reason, detail = None, None
        if not isinstance(row, Mapping):
            reason, detail = "not_an_object", f"the row is a {type(row).__name__}, an object was expected"
        elif SURPLUS in row:
            reason, detail = "surplus_fields", f"the row has {len(row[SURPLUS])} fields more than the header"
        elif b"\\u" in raw and not _is_unicode(row):
            reason, detail = "not_unicode", "the row holds half of a surrogate pair, which UTF-8 cannot store"
        elif not texts:
            reason, detail = "no_text", f"no string stands at {', '.join(fields)}"
        waiting.add(source, number, raw, texts if reason is None else [], reason, detail)
        if len(waiting.raw) == batch_rows or waiting.num_bytes >= _BATCH_BYTES:
            yield waiting.batch()
            waiting = _Columns()
    if waiting.raw:
        yield waiting.batch()


class _Columns:
    """Rows on their way into a batch."""

    def __init__(self) -> None:
        self.source: list[str] = []
        self.number: list[int] = []
        self.raw: list[bytes] = []
        self.reason: list[str | None] = []
        self.detail: list[str | None] = []
        self.num_texts: list[int] = []
        self.paths: list[str] = []
        self.texts: list[str] = []
        self.num_bytes = 0

    def add(
        self, source: str, number: int, raw: bytes, texts: Found, reason: str | None, detail: str | None
    ) -> None:
        self.source.append(source)
        self.number.append(number)
        self.raw.append(raw)
        self.reason.append(reason)
        self.detail.append(detail)
        self.num_texts.append(len(texts))
        for path, text in texts:
            self.paths.append(path)
            self.texts.append(text)
        self.num_bytes += len(raw)

    def batch(self) -> pyarrow.RecordBatch:
        num_rows = len(self.raw)
        lengths = np.array(self.num_texts)
        columns = {
            "source": pyarrow.array(self.source, pyarrow.string()),
            "row": pyarrow.array(self.number, pyarrow.int64()),
            "raw": pyarrow.array(self.raw, pyarrow.string()),
            "edited": pyarrow.nulls(num_rows, pyarrow.string()),
            "paths": list_array(lengths, pyarrow.array(self.paths, pyarrow.string())),
            "texts": list_array(lengths, pyarrow.array(self.texts, pyarrow.string())),
            "reason": pyarrow.array(self.reason, pyarrow.string()),
            "detail": pyarrow.array(self.detail, pyarrow.string()),
            "changes": list_array(np.zeros(num_rows, np.int32), pyarrow.array([], CHANGES.value_type)),
        }
        return pyarrow.RecordBatch.from_arrays([columns[name] for name in ROW_BATCH.names], schema=ROW_BATCH)


def _is_unicode(row: Any) -> bool:
    """Tell whether every string can be stored as UTF-8."""
    if isinstance(row, str):
        try:
            row.encode()
        except UnicodeEncodeError:
            return False
        return True
    if isinstance(row, Mapping):
        return all(map(_is_unicode, row)) and all(map(_is_unicode, row.values()))
    return all(map(_is_unicode, row)) if isinstance(row, list | tuple) else True
