"""Verdicts on rows that are like another: which is left out, and what it has in common with the one that stays."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pyarrow
from numpy.typing import NDArray

from luthier.data.duplicates.links import Finder, Links
from luthier.data.operators.batch import leave_out_at


class RowPlaces:
    """Where each row stands and how long it is."""

    def __init__(self) -> None:
        self._sources: dict[str, int] = {}
        self._source = array("i")
        self._number = array("q")
        self._length = array("q")

    def __len__(self) -> int:
        return len(self._number)

    def add(self, rows: pyarrow.RecordBatch) -> None:
        """Take rows of `ROW_BATCH`."""
        for source in rows["source"].to_pylist():
            self._source.append(self._sources.setdefault(source, len(self._sources)))
        self._number.extend(rows["row"].to_pylist())
        self._length.extend(sum(map(len, texts)) for texts in rows["texts"].to_pylist())

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Characters of each row."""
        return np.array(self._length, np.int64)

    def place(self, row: int) -> str:
        """Where a row stands, for messages."""
        return f"{list(self._sources)[self._source[row]]}, row {self._number[row]}"


def noted(
    batches: Iterable[pyarrow.RecordBatch], finder: Finder, rows: RowPlaces
) -> Iterator[pyarrow.RecordBatch]:
    """Yield the batches, and give their kept rows to the finder as they pass."""
    for batch in batches:
        kept = batch.filter(batch["reason"].is_null())
        finder.add(kept)
        rows.add(kept)
        yield batch


def verdicts_on(
    left_out: NDArray[np.int64], kept: NDArray[np.int64], finder: Finder, links: Links, rows: RowPlaces
) -> dict[int, tuple[str, str]]:
    """Return reason and detail of each row that is left out, by its number.

    Args:
        left_out: Numbers of rows.
        kept: For each of them the row that stays in its place.
        finder: That found them.
        links: What it found.
        rows: Where they stand.
    """
    similarity = finder.similarity(left_out, kept)
    closest = _closest(links)
    verdicts = {}
    for row, other, alike in zip(left_out.tolist(), kept.tolist(), similarity.tolist(), strict=True):
        detail = finder.describe(row, other, alike, rows.place(other))
        near, nearness = closest[row]
        if nearness > alike:
            detail += f", through {rows.place(near)} ({nearness:.2f})"
        verdicts[row] = (finder.reason, detail)
    return verdicts


def judged(
    batches: Iterable[pyarrow.RecordBatch], verdicts: Mapping[int, tuple[str, str]], *, first: int = 0
) -> Iterator[pyarrow.RecordBatch]:
    """Yield batches with verdicts on their kept rows.

    Args:
        batches: As the finder saw them.
        verdicts: Reason and detail, by number of the kept row.
        first: Number of the first kept row.
    """
    for batch in batches:
        kept = np.flatnonzero(batch["reason"].is_null().to_numpy(zero_copy_only=False))
        out = {int(index): verdicts[first + n] for n, index in enumerate(kept) if first + n in verdicts}
        yield leave_out_at(batch, out)
        first += len(kept)


def _closest(links: Links) -> dict[int, tuple[int, float]]:
    """Return for each linked row the one that is most like it, and how much."""
    closest: dict[int, tuple[int, float]] = {}
    for left, right, similarity in zip(*(column.tolist() for column in links), strict=True):
        for row, other in ((left, right), (right, left)):
            if row not in closest or similarity > closest[row][1]:
                closest[row] = (other, similarity)
    return closest
