"""Plain files through operators: kept rows come out, the others stand beside them with their reasons."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow

from luthier.core.errors import DataError
from luthier.data.operators.batch import batches_of_rows, rows_of, text_paths
from luthier.data.schemas import schema_of
from luthier.data.sinks import writing
from luthier.data.sources import Row, read_rows

TEXT_FIELDS: Mapping[str, tuple[str, ...]] = {
    "alpaca": ("instruction", "input", "output", "system", "history.**"),
    "sharegpt": ("system", "conversations.*.value"),
    "messages": ("messages.*.content", "messages.*.content.*.text"),
    "prompt_completion": ("prompt", "prompt.*.content", "completion", "completion.*.content"),
    "text": ("text",),
}
"""Which strings of a row are texts, by schema."""

_DETECTED_ROWS = 100


@dataclass
class Tally:
    """What operators did to a file, counted.

    Args:
        rows: Rows read.
        kept: Rows written.
        changed: Rows of which a text was rewritten.
        left_out: Rows left out, by reason.
        changes: Texts rewritten, by operator.
    """

    rows: int = 0
    kept: int = 0
    changed: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        """Return the counts for ``--json``."""
        return {
            "rows": self.rows,
            "kept": self.kept,
            "changed": self.changed,
            "left_out": dict(self.left_out),
            "changes": dict(self.changes),
        }


def open_batches(path: Path, fields: Sequence[str] = ()) -> Iterator[pyarrow.RecordBatch]:
    """Read a file as batches.

    Args:
        path: Of any kind that `read_rows` knows.
        fields: Which strings are texts; by default those of the schema that the rows have.

    Raises:
        DataError: The file cannot be read, a named field is nowhere in its first rows, or no field is
            named and the rows have no known schema.
    """
    rows = read_rows(path)
    first = list(islice(rows, _DETECTED_ROWS))
    chosen = tuple(fields) or _fields_of(first, path)
    _check_fields(chosen if fields else (), first, path)
    return batches_of_rows(chain(first, rows), chosen, source=str(path))


def write_batches(
    batches: Iterable[pyarrow.RecordBatch],
    output: Path,
    *,
    on_progress: Callable[[Tally], None] = lambda tally: None,
) -> Tally:
    """Write kept rows to ``output``, others to ``<output>.rejected.jsonl``, old texts to ``<output>.changes.jsonl``.

    The kind of file follows from the name of ``output``. Each file appears under its name when it is
    complete; the two files beside it appear only where they have content.

    Args:
        batches: Rows, as operators left them.
        output: .jsonl, .json, .csv, .tsv, .parquet or .txt; .gz too for text formats.
        on_progress: Called after each batch.

    Returns:
        What was done, counted.

    Raises:
        DataError: Rows of this kind cannot be written there.
    """
    tally = Tally()
    with (
        writing(output) as kept,
        writing(_beside(output, "rejected"), is_optional=True) as rejected,
        writing(_beside(output, "changes"), is_optional=True) as changes,
    ):
        for batch in batches:
            facts = (
                batch[name].to_pylist() for name in ("source", "row", "raw", "reason", "detail", "changes")
            )
            for row, source, number, raw, reason, detail, changed in zip(rows_of(batch), *facts, strict=True):
                place = {"source": source, "row": number}
                tally.rows += 1
                if reason is not None:
                    tally.left_out[reason] += 1
                    rejected(place | {"reason": reason, "detail": detail, "raw": json.loads(raw)})
                    continue
                tally.kept += 1
                tally.changed += bool(changed)
                tally.changes.update(change["operator"] for change in changed)
                kept(row)
                if changed:
                    changes(place | {"changes": changed})
            on_progress(tally)
    return tally


def _fields_of(first: Sequence[Row], path: Path) -> tuple[str, ...]:
    schema = next((found for _, row in first if (found := schema_of(row))), None)
    if schema is None:
        columns = sorted({str(key) for _, row in first if isinstance(row, Mapping) for key in row})
        raise DataError(
            f"no known schema: its fields are {', '.join(columns) or 'none'}",
            where=str(path),
            cure="name the fields that hold text: --field NAME (messages.*.content for nested ones)",
        )
    return TEXT_FIELDS[schema]


def _check_fields(fields: Sequence[str], first: Sequence[Row], path: Path) -> None:
    for name in fields:
        if not any(text_paths(row, [name]) for _, row in first):
            columns = sorted({str(key) for _, row in first if isinstance(row, Mapping) for key in row})
            raise DataError(
                f"no string stands at {name!r} in the first {len(first)} rows",
                where=str(path),
                cure=f"its fields are {', '.join(columns) or 'none'}",
            )


def _beside(output: Path, name: str) -> Path:
    return output.with_name(f"{output.name}.{name}.jsonl")
