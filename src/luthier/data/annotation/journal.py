"""Append-only JSON lines: one writer at a time, and a line that a crash cut short is named, not skipped."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from luthier.core.errors import DataError


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file, made where there is none, for one writer; others wait."""
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def append(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Add records at the end of a file and flush them to the disk. Call it inside `locked`.

    Raises:
        DataError: The file ends in half a line: what follows it could not be told apart.
    """
    lines = b"".join(_line(record) for record in records)
    if not lines:
        return
    with path.open("a+b") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                raise _cut_short(path, "the last line")
        file.write(lines)
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield line number and record; nothing where there is no file.

    Raises:
        DataError: A line is cut short, is not JSON, or is no object.
    """
    if not path.is_file():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                raise _cut_short(path, f"line {number}")
            try:
                record = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise DataError(f"line {number} is not valid JSON: {error}", where=str(path)) from error
            if not isinstance(record, dict):
                raise DataError(f"line {number} holds no object", where=str(path))
            yield number, record


def _line(record: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(record, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:  # half of a surrogate pair: only an escape can store it
        return json.dumps(record).encode() + b"\n"


def _cut_short(path: Path, what: str) -> DataError:
    return DataError(
        f"{what} was cut short when it was written",
        where=str(path),
        cure="delete that line (it was never reported as stored) and repeat what wrote it",
    )
