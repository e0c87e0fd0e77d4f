"""Blocks of JSONL lines: read together by one process, and looked into where operators run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow
import pyarrow.compute as compute
from numpy.typing import NDArray

from luthier.data.jsonl import BLANK, row_of_line
from luthier.data.operators.fields import Found, text_finder
from luthier.data.operators.intake import Fault, batch_of, fault_of
from luthier.data.row_json import is_too_deep
from luthier.data.sources import SURPLUS

LINE_BLOCK = pyarrow.schema(
    [
        ("source", pyarrow.string()),  # path of the file, as the user named it
        ("row", pyarrow.int64()),  # number of the first line, from 1
        ("lines", pyarrow.large_binary()),  # whole lines, as they stand in the file
    ]
)
"""A block of lines, as a batch of one row, so that it goes wherever batches go."""

_NOTHING: Found = []


def batches_of_blocks(blocks: Iterable[tuple[int, bytes]], *, source: str) -> Iterator[pyarrow.RecordBatch]:
    """Yield blocks of `read_blocks` as batches that nobody has looked into; `FindTexts` must come first.

    Args:
        blocks: Number of the first line, and whole lines.
        source: Path of the file, as the user named it.
    """
    for number, lines in blocks:
        offsets = pyarrow.py_buffer(np.array([0, len(lines)], np.int64))
        buffers = [None, offsets, pyarrow.py_buffer(lines)]
        block = pyarrow.Array.from_buffers(pyarrow.large_binary(), 1, buffers)  # no copy of the lines
        arrays = [pyarrow.array([source]), pyarrow.array([number], pyarrow.int64()), block]
        yield pyarrow.RecordBatch.from_arrays(arrays, schema=LINE_BLOCK)


@dataclass(frozen=True)
class FindTexts:
    """Operator that parses the rows of a block of lines and finds their texts, where operators run.

    Args:
        fields: Which strings are texts; see `text_finder`.
        hint: RE2 pattern that each text matches which the operators that follow can change or judge. A row whose
            line does not match stands in the batch without texts. By default every row has its texts.
        needs_text: Whether a row without a text is left out.
    """

    fields: Sequence[str]
    hint: str | None = None
    needs_text: bool = True

    def __getstate__(self) -> dict[str, Any]:
        return {option.name: getattr(self, option.name) for option in fields(self)}

    def __call__(self, batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
        """Return the same batch as `batches_of_entries` makes of its rows."""
        source, first, lines = (batch[name][0].as_py() for name in LINE_BLOCK.names)
        numbers, raws, rows = _parsed(Path(source), first, lines)
        column = pyarrow.array(raws, pyarrow.string())
        texts: list[Found] = [_NOTHING] * len(rows)
        faults: dict[int, Fault] = {}
        has_surplus = SURPLUS.encode() in lines  # looked for once: no row has it as a rule
        for index in self._worth(column, rows) if not has_surplus else range(len(rows)):
            row, found = rows[index], self._find(rows[index])
            if not found or type(row) is not dict or has_surplus or b"\\u" in raws[index]:
                fault = fault_of(row, found, self.fields, needs_text=self.needs_text)
                if fault is not None:
                    faults[index] = fault
                    continue
            texts[index] = found
        return batch_of(pyarrow.repeat(source, len(rows)), numbers, column, texts, faults)

    def _worth(self, raws: pyarrow.StringArray, rows: list[Any]) -> Iterable[int]:
        """Return the rows whose texts are looked for: without a hint all of them.

        An escape can hide what the hint looks for, and what is no sound row is told by a closer look.
        """
        if self.hint is None:
            return range(len(rows))
        matches = compute.match_substring_regex(raws, rf"\\|{self.hint}").to_numpy(zero_copy_only=False)
        is_sound = self._has_text if self.needs_text else _is_object
        worth: list[int] = np.flatnonzero(
            matches | ~np.fromiter(map(is_sound, rows), bool, len(rows))
        ).tolist()
        return worth

    def _has_text(self, row: Any) -> bool:
        return type(row) is dict and bool(self._find(row))

    @cached_property
    def _find(self) -> Any:
        return text_finder(self.fields)


def _is_object(row: Any) -> bool:
    return type(row) is dict


def _parsed(source: Path, first: int, block: bytes) -> tuple[NDArray[np.int64], list[bytes], list[Any]]:
    """Return number, JSON and row of each line that is not blank."""
    raws = [line.strip() for line in block.split(b"\n")]
    numbers = np.arange(first, first + len(raws))
    if not all(raws):
        numbers = numbers[np.fromiter(map(bool, raws), bool, len(raws))]
        raws = [raw for raw in raws if raw]
    try:
        if not any(map(is_too_deep, raws)):
            return numbers, raws, list(map(orjson.loads, raws))
    except orjson.JSONDecodeError:  # what Python reads and orjson does not, or no JSON at all
        pass
    rows = [row_of_line(source, number, raw) for number, raw in zip(numbers.tolist(), raws, strict=True)]
    is_row = [row is not BLANK for row in rows]
    kept = [(raw, row) for raw, row in zip(raws, rows, strict=True) if row is not BLANK]
    return numbers[np.array(is_row, bool)], [raw for raw, _ in kept], [row for _, row in kept]
