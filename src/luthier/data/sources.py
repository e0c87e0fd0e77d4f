"""Read rows from JSON, JSONL, CSV, TSV, Parquet, CoNLL and text files; what cannot be names file, line, cure."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from itertools import dropwhile
from pathlib import Path
from typing import Any, TypeVar

from luthier.core.errors import DataError
from luthier.core.version_address import SCHEME, is_address
from luthier.data.conll import sentences_of
from luthier.data.jsonl import blocks_of, entries_of, json_limit
from luthier.data.row_json import MOST_LEVELS, loads
from luthier.data.squad import is_squad, questions_of
from luthier.data.text_lines import lines_of

Row = tuple[int, Any]
"""Row number from 1 (in JSONL the line number), and the row: a dict, or whatever else stood there."""

Entry = tuple[int, Any, bytes | None]
"""A row, and the JSON on one line that it was read from, where it was."""

_T = TypeVar("_T")

SURPLUS = "(surplus fields)"
"""Key of the fields that a table's row has beyond its header."""

csv.field_size_limit(1 << 30)


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a file, in order; JSONL, tables and Parquet are read as they are consumed.

    A ``.txt`` file holds one document per block of lines, a ``.conll`` file one sentence; blank lines
    divide them. A JSON file in SQuAD's form has a row per question. ``dataset://NAME@REF`` in place of a file
    is a version in a store; see `luthier.data.versions.address`.

    Raises:
        DataError: The file is missing, empty, of no known kind, not UTF-8, or broken at a line.
    """
    return _not_empty(path, _READERS[_kind_of(path)](path))


def read_entries(path: Path) -> Iterator[Entry]:
    """Yield the rows of a file as `read_rows` does, those of JSONL with the JSON that they were read from.

    Integers beyond 64 bits may lose digits in the row of an entry; its JSON has them all.
    """
    kind = _kind_of(path)
    if kind == ".jsonl":
        return _not_empty(path, entries_of(path))
    return _not_empty(path, ((number, row, None) for number, row in _READERS[kind](path)))


def read_blocks(path: Path) -> Iterator[tuple[int, bytes]] | None:
    """Return blocks of whole lines of a JSONL file, each with the number of its first; None for other kinds.

    Nothing is looked into. What `read_entries` refuses is found by `row_of_line`, which must follow.
    """
    return _not_empty(path, blocks_of(path)) if _kind_of(path) == ".jsonl" else None


def _kind_of(path: Path) -> str:
    """Return the kind of a file that can be read, or that of an address."""
    if is_address(path):
        return SCHEME
    if not path.is_file():
        kind = "is a folder" if path.is_dir() else "there is no such file"
        raise DataError(kind, where=str(path), cure="name a file; paths start at the recipe's folder")
    if path.stat().st_size == 0:
        raise DataError("the file is empty", where=str(path), cure="check what wrote it")
    suffixes = [s.lower() for s in path.suffixes]
    is_packed = suffixes[-1:] == [".gz"]
    kind = next(iter((suffixes[:-1] if is_packed else suffixes)[-1:]), "")
    if kind not in _READERS or (is_packed and kind == ".parquet"):
        known = f"{', '.join(_READERS)}, and .gz of all but Parquet"
        name = "".join(suffixes[-2:]) if is_packed else kind
        raise DataError(f"files of kind {name!r} are not read", where=str(path), cure=f"known: {known}")
    return kind


def _not_empty(path: Path, rows: Iterator[_T]) -> Iterator[_T]:
    is_empty = True
    for row in rows:
        is_empty = False
        yield row
    if is_empty:
        raise DataError("the file holds no rows", where=str(path), cure="check what wrote it")


def num_surplus(row: Mapping[str, Any]) -> int:
    """Return the number of fields that a table's row has beyond its header."""
    surplus = row.get(SURPLUS)
    return len(surplus) if isinstance(surplus, list) else 0


def _read_json(path: Path) -> Iterator[Row]:
    text = "".join(lines_of(path))
    try:
        value = json.loads(text)
        if _is_too_deep(value):
            raise RecursionError
    except json.JSONDecodeError as error:
        cure = "one object per line: name the file .jsonl" if error.msg == "Extra data" else "mend that line"
        problem = f"line {error.lineno} is not valid JSON: {error.msg} at character {error.colno}"
        raise DataError(problem, where=str(path), cure=cure) from error
    except (RecursionError, ValueError) as error:
        raise DataError(f"its JSON cannot be read: {json_limit(error)}", where=str(path)) from error
    if isinstance(value, dict) and isinstance(value.get("data"), list):
        value = value["data"]
    if not isinstance(value, list):
        keys = f" with the fields {', '.join(list(value)[:8])}" if isinstance(value, dict) else ""
        what = "an object" if isinstance(value, dict) else f"a {type(value).__name__}"
        problem = f'holds {what}{keys}; a list of rows, or {{"data": [...]}}, was expected'
        raise DataError(problem, where=str(path))
    yield from enumerate(questions_of(value) if is_squad(value) else value, start=1)


def _is_too_deep(value: Any) -> bool:
    """Tell whether rows of a JSON file are nested too deeply, without going down into them one in another."""
    level: list[Any] = [[value]]
    for _ in range(MOST_LEVELS + 2):  # two for what holds the rows
        parts = (part for each in level for part in (each.values() if isinstance(each, dict) else each))
        level = [part for part in parts if isinstance(part, dict | list)]
        if not level:
            return False
    return True


def _read_jsonl(path: Path) -> Iterator[Row]:
    for number, _, raw in entries_of(path):
        yield number, loads(raw)


def _read_table(delimiter: str) -> Callable[[Path], Iterator[Row]]:
    def read(path: Path) -> Iterator[Row]:
        lines = dropwhile(lambda line: not line.strip("\r\n"), lines_of(path))
        reader = csv.DictReader(lines, delimiter=delimiter, restkey=SURPLUS, strict=True)
        number = 0
        try:
            header = reader.fieldnames or []
            if twice := {name for name in header if header.count(name) > 1}:
                raise DataError(f"the header names {sorted(twice)[0]!r} twice", where=str(path))
            if SURPLUS in header:
                cure = "give the column another name"
                raise DataError(f"no column can have the name {SURPLUS!r}", where=str(path), cure=cure)
            for number, row in enumerate(reader, start=1):
                yield number, dict(row)
        except csv.Error as error:
            problem = f"row {number + 1} (line {reader.line_num}) is broken: {error}"
            raise DataError(problem, where=str(path), cure="check its quotes") from error

    return read


def _read_parquet(path: Path) -> Iterator[Row]:
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(path)
        number = 0
        for batch in file.iter_batches(batch_size=1024):
            for row in batch.to_pylist():
                number += 1
                yield number, row
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"not a readable Parquet file: {error}", where=str(path)) from error


def _read_text(path: Path) -> Iterator[Row]:
    """Yield documents: blocks of lines, divided by blank lines."""
    lines: list[str] = []
    number = 0
    for line in lines_of(path):
        if line.strip():
            lines.append(line.rstrip("\r\n"))
        elif lines:
            number += 1
            yield number, {"text": "\n".join(lines)}
            lines = []
    if lines:
        yield number + 1, {"text": "\n".join(lines)}


def _read_version(path: Path) -> Iterator[Row]:
    from luthier.data.versions.address import open_version

    yield from open_version(path)


def _read_conll(path: Path) -> Iterator[Row]:
    yield from enumerate(sentences_of(lines_of(path)), start=1)


_READERS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".json": _read_json,
    ".jsonl": _read_jsonl,
    ".csv": _read_table(","),
    ".tsv": _read_table("\t"),
    ".parquet": _read_parquet,
    ".txt": _read_text,
    ".conll": _read_conll,
    SCHEME: _read_version,
}
