"""Lines of text files, plain or compressed, as bytes or as UTF-8; what is not UTF-8 names line, byte and cure."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from luthier.core.errors import DataError


def lines_of(path: Path) -> Iterator[str]:
    """Yield lines decoded as UTF-8; a byte-order mark is dropped.

    Raises:
        DataError: A line is not UTF-8, or the compressed file is damaged.
    """
    for number, line in enumerate(byte_lines(path), start=1):
        yield decoded(path, number, line)


def byte_lines(path: Path) -> Iterator[bytes]:
    """Yield lines; a byte-order mark is dropped."""
    with open_text(path) as file:
        for number, line in enumerate(file, start=1):
            yield line.removeprefix(codecs.BOM_UTF8) if number == 1 else line


@contextmanager
def open_text(path: Path) -> Iterator[IO[bytes]]:
    """Yield an open text file, unpacked where its name ends in ``.gz``.

    Raises:
        DataError: The compressed file is damaged.
    """
    try:
        with _open_binary(path) as file:
            yield file
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"the compressed file is damaged: {error}", where=str(path)) from error


def decoded(path: Path, number: int, line: bytes) -> str:
    """Return a line as text.

    Raises:
        DataError: It is not UTF-8.
    """
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
