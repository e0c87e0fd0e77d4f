"""Rows and samples into batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from typing import Any

import numpy as np
import pyarrow
from numpy.typing import NDArray

from luthier.data.example import Rejection
from luthier.data.operators.fields import Found, text_finder
from luthier.data.operators.row_batch import CHANGES, ROW_BATCH, list_array
from luthier.data.row_json import dumps
from luthier.data.sample import Sample
from luthier.data.sources import SURPLUS, Row, num_surplus

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

SAMPLE_NUMBERS = ("messages.*.tool_calls.*.arguments.**",)
"""Numbers of a sample that a model sees."""

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
    samples: Iterable[Sample | Rejection], *, batch_rows: int = BATCH_ROWS
) -> Iterator[pyarrow.RecordBatch]:
    """Yield samples as batches, rejections among them as rows that are left out; `samples_of` is the way back."""
    return _in_batches(_lines_of_samples(samples), batch_rows)


def batches_of_entries(
    entries: Iterable[Entry], fields: Sequence[str], batch_rows: int = BATCH_ROWS, *, needs_text: bool = True
) -> Iterator[pyarrow.RecordBatch]:
    """Yield rows as batches; JSON that a row was read from stays as it is, byte by byte.

    Args:
        entries: Rows.
        fields: Which strings are texts; see `text_finder`.
        batch_rows: Most rows of a batch.
        needs_text: Whether a row without a text is left out.
    """
    return _in_batches(_lines_of_entries(entries, fields, needs_text), batch_rows)


Fault = tuple[str, str]
"""Reason and detail of a row that cannot be worked on."""

_Line = tuple[str, int, bytes, Found, Fault | None]
"""Source, row number, JSON, texts, and why the row is left out."""


def _lines_of_samples(samples: Iterable[Sample | Rejection]) -> Iterator[_Line]:
    find = text_finder(SAMPLE_FIELDS)
    for sample in samples:
        if isinstance(sample, Rejection):
            yield sample.source, sample.row, dumps(sample.raw), [], (sample.reason, sample.detail)
        else:
            row = asdict(sample)
            yield sample.source, sample.row, dumps(row), find(row), None


def _lines_of_entries(entries: Iterable[Entry], fields: Sequence[str], needs_text: bool) -> Iterator[_Line]:
    find = text_finder(fields)
    for source, number, row, raw in entries:
        raw = raw if raw is not None else dumps(row)
        texts = find(row)
        fault = None
        if type(row) is not dict or SURPLUS in row or not texts or b"\\u" in raw:
            fault = fault_of(row, texts, fields, needs_text=needs_text)
        yield source, number, raw, texts if fault is None else [], fault


def _in_batches(lines: Iterable[_Line], batch_rows: int) -> Iterator[pyarrow.RecordBatch]:
    return map(_batch, _grouped(lines, batch_rows))


def _grouped(lines: Iterable[_Line], batch_rows: int) -> Iterator[list[_Line]]:
    waiting: list[_Line] = []
    num_bytes = 0
    for line in lines:
        waiting.append(line)
        num_bytes += len(line[2])
        if len(waiting) == batch_rows or num_bytes >= _BATCH_BYTES:
            yield waiting
            waiting, num_bytes = [], 0
    if waiting:
        yield waiting


def fault_of(row: Any, texts: Found, fields: Sequence[str], *, needs_text: bool = True) -> Fault | None:
    """Return reason and detail where a row cannot be worked on.

    Args:
        row: Whatever was read.
        texts: Found in it.
        fields: Where texts were looked for.
        needs_text: Whether that none were found is a fault.
    """
    if not isinstance(row, Mapping):
        return "not_an_object", f"the row is a {type(row).__name__}, an object was expected"
    if surplus := num_surplus(row):
        return "surplus_fields", f"the row has {surplus} fields more than the header"
    if not _is_unicode(row):
        return "not_unicode", "the row holds half of a surrogate pair, which UTF-8 cannot store"
    return None if texts or not needs_text else ("no_text", f"no string stands at {', '.join(fields)}")


def _batch(lines: list[_Line]) -> pyarrow.RecordBatch:
    sources, numbers, raws, texts, faults = zip(*lines, strict=True)
    string = pyarrow.string()
    found_faults = {index: fault for index, fault in enumerate(faults) if fault is not None}
    return batch_of(pyarrow.array(sources, string), numbers, pyarrow.array(raws, string), texts, found_faults)


def batch_of(
    sources: pyarrow.StringArray,
    numbers: Sequence[int] | NDArray[np.int64],
    raws: pyarrow.StringArray,
    texts: Sequence[Found],
    faults: Mapping[int, Fault],
) -> pyarrow.RecordBatch:
    """Return a batch of rows that no operator has seen.

    Args:
        sources: Path of the file of each row.
        numbers: Row numbers from 1.
        raws: JSON of each row.
        texts: JSON pointer and text of each of its strings.
        faults: Why rows are left out, by place.
    """
    found = list(chain.from_iterable(texts))
    lengths = np.fromiter(map(len, texts), np.int32, len(raws))
    string = pyarrow.string()
    columns = {
        "source": sources,
        "row": pyarrow.array(numbers, pyarrow.int64()),
        "raw": raws,
        "edited": pyarrow.nulls(len(raws), string),
        "paths": list_array(lengths, pyarrow.array([path for path, _ in found], string)),
        "texts": list_array(lengths, pyarrow.array([text for _, text in found], string)),
        "reason": _sparse({index: reason for index, (reason, _) in faults.items()}, len(raws)),
        "detail": _sparse({index: detail for index, (_, detail) in faults.items()}, len(raws)),
        "changes": list_array(np.zeros(len(raws), np.int32), pyarrow.array([], CHANGES.value_type)),
    }
    return pyarrow.RecordBatch.from_arrays([columns[name] for name in ROW_BATCH.names], schema=ROW_BATCH)


def _sparse(values: Mapping[int, str], length: int) -> pyarrow.StringArray:
    if not values:
        return pyarrow.nulls(length, pyarrow.string())
    return pyarrow.array([values.get(index) for index in range(length)], pyarrow.string())


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
