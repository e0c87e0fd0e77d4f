"""Rows as Arrow batches: the texts of each row beside the row itself, what was changed, and why it is left out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any

import pyarrow

from luthier.data.sample import Sample
from luthier.data.sources import SURPLUS, Row
from luthier.data.store import sample_of

ROW_BATCH = pyarrow.schema(
    [
        ("source", pyarrow.string()),  # path of the file, as the user named it
        ("row", pyarrow.int64()),  # from 1
        ("raw", pyarrow.string()),  # the row as JSON, as it was read
        ("paths", pyarrow.list_(pyarrow.string())),  # JSON pointer of each text in it: `/messages/0/content`
        ("texts", pyarrow.list_(pyarrow.string())),  # the texts, as the operators so far have left them
        ("reason", pyarrow.string()),  # short code, null while the row is kept
        ("detail", pyarrow.string()),  # a sentence for a person
        (
            "changes",  # one entry per text that an operator rewrote
            pyarrow.list_(
                pyarrow.struct(
                    [("operator", pyarrow.string()), ("path", pyarrow.string()), ("before", pyarrow.string())]
                )
            ),
        ),
    ]
)
"""What flows through operators. A row that is left out stays in its batch, with its reason."""

BATCH_ROWS = 2000
_BATCH_CHARACTERS = 1 << 25  # bounds memory where rows are long

SAMPLE_FIELDS = ("text", "messages.*.content", "messages.*.tool_calls.*.arguments.**")
"""Texts of a sample."""


def batches_of_rows(
    rows: Iterable[Row], fields: Sequence[str], *, source: str, batch_rows: int = BATCH_ROWS
) -> Iterator[pyarrow.RecordBatch]:
    """Yield the rows of a file as batches.

    Args:
        rows: Row number and row, from `read_rows`.
        fields: Which strings are texts; see `text_paths`.
        source: Path of the file, as the user named it.
        batch_rows: Most rows of a batch.
    """
    return _batches(((source, number, row) for number, row in rows), fields, batch_rows)


def batches_of_samples(
    samples: Iterable[Sample], *, batch_rows: int = BATCH_ROWS
) -> Iterator[pyarrow.RecordBatch]:
    """Yield samples as batches; `samples_of` is the way back."""
    rows = ((sample.source, sample.row, asdict(sample)) for sample in samples)
    return _batches(rows, SAMPLE_FIELDS, batch_rows)


def samples_of(batch: pyarrow.RecordBatch) -> list[Sample]:
    """Return the samples of the rows that are kept, with their texts as the operators left them."""
    return [
        sample_of(row)
        for row, reason in zip(rows_of(batch), batch["reason"].to_pylist(), strict=True)
        if reason is None
    ]


def rows_of(batch: pyarrow.RecordBatch) -> list[Any]:
    """Return every row of a batch, kept or not, with its texts as the operators left them."""
    columns = (batch[name].to_pylist() for name in ("raw", "paths", "texts"))
    return [_with_texts(json.loads(raw), paths, texts) for raw, paths, texts in zip(*columns, strict=True)]


def rewrite_texts(
    batch: pyarrow.RecordBatch, operator: str, rewrite: Callable[[Sequence[str]], Sequence[str]]
) -> pyarrow.RecordBatch:
    """Rewrite the texts of the rows that are kept, and note what each was before.

    Args:
        batch: Rows.
        operator: Name that the changes are counted under.
        rewrite: Texts in, as many texts out, in the same order.
    """
    is_kept = batch["reason"].is_null().to_pylist()
    before, paths, changes = (batch[name].to_pylist() for name in ("texts", "paths", "changes"))
    flat = [text for kept, texts in zip(is_kept, before, strict=True) if kept for text in texts]
    rewritten = iter(rewrite(flat))
    is_changed = False
    after = list(before)
    for index, kept in enumerate(is_kept):
        if not kept:
            continue
        texts = list(islice(rewritten, len(before[index])))
        if texts == before[index]:
            continue
        is_changed = True
        after[index] = texts
        changes[index] = changes[index] + [
            {"operator": operator, "path": path, "before": old}
            for path, old, new in zip(paths[index], before[index], texts, strict=True)
            if old != new
        ]
    return _with_columns(batch, texts=after, changes=changes) if is_changed else batch


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
    reasons, details = batch["reason"].to_pylist(), batch["detail"].to_pylist()
    kept = [index for index, reason in enumerate(reasons) if reason is None]
    texts = batch["texts"].to_pylist()
    verdicts = judge([texts[index] for index in kept])
    for index, verdict in zip(kept, verdicts, strict=True):
        if verdict:
            reasons[index], details[index] = verdict
    return _with_columns(batch, reason=reasons, detail=details) if any(verdicts) else batch


def text_paths(row: Any, fields: Sequence[str]) -> list[tuple[str, str]]:
    """Return JSON pointer (RFC 6901) and text of each string that the fields name.

    Args:
        row: A row of a file.
        fields: Dotted paths; ``*`` is any entry, ``**`` any string below. A column whose name holds
            a dot is found under its whole name.
    """
    found: dict[str, str] = {}
    for field in fields:
        is_column = isinstance(row, Mapping) and field in row
        found.update(_strings(row, [field] if is_column else field.split("."), ""))
    return list(found.items())


def _strings(value: Any, pattern: Sequence[str], pointer: str) -> Iterator[tuple[str, str]]:
    is_below = pattern[:1] == ["**"]
    if isinstance(value, str) and (is_below or not pattern):
        yield pointer, value
    if not pattern:
        return
    entries: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        entries = value.items()
    elif isinstance(value, list | tuple):
        entries = enumerate(value)
    for key, part in entries:
        name = str(key)
        if is_below or pattern[0] in ("*", name):
            escaped = name.replace("~", "~0").replace("/", "~1")
            yield from _strings(part, pattern if is_below else pattern[1:], f"{pointer}/{escaped}")


def _with_texts(row: Any, pointers: Sequence[str], texts: Sequence[str]) -> Any:
    for pointer, text in zip(pointers, texts, strict=True):
        keys = [key.replace("~1", "/").replace("~0", "~") for key in pointer.split("/")[1:]]
        place = row
        for key in keys[:-1]:
            place = place[int(key) if isinstance(place, list) else key]
        place[int(keys[-1]) if isinstance(place, list) else keys[-1]] = text
    return row


def _batches(
    rows: Iterable[tuple[str, int, Any]], fields: Sequence[str], batch_rows: int
) -> Iterator[pyarrow.RecordBatch]:
    entries: list[dict[str, Any]] = []
    characters = 0
    for source, number, row in rows:
        entries.append(_entry(source, number, row, fields))
        characters += len(entries[-1]["raw"])
        if len(entries) == batch_rows or characters >= _BATCH_CHARACTERS:
            yield pyarrow.RecordBatch.from_pylist(entries, schema=ROW_BATCH)
            entries, characters = [], 0
    if entries:
        yield pyarrow.RecordBatch.from_pylist(entries, schema=ROW_BATCH)


def _entry(source: str, number: int, row: Any, fields: Sequence[str]) -> dict[str, Any]:
    raw = json.dumps(row, ensure_ascii=False, default=str)
    texts = text_paths(row, fields)
    reason, detail = None, None
    if not _is_unicode(raw):
        raw, texts = json.dumps(row, default=str), []
        reason, detail = (
            "not_unicode",
            "the row holds half of a surrogate pair, which no UTF-8 file can store",
        )
    elif not isinstance(row, Mapping):
        reason, detail = "not_an_object", f"the row is a {type(row).__name__}, an object was expected"
    elif SURPLUS in row:
        reason, detail = "surplus_fields", f"the row has {len(row[SURPLUS])} fields more than the header"
    elif not texts:
        reason, detail = "no_text", f"no string stands at {', '.join(fields)}"
    return {
        "source": source,
        "row": number,
        "raw": raw,
        "paths": [path for path, _ in texts],
        "texts": [text for _, text in texts],
        "reason": reason,
        "detail": detail,
        "changes": [],
    }


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _with_columns(batch: pyarrow.RecordBatch, **columns: list[Any]) -> pyarrow.RecordBatch:
    for name, values in columns.items():
        index = ROW_BATCH.get_field_index(name)
        batch = batch.set_column(
            index, ROW_BATCH.field(index), pyarrow.array(values, ROW_BATCH.field(index).type)
        )
    return batch
