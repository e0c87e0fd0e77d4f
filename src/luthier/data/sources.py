"""Read rows from JSON, JSONL, CSV, TSV, Parquet, CoNLL and text files; what cannot be names file, line, cure."""

from __future__ import annotations

import codecs
import csv
import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from itertools import dropwhile
from pathlib import Path
from typing import IO, Any, TypeVar, cast

from luthier.core.errors import DataError
from luthier.core.version_address import SCHEME, is_address
from luthier.data.conll import sentences_of
from luthier.data.row_json import loads, loads_texts
from luthier.data.squad import is_squad, questions_of

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
        return _not_empty(path, _jsonl_entries(path))
    return _not_empty(path, ((number, row, None) for number, row in _READERS[kind](path)))


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


def _lines(path: Path) -> Iterator[str]:
    """Yield lines decoded as UTF-8; the first byte that is not is named."""
    for number, line in enumerate(_byte_lines(path), start=1):
        yield _decoded(path, number, line)


def _byte_lines(path: Path) -> Iterator[bytes]:
    """Yield lines; a byte-order mark is dropped."""
    try:
        with _open_binary(path) as file:
            for number, line in enumerate(file, start=1):
                yield line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"the compressed file is damaged: {error}", where=str(path)) from error


def _decoded(path: Path, number: int, line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _not_utf8(path, number, line, error) from error


def _not_utf8(path: Path, number: int, line: bytes, error: UnicodeDecodeError) -> DataError:
    cure = "convert the file: iconv -f GB18030 -t UTF-8 (Chinese) or -f WINDOWS-1252 (Western)"
    if number == 1 and line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        cure = "the file is UTF-16; convert it: iconv -f UTF-16 -t UTF-8"
    problem = (
        f"byte {error.object[error.start]:#04x} at position {error.start + 1} of line {number} is not UTF-8"
    )
    return DataError(problem, where=str(path), cure=cure)


def _open_binary(path: Path) -> IO[bytes]:
    if path.suffix.lower() == ".gz":
        return cast(IO[bytes], gzip.open(path, "rb"))
    return path.open("rb")


def _read_json(path: Path) -> Iterator[Row]:
    text = "".join(_lines(path))
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        cure = "one object per line: name the file .jsonl" if error.msg == "Extra data" else "mend that line"
        problem = f"line {error.lineno} is not valid JSON: {error.msg} at character {error.colno}"
        raise DataError(problem, where=str(path), cure=cure) from error
    except (RecursionError, ValueError) as error:
        raise DataError(f"its JSON cannot be read: {_limit(error)}", where=str(path)) from error
    if isinstance(value, dict) and isinstance(value.get("data"), list):
        value = value["data"]
    if not isinstance(value, list):
        keys = f" with the fields {', '.join(list(value)[:8])}" if isinstance(value, dict) else ""
        what = "an object" if isinstance(value, dict) else f"a {type(value).__name__}"
        problem = f'holds {what}{keys}; a list of rows, or {{"data": [...]}}, was expected'
        raise DataError(problem, where=str(path))
    yield from enumerate(questions_of(value) if is_squad(value) else value, start=1)


def _read_jsonl(path: Path) -> Iterator[Row]:
    for number, _, raw in _jsonl_entries(path):
        yield number, loads(raw)  # type: ignore[arg-type]  # the JSON of JSONL is there


def _jsonl_entries(path: Path) -> Iterator[Entry]:
    for number, raw in _jsonl_lines(path):
        row = row_of_line(path, number, raw)
        if row is not BLANK:
            yield number, row, raw


def read_lines(path: Path) -> Iterator[tuple[int, bytes]] | None:
    """Return line number and bytes of each line of a JSONL file, not looked into; None for other kinds.

    Empty lines are passed over. What `read_entries` refuses is found by `row_of_line`, which must follow.
    """
    return _not_empty(path, _jsonl_lines(path)) if _kind_of(path) == ".jsonl" else None


def _jsonl_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(_byte_lines(path), start=1):
        if raw := line.strip():
            yield number, raw


BLANK = object()
"""In place of the row of a line that holds nothing but white space."""


def row_of_line(path: Path, number: int, raw: bytes) -> Any:
    """Return the row of a line of JSONL, or `BLANK`; integers beyond 64 bits may lose digits.

    Raises:
        DataError: The line is not UTF-8, or not JSON.
    """
    try:
        return loads_texts(raw)
    except (RecursionError, ValueError) as error:
        if not _decoded(path, number, raw).strip():  # white space that is none in JSON
            return BLANK
        what = (
            f"{error.msg} at character {error.pos + 1}"
            if isinstance(error, json.JSONDecodeError)
            else _limit(error)
        )
        raise DataError(
            f"line {number} is not valid JSON: {what}",
            where=str(path),
            cure="one JSON object per line; mend or delete the line",
        ) from error


def _limit(error: RecursionError | ValueError) -> str:
    """Return which limit of Python's JSON reader a text exceeds."""
    return "nested too deeply" if isinstance(error, RecursionError) else "a number has thousands of digits"


def _read_table(delimiter: str) -> Callable[[Path], Iterator[Row]]:
    def read(path: Path) -> Iterator[Row]:
        lines = dropwhile(lambda line: not line.strip("\r\n"), _lines(path))
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
    for line in _lines(path):
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
    yield from enumerate(sentences_of(_lines(path)), start=1)


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
