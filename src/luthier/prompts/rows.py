"""Rows of an evaluation set or a pool, with their fields by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from luthier.core.errors import DataError
from luthier.data.sources import num_surplus, read_rows


@dataclass(frozen=True)
class PromptRow:
    """A row that a prompt is filled with.

    Args:
        source: The file.
        number: Of the row in it, from 1.
        fields: By name.
    """

    source: str
    number: int
    fields: Mapping[str, Any]

    @property
    def place(self) -> str:
        """Where it stands, for messages."""
        return f"{self.source}, row {self.number}"


def read_prompt_rows(path: Path) -> list[PromptRow]:
    """Return all rows of a file.

    Raises:
        DataError: The file cannot be read, or a row has no fields or more than its header.
    """
    rows = []
    for number, row in read_rows(path):
        if not isinstance(row, Mapping):
            raise DataError(f"holds a {type(row).__name__}, no fields", where=f"{path}, row {number}")
        if surplus := num_surplus(row):
            problem = f"has {surplus} fields more than the header"
            raise DataError(problem, where=f"{path}, row {number}", cure="quote fields that hold a comma")
        rows.append(PromptRow(str(path), number, row))
    return rows


def given_rows(rows: Sequence[Mapping[str, Any]], source: str) -> list[PromptRow]:
    """Return rows that stand in a prompt file itself."""
    return [PromptRow(f"{source}: examples.rows", number, row) for number, row in enumerate(rows, start=1)]


def row_of(rows: Sequence[PromptRow], number: int, path: Path | str) -> PromptRow:
    """Return the row of a number.

    Raises:
        DataError: There is none.
    """
    found = next((row for row in rows if row.number == number), None)
    if found is None:
        numbers = f"{rows[0].number} to {rows[-1].number}"
        raise DataError(
            f"there is no row {number}", where=str(path), cure=f"its rows have the numbers {numbers}"
        )
    return found


def sampled(rows: Sequence[PromptRow], count: int | None, seed: int) -> list[PromptRow]:
    """Return rows drawn at random without repetition, in their order; all where no number is asked for."""
    if count is None or count >= len(rows):
        return list(rows)
    chosen = np.random.default_rng(seed).choice(len(rows), size=count, replace=False)
    return [rows[index] for index in sorted(chosen)]
