"""Read JSONL, line by line or in blocks of lines that are looked into elsewhere; a broken line is named."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from luthier.core.errors import DataError
from luthier.data.row_json import loads_texts
from luthier.data.text_lines import byte_lines, decoded, open_text

_BLOCK_BYTES = 1 << 20


def entries_of(path: Path) -> Iterator[tuple[int, Any, bytes]]:
    """Yield line number, row and the JSON of each line that is not blank; see `row_of_line`."""
    for number, raw in _jsonl_lines(path):
        row = row_of_line(path, number, raw)
        if row is not BLANK:
            yield number, row, raw


def blocks_of(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield blocks of whole lines, each with the number of its first, not looked into; blank ones are passed over."""
    number = 1
    with open_text(path) as file:
        while block := file.read(_BLOCK_BYTES) + file.readline():
            lines = block.removeprefix(codecs.BOM_UTF8) if number == 1 else block
            if not lines.isspace():
                yield number, lines
            number += block.count(b"\n")


def _jsonl_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(byte_lines(path), start=1):
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
        if not decoded(path, number, raw).strip():  # white space that is none in JSON
            return BLANK
        what = (
            f"{error.msg} at character {error.pos + 1}"
            if isinstance(error, json.JSONDecodeError)
            else json_limit(error)
        )
        raise DataError(
            f"line {number} is not valid JSON: {what}",
            where=str(path),
            cure="one JSON object per line; mend or delete the line",
        ) from error


def json_limit(error: RecursionError | ValueError) -> str:
    """Return which limit of Python's JSON reader a text exceeds."""
    return "nested too deeply" if isinstance(error, RecursionError) else "a number has thousands of digits"
