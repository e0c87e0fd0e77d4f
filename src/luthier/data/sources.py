"""Read rows from JSON, JSONL, CSV, TSV, Parquet and text files; what cannot be read names file, line and cure."""

from __future__ import annotations

import codecs
import csv
import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from luthier.core.errors import DataError

Row = tuple[int, Any]
"""Row number from 1, and the row: a dict, or whatever else stood there."""

csv.field_size_limit(1 << 30)


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a file, in order.

    Raises:
        DataError: The file is missing, empty, of no known kind, not UTF-8, or broken at a line.
    """
    if not path.is_file():
        raise DataError("there is no such file", where=str(path))
    if path.stat().st_size == 0:
        raise DataError("the file is empty", where=str(path), cure="check what wrote it")
    suffixes = [s.lower() for s in path.suffixes]
    kind = (
        suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else suffixes[-1] if suffixes else ""
    )
    if kind not in _READERS:
        raise DataError(
            f"files of kind {kind!r} are not read", where=str(path), cure=f"known: {', '.join(_READERS)}"
        )
    is_empty = True
    for row in _READERS[kind](path):
        is_empty = False
        yield row
    if is_empty:
        raise DataError("the file holds no rows", where=str(path))


def _lines(path: Path) -> Iterator[str]:
    """Yield lines decoded as UTF-8 (a byte-order mark is dropped); the first byte that is not is named."""
    with _open_binary(path) as file:
        for number, line in enumerate(file, start=1):
            if number == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
            try:
                yield line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise _not_utf8(path, number, error) from error


def _not_utf8(path: Path, line: int, error: UnicodeDecodeError) -> DataError:
    return DataError(
        f"byte {error.object[error.start]:#04x} at position {error.start} of line {line} is not UTF-8",
        where=str(path),
        cure="convert the file: iconv -f GB18030 -t UTF-8 (Chinese) or -f WINDOWS-1252 (Western)",
    )


def _open_binary(path: Path) -> IO[bytes]:
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rb")
    return path.open("rb")


def _read_json(path: Path) -> Iterator[Row]:
    text = "".join(_lines(path))
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        cure = "name it .jsonl" if error.msg == "Extra data" else None
        raise DataError(
            f"not valid JSON at line {error.lineno}: {error.msg}", where=str(path), cure=cure
        ) from error
    if isinstance(value, dict):
        lists = {key: entry for key, entry in value.items() if isinstance(entry, list)}
        if len(lists) != 1:
            raise DataError("holds an object, a list of rows was expected", where=str(path))
        value = next(iter(lists.values()))
    if not isinstance(value, list):
        raise DataError(f"holds a {type(value).__name__}, a list of rows was expected", where=str(path))
    yield from enumerate(value, start=1)


def _read_jsonl(path: Path) -> Iterator[Row]:
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(
                f"line {number} is not valid JSON: {error.msg} at character {error.pos + 1}",
                where=str(path),
                cure="one JSON object per line; mend or delete the line",
            ) from error


def _read_table(delimiter: str) -> Callable[[Path], Iterator[Row]]:
    def read(path: Path) -> Iterator[Row]:
        reader = csv.DictReader(_lines(path), delimiter=delimiter, strict=True)
        number = 0
        try:
            for number, row in enumerate(reader, start=1):
                surplus = row.pop(None, None)  # type: ignore[call-overload]
                if surplus is not None:
                    row["(surplus fields)"] = surplus
                yield number, dict(row)
        except csv.Error as error:
            raise DataError(f"row {number + 1} is broken: {error}", where=str(path)) from error

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
    except (pyarrow.ArrowInvalid, OSError) as error:
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


_READERS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".json": _read_json,
    ".jsonl": _read_jsonl,
    ".csv": _read_table(","),
    ".tsv": _read_table("\t"),
    ".parquet": _read_parquet,
    ".txt": _read_text,
}
