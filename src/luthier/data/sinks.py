"""Write rows to JSON, JSONL, CSV, TSV, Parquet, CoNLL and text files, one by one; a file appears when complete."""

from __future__ import annotations

import csv
import errno
import gzip
import io
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, cast

import pyarrow
import pyarrow.parquet

from luthier.core.errors import DataError
from luthier.data.conll import lines_of
from luthier.data.parquet_values import table_of
from luthier.data.row_json import dumps
from luthier.data.sources import SURPLUS

Write = Callable[[Any], None]
"""Takes one row; where `takes_json`, also its JSON as bytes; a JSONL file takes several rows so, a line each."""

_PARQUET_ROWS = 2000


@contextmanager
def writing(
    path: Path, *, is_optional: bool = False, schema: pyarrow.Schema | None = None
) -> Iterator[Write]:
    """Yield a function that writes one row.

    Args:
        path: Its suffix says the kind of file.
        is_optional: No file appears where no row was written.
        schema: Of a Parquet file; told from its first rows by default. Other kinds do not read it.

    Raises:
        DataError: The kind is not known, or a row cannot be stored in it.
    """
    kind, is_packed = _kind_of(path)
    if kind not in _WRITERS or (is_packed and kind == ".parquet"):
        known = f"{', '.join(_WRITERS)}, and .gz of all but Parquet"
        raise DataError(f"files of kind {kind!r} are not written", where=str(path), cure=f"known: {known}")
    _make_folder(path)
    partial = path.with_name(f".partial-{os.getpid()}-{path.name}")
    num_rows = 0
    try:
        with ExitStack() as open_files:
            plain = open_files.enter_context(partial.open("wb"))
            packed = (
                open_files.enter_context(gzip.GzipFile(path.name, "wb", fileobj=plain)) if is_packed else None
            )
            binary = cast(IO[bytes], packed or plain)
            open_writer = _parquet(schema) if kind == ".parquet" else _WRITERS[kind]
            write = open_files.enter_context(open_writer(binary, path))

            def counted(row: Any) -> None:
                nonlocal num_rows
                num_rows += 1
                write(row)

            yield counted
        if num_rows or not is_optional:
            partial.replace(path)
        else:
            path.unlink(missing_ok=True)  # what an earlier run left there would be taken for this one's
    finally:
        partial.unlink(missing_ok=True)


def _make_folder(path: Path) -> None:
    """Make the folder of a file, and see that something can be written there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        trial = path.with_name(f".partial-{os.getpid()}-{path.name}")
        trial.touch()
        trial.unlink()
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
    except OSError as error:
        raise DataError(f"cannot be written: {error.strerror}", where=str(path)) from error


def takes_json(path: Path) -> bool:
    """Tell whether the function that writes to a file takes rows as JSON, too."""
    return _kind_of(path)[0] in (".jsonl", ".json")


def _kind_of(path: Path) -> tuple[str, bool]:
    """Return the kind of a file, and whether it is compressed."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    is_packed = suffixes[-1:] == [".gz"]
    return next(iter((suffixes[:-1] if is_packed else suffixes)[-1:]), ""), is_packed


@contextmanager
def _jsonl(file: IO[bytes], path: Path) -> Iterator[Write]:
    def write(row: Any) -> None:
        file.write(_json(row) + b"\n")

    yield write


@contextmanager
def _json_list(file: IO[bytes], path: Path) -> Iterator[Write]:
    between = b"[\n"

    def write(row: Any) -> None:
        nonlocal between
        file.write(between + _json(row))
        between = b",\n"

    yield write
    file.write(b"[]\n" if between == b"[\n" else b"\n]\n")


def _table(delimiter: str) -> Callable[[IO[bytes], Path], Any]:
    @contextmanager
    def table(file: IO[bytes], path: Path) -> Iterator[Write]:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        columns: list[str] = []
        writer: Any = csv.writer(text, delimiter=delimiter)

        def write(row: Any) -> None:
            if not columns:
                columns.extend(row)
                writer.writerow(columns)
                if SURPLUS in columns:
                    raise DataError(f"no column can have the name {SURPLUS!r}", where=str(path))
            if list(row) != columns and set(row) != set(columns):
                other = sorted(set(row) ^ set(columns))[0]
                raise DataError(
                    f"the rows differ in their fields (e.g. {other!r}): no table holds them",
                    where=str(path),
                    cure="write a .jsonl file",
                )
            if nested := [name for name, value in row.items() if isinstance(value, Mapping | list)]:
                raise DataError(
                    f"field {nested[0]!r} holds a list or an object: no table holds it",
                    where=str(path),
                    cure="write a .jsonl or .parquet file",
                )
            writer.writerow([row[name] for name in columns])

        yield write
        text.detach()

    return table


def _parquet(schema: pyarrow.Schema | None) -> Callable[[IO[bytes], Path], Any]:
    @contextmanager
    def parquet(file: IO[bytes], path: Path) -> Iterator[Write]:
        waiting: list[Any] = []
        writer: Any = None

        def flush() -> None:
            nonlocal writer
            try:
                known = writer.schema if writer else (schema or _schema_of(waiting))
                table = table_of(waiting, known)
                writer = writer or pyarrow.parquet.ParquetWriter(file, known)
                writer.write_table(table)
            except (pyarrow.ArrowException, ValueError, TypeError, OverflowError, ArithmeticError) as error:
                problem = f"the rows do not fit one Parquet schema: {error}"
                raise DataError(problem, where=str(path), cure="write a .jsonl file") from error
            waiting.clear()

        def write(row: Any) -> None:
            waiting.append(row)
            if len(waiting) == _PARQUET_ROWS:
                flush()

        try:
            yield write
            if waiting or writer is None:
                flush()
        finally:
            if writer:
                writer.close()

    return parquet


def _schema_of(rows: list[Any]) -> pyarrow.Schema:
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pyarrow.schema([(name, pyarrow.infer_type([row.get(name) for row in rows])) for name in names])


@contextmanager
def _documents(file: IO[bytes], path: Path) -> Iterator[Write]:
    between = b""

    def write(row: Any) -> None:
        nonlocal between
        text = row.get("text") if set(row) == {"text"} else None
        if not isinstance(text, str) or any(not line.strip() for line in text.split("\n")):
            raise DataError(
                "a text file holds documents without blank lines, and nothing else",
                where=str(path),
                cure="write a .jsonl file",
            )
        file.write(between + text.encode() + b"\n")
        between = b"\n"

    yield write


@contextmanager
def _sentences(file: IO[bytes], path: Path) -> Iterator[Write]:
    def write(row: Any) -> None:
        lines = lines_of(row)
        if lines is None:
            raise DataError(
                "a CoNLL file holds tokens and tags, as many of both, and nothing else",
                where=str(path),
                cure="write a .jsonl file",
            )
        file.write(lines.encode() + b"\n")

    yield write


def _json(row: Any) -> bytes:
    return row if isinstance(row, bytes) else dumps(row)


_WRITERS: dict[str, Callable[[IO[bytes], Path], Any]] = {
    ".jsonl": _jsonl,
    ".json": _json_list,
    ".csv": _table(","),
    ".tsv": _table("\t"),
    ".parquet": _parquet(None),
    ".txt": _documents,
    ".conll": _sentences,
}
