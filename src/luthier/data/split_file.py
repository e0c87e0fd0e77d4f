"""Split a file into files: a share or folds held out, and sets from another domain, free of leakage."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow

from luthier.core.errors import DataError
from luthier.data.duplicates.links import Finder
from luthier.data.duplicates.remove import group_labels
from luthier.data.operators.batch import json_of, rows_of
from luthier.data.operators.files import open_batches
from luthier.data.row_json import loads
from luthier.data.sample import Sample
from luthier.data.schemas import RowError, convert, schema_of
from luthier.data.sinks import takes_json, writing
from luthier.data.split import RowKey, connected, fold_keys, key_of, key_of_label, split_keys

OUT_OF_DOMAIN = "out_of_domain"
REJECTED = "rejected"
_KINDS = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".txt")


@dataclass(frozen=True)
class SplitOptions:
    """How a file is split.

    Args:
        share: Share of the rows held out in ``eval``; None with folds or domains alone.
        folds: Parts of nearly equal size, ``fold-1`` and so on.
        group_by: Field of the rows: rows with the same value stay on one side.
        out_of_domain: Fields and the values whose rows form a set of their own.
        make_finder: Finds duplicates, which stay on one side too.
        seed: Of the draw.
        fields: Which strings are texts; by default those of the rows' schema.
    """

    share: float | None = None
    folds: int | None = None
    group_by: str | None = None
    out_of_domain: Mapping[str, Sequence[str]] = field(default_factory=dict)
    make_finder: Callable[[], Finder] | None = None
    seed: int = 42
    fields: Sequence[str] = ()


def split_file(
    path: Path, folder: Path, options: SplitOptions, *, on_progress: Callable[[int], None] = lambda rows: None
) -> dict[str, int]:
    """Write each row of a file to one of the files of a folder, in the file's kind (else JSON lines).

    The file is read twice; memory holds some hundred bytes a row.

    Args:
        path: Of any kind that `read_rows` knows.
        folder: Gets ``train``, ``eval`` or ``fold-N``, and ``out_of_domain``. ``rejected.jsonl`` holds the
            rows that cannot be used and those that would leak into ``out_of_domain``, with reasons.
        options: How it is split.
        on_progress: Told the number of rows read.

    Returns:
        Rows of each file.

    Raises:
        DataError: The file cannot be read or split.
    """
    facts = _read(path, options, on_progress)
    sides, reasons = _sides(facts, options, path)
    names = list(dict.fromkeys(_names(options)))
    suffix = _suffix(path)
    counts = dict.fromkeys([*names, REJECTED], 0)
    with ExitStack() as files:
        write = {name: files.enter_context(writing(folder / f"{name}{suffix}")) for name in names}
        reject = files.enter_context(writing(folder / f"{REJECTED}.jsonl", is_optional=True))
        number = 0
        for batch in open_batches(path, options.fields):
            columns = (batch[name].to_pylist() for name in ("source", "row", "raw", "reason", "detail"))
            values = json_of(batch) if takes_json(Path(f"x{suffix}")) else rows_of(batch)
            for value, source, row, raw, reason, detail in zip(values, *columns, strict=True):
                if reason is None:
                    side = sides[number]
                    reason, detail = reasons.get(number, (None, None))
                    number += 1
                if reason is None:
                    counts[side] += 1
                    write[side](value)
                    continue
                counts[REJECTED] += 1
                place = {"source": source, "row": row, "reason": reason, "detail": detail}
                reject(place | {"raw": loads(raw.encode())})
    return counts


@dataclass
class _Facts:
    """What is known of the usable rows of a file."""

    keys: list[RowKey] = field(default_factory=list)
    is_outside: list[bool] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    left_out: dict[int, tuple[str, str]] = field(default_factory=dict)
    columns: dict[str, None] = field(default_factory=dict)

    def note_missing(self, row: Mapping[str, Any], options: SplitOptions) -> None:
        """Leave out the next row if it has no value that says where it belongs."""
        for name in filter(None, (options.group_by, *options.out_of_domain)):
            if row.get(name) is None:
                self.left_out[len(self.keys)] = (
                    "missing_field",
                    f"field {name}, which says where it belongs, is missing",
                )
                self.columns.update(dict.fromkeys(map(str, row)))
                break


def _read(path: Path, options: SplitOptions, on_progress: Callable[[int], None]) -> _Facts:
    facts = _Facts()
    batches = _noted(path, options, facts, on_progress)
    if options.make_finder is None:
        for _ in batches:
            pass
        return facts
    labels = group_labels(batches, options.make_finder())
    facts.keys = [
        key._replace(shared=(*key.shared, key_of_label(int(label))))
        for key, label in zip(facts.keys, labels, strict=True)
    ]
    return facts


def _noted(path: Path, options: SplitOptions, facts: _Facts, on_progress: Callable[[int], None]) -> Any:
    """Yield the batches of a file, and note the facts of their rows as they pass."""
    schema: str | None = None
    num_rows = 0
    for batch in open_batches(path, options.fields):
        kept: pyarrow.RecordBatch = batch.filter(batch["reason"].is_null())
        columns = (kept[name].to_pylist() for name in ("row", "raw", "texts"))
        for number, raw, texts in zip(*columns, strict=True):
            row = loads(raw.encode())
            schema = schema or (None if options.fields else schema_of(row))
            facts.note_missing(row, options)
            facts.keys.append(key_of(_sample(row, texts, schema, path, number, options.group_by)))
            facts.is_outside.append(
                any(str(row.get(name)) in values for name, values in options.out_of_domain.items())
            )
            facts.rows.append(number)
        num_rows += batch.num_rows
        on_progress(num_rows)
        yield batch


def _sample(
    row: Any, texts: list[str], schema: str | None, path: Path, number: int, group_by: str | None
) -> Sample:
    group = None if group_by is None else str(row.get(group_by))
    if schema is not None:
        try:
            return convert(row, schema, source=str(path), number=number, group=group)
        except RowError:
            pass  # cannot be trained, which the data stage will say; it is split by its texts
    return Sample(str(path), number, text="\n".join(texts), group=group)


def _suffix(path: Path) -> str:
    """Return the suffix of the files to write: the file's own where files of its kind are written."""
    suffixes = path.suffixes[-2:] if path.suffix.lower() == ".gz" else path.suffixes[-1:]
    return "".join(suffixes) if suffixes and suffixes[0].lower() in _KINDS else ".jsonl"


def _names(options: SplitOptions) -> list[str]:
    names = ["train"] if options.folds is None else [f"fold-{n}" for n in range(1, options.folds + 1)]
    if options.share is not None:
        names.append("eval")
    return [*names, OUT_OF_DOMAIN] if options.out_of_domain else names


def _sides(facts: _Facts, options: SplitOptions, path: Path) -> tuple[list[str], dict[int, tuple[str, str]]]:
    """Return the file of each row, and reason and detail of the rows that are left out."""
    if len(facts.left_out) == len(facts.keys):
        names = " or ".join(filter(None, (options.group_by, *options.out_of_domain)))
        cure = f"their fields are {', '.join(facts.columns)}"
        raise DataError(
            f"no row has the field {names}" if names else "no row can be used", where=str(path), cure=cure
        )
    reasons = facts.left_out | (_leaks(facts, path) if options.out_of_domain else {})
    sides = [OUT_OF_DOMAIN if outside else "train" for outside in facts.is_outside]
    inside = [row for row, outside in enumerate(facts.is_outside) if not outside and row not in reasons]
    if options.out_of_domain:
        wanted = "; ".join(f"{name}={'|'.join(values)}" for name, values in options.out_of_domain.items())
        if not any(facts.is_outside):
            raise DataError(f"no row has {wanted}", where=str(path), cure="check field and value")
        if not inside:
            raise DataError(f"all rows have {wanted}, or leak into them", where=str(path))
    keys = [facts.keys[row] for row in inside]
    parts: Sequence[str] = ["train"] * len(inside)
    try:
        if options.share is not None:
            parts = ["eval" if out else "train" for out in split_keys(keys, options.share, options.seed)]
        elif options.folds is not None:
            parts = [f"fold-{fold}" for fold in fold_keys(keys, options.folds, options.seed)]
    except DataError as error:
        raise DataError(error.problem, where=str(path), cure=error.cure) from error
    for row, part in zip(inside, parts, strict=True):
        sides[row] = part
    return sides, reasons


def _leaks(facts: _Facts, path: Path) -> dict[int, tuple[str, str]]:
    """Return the rows inside the domain that belong together with one outside."""
    labels = connected(facts.keys)
    outside: dict[int, int] = {}
    for row, label in enumerate(labels):
        if facts.is_outside[row] and row not in facts.left_out:
            outside.setdefault(label, row)
    return {
        row: (
            "leaks_out_of_domain",
            f"belongs together with {path}, row {facts.rows[outside[label]]}, which is out of the domain",
        )
        for row, label in enumerate(labels)
        if label in outside and not facts.is_outside[row] and row not in facts.left_out
    }
