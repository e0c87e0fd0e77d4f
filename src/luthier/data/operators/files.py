"""Plain files through operators: kept rows come out, the others stand beside them with their reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, compress, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
from numpy.typing import NDArray

from luthier.core.errors import DataError
from luthier.data.operators.batch import is_changed, rows_of
from luthier.data.operators.execute import Operator
from luthier.data.operators.fields import number_paths, text_paths
from luthier.data.operators.intake import batches_of_entries
from luthier.data.operators.line_blocks import FindTexts, batches_of_blocks
from luthier.data.operators.lines import json_rows, kept_lines, note_lines, rejection_lines, render
from luthier.data.schemas import schema_of
from luthier.data.sinks import takes_json, writing
from luthier.data.sources import Row, read_blocks, read_entries

__all__ = ["TEXT_FIELDS", "Tally", "open_batches", "open_lines", "render", "write_batches"]

TEXT_FIELDS: Mapping[str, tuple[str, ...]] = {
    "alpaca": ("instruction", "input", "output", "system", "history.**"),
    "sharegpt": ("system", "conversations.*.value"),
    "messages": ("messages.*.content", "messages.*.content.*.text"),
    "prompt_completion": ("prompt", "prompt.*.content", "completion", "completion.*.content"),
    "question_answering": ("question", "context", "answers.*.text", "answers.text.*"),
    "token_classification": ("tokens.*",),
    "classification": ("text", "text_pair"),
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

    def add(
        self, batch: pyarrow.RecordBatch, is_kept: NDArray[np.bool_], changed: pyarrow.RecordBatch
    ) -> None:
        """Count a batch.

        Args:
            batch: Its rows.
            is_kept: Of each row.
            changed: Those of its rows that are kept and changed.
        """
        self.rows += batch.num_rows
        self.kept += int(is_kept.sum())
        self.changed += changed.num_rows
        for counter, names in (
            (self.left_out, batch["reason"].drop_null()),
            (self.changes, changed["changes"].flatten().field("operator")),
        ):
            for entry in names.value_counts().to_pylist():
                counter[entry["values"]] += entry["counts"]

    def as_json(self) -> dict[str, Any]:
        """Return the counts for ``--json``."""
        return {
            "rows": self.rows,
            "kept": self.kept,
            "changed": self.changed,
            "left_out": dict(self.left_out),
            "changes": dict(self.changes),
        }


def open_batches(
    path: Path, fields: Sequence[str] = (), *, needs_text: bool = True
) -> Iterator[pyarrow.RecordBatch]:
    """Read a file as batches.

    Args:
        path: Of any kind that `read_rows` knows.
        fields: Which strings are texts; by default those of the schema that the rows have.
        needs_text: Whether a row without a text is left out.

    Raises:
        DataError: The file cannot be read, a named field is nowhere in its first rows, or no field is
            named and the rows have no known schema.
    """
    entries = read_entries(path)
    beginning = list(islice(entries, _DETECTED_ROWS))
    first = [(number, row) for number, row, _ in beginning]
    chosen = tuple(fields) or _fields_of(first, path)
    _check_fields(chosen if fields else (), first, path, needs_text)
    source = str(path)
    entries_with_source = ((source, *entry) for entry in chain(beginning, entries))
    return batches_of_entries(entries_with_source, chosen, needs_text=needs_text)


def open_lines(
    path: Path, fields: Sequence[str] = (), *, hint: str | None = None, needs_text: bool = True
) -> tuple[Iterator[pyarrow.RecordBatch], list[Operator]]:
    """Read a file as batches for operators that run elsewhere; the work on its rows is done there, too.

    Args:
        path: Of any kind that `read_rows` knows; for other kinds than JSONL the same as `open_batches`.
        fields: Which strings are texts; by default those of the schema that the rows have.
        hint: See `FindTexts`; it saves work where the operators look for something in few texts.
        needs_text: Whether a row without a text is left out.

    Returns:
        Batches, and the operators that must come before all others.

    Raises:
        DataError: See `open_batches`; a line that is not JSON is found by the operators.
    """
    blocks = read_blocks(path)
    if blocks is None:
        return open_batches(path, fields, needs_text=needs_text), []
    first = [(number, row) for number, row, _ in islice(read_entries(path), _DETECTED_ROWS)]
    chosen = tuple(fields) or _fields_of(first, path)
    _check_fields(chosen if fields else (), first, path, needs_text)
    return batches_of_blocks(blocks, source=str(path)), [FindTexts(chosen, hint, needs_text)]


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
    batches = iter(batches)
    first = list(islice(batches, 1))
    with (
        writing(output, schema=_source_schema(first, output)) as kept,
        writing(_beside(output, "rejected"), is_optional=True) as rejected,
        writing(_beside(output, "changes"), is_optional=True) as changes,
    ):
        kept_rows = _kept_rows_for(output)
        for batch in chain(first, batches):
            for row in kept_rows(batch):
                kept(row)
            is_kept = batch["reason"].is_null().to_numpy(zero_copy_only=False)
            changed = batch.filter(pyarrow.array(is_kept & is_changed(batch)))
            if lines := b"\n".join(rejection_lines(batch.filter(pyarrow.array(~is_kept)))):
                rejected(lines)
            if lines := note_lines(changed):
                changes(lines)
            tally.add(batch, is_kept, changed)
            on_progress(tally)
    return tally


def _kept_rows_for(output: Path) -> Callable[[pyarrow.RecordBatch], Iterable[Any]]:
    """Return a function that gives the kept rows of a batch as they are written at once: JSONL's together."""
    if ".jsonl" in [suffix.lower() for suffix in output.suffixes[-2:]]:
        return lambda batch: filter(None, [kept_lines(batch)])
    rows_in_form: Callable[[pyarrow.RecordBatch], list[Any]] = json_rows if takes_json(output) else rows_of
    return lambda batch: compress(rows_in_form(batch), batch["reason"].is_null().to_pylist())


def _source_schema(batches: Sequence[pyarrow.RecordBatch], output: Path) -> pyarrow.Schema | None:
    """Return the schema of a Parquet file that is written from another: its types stay."""
    source = Path(batches[0]["source"][0].as_py() or "") if batches and batches[0].num_rows else Path()
    is_known = {source.suffix.lower(), output.suffix.lower()} == {".parquet"} and source.is_file()
    return pyarrow.parquet.read_schema(source) if is_known else None


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


def _check_fields(fields: Sequence[str], first: Sequence[Row], path: Path, needs_text: bool) -> None:
    for name in fields:
        if not needs_text and (name == "**" or any(number_paths(row, [name]) for _, row in first)):
            continue
        if not any(text_paths(row, [name]) for _, row in first):
            columns = sorted({str(key) for _, row in first if isinstance(row, Mapping) for key in row})
            raise DataError(
                f"no string{'' if needs_text else ' or number'} stands at {name!r} in the first {len(first)} rows",
                where=str(path),
                cure=f"its fields are {', '.join(columns) or 'none'}",
            )


def _beside(output: Path, name: str) -> Path:
    return output.with_name(f"{output.name}.{name}.jsonl")
