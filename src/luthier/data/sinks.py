"""Write rows to JSON, JSONL, CSV, TSV, Parquet and text files, one at a time; a file appears when it is complete."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, cast

import pyarrow
import pyarrow.parquet

from luthier.core.errors import DataError

Write = Callable[[Any], None]
"""Takes one row."""

_PARQUET_ROWS = 2000


@contextmanager
def writing(path: Path, *, is_optional: bool = False) -> Iterator[Write]:
    """Yield a function that writes one row.

    Args:
        path: Its suffix says the kind of file.
        is_optional: No file appears where no row was written.

    Raises:
        DataError: The kind is not known, or a row cannot be stored in it.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    is_packed = suffixes[-1:] == [".gz"]
    kind = next(iter((suffixes[:-1] if is_packed else suffixes)[-1:]), "")
    if kind not in _WRITERS or (is_packed and kind == ".parquet"):
        known = f"{', '.join(_WRITERS)}, and .gz of all but Parquet"
        raise DataError(f"files of kind {kind!r} are not written", where=str(path), cure=f"known: {known}")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".partial-{os.getpid()}-{path.name}")
    num_rows = 0
    try:
        with ExitStack() as open_files:
            plain = open_files.enter_context(partial.open("wb"))
            packed = (
                open_files.enter_context(gzip.GzipFile(path.name, "wb", fileobj=plain)) if is_packed else None
            )
            binary = cast(IO[bytes], packed or plain)
            write = open_files.enter_context(_WRITERS[kind](binary, path))

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


@contextmanager
def _parquet(file: IO[bytes], path: Path) -> Iterator[Write]:
    waiting: list[Any] = []
    writer: Any = None

    def flush() -> None:
        nonlocal writer
        try:
            table = pyarrow.Table.from_pylist(waiting, schema=writer.schema if writer else None)
            writer = writer or pyarrow.parquet.ParquetWriter(file, table.schema)
            writer.write_table(table)
        except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, pyarrow.ArrowNotImplementedError) as error:
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


def _json(row: Any) -> bytes:
    try:
        return json.dumps(row, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:  # half of a surrogate pair: only an escape can store it
        return json.dumps(row, default=str).encode()


_WRITERS: dict[str, Callable[[IO[bytes], Path], Any]] = {
    ".jsonl": _jsonl,
    ".json": _json_list,
    ".csv": _table(","),
    ".tsv": _table("\t"),
    ".parquet": _parquet,
    ".txt": _documents,
}
