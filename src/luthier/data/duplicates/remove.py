"""RemoveDuplicates: a step that keeps one row of each group that is alike and leaves out the others, with reasons."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow
from numpy.typing import NDArray

from luthier.data.duplicates.links import Components, Finder, Links
from luthier.data.operators.batch import Verdict, leave_out
from luthier.data.operators.spool import BatchSpool

Keep = Literal["first", "longest"]


@dataclass(frozen=True)
class RemoveDuplicates:
    """Leaves out rows that are like one that is kept; all others pass unchanged, in their order.

    Rows that are connected through others count as alike. Memory holds about 40 bytes a row beside what the
    finder needs; the rows wait in a temporary file until all are seen.

    Args:
        make_finder: Makes what finds rows that are alike.
        keep: Which row of a group stays: the first, or the one with most characters (the first of them).
    """

    make_finder: Callable[[], Finder]
    keep: Keep = "first"

    def __call__(self, batches: Iterable[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        """Take all batches, then yield them with the verdicts."""
        with (
            closing(self.make_finder()) as finder,
            tempfile.TemporaryDirectory(prefix="luthier-duplicates-") as folder,
        ):
            rows = _Rows()
            spool = BatchSpool(Path(folder) / "rows.arrow").fill(_noted(batches, finder, rows))
            verdicts = _verdicts(finder, rows, self.keep)
            done = 0
            for batch in spool:
                judge = _Judge(verdicts, done)
                yield leave_out(batch, judge)
                done += judge.num_rows


def group_labels(batches: Iterable[pyarrow.RecordBatch], finder: Finder) -> NDArray[np.int64]:
    """Return for each kept row the number of the first row that it is connected to, shape [N].

    Args:
        batches: Rows of `ROW_BATCH`; those that are left out already are not numbered.
        finder: Finds rows that are alike; it is closed.
    """
    num_rows = 0
    with closing(finder):
        for batch in batches:
            kept = batch.filter(batch["reason"].is_null())
            finder.add(kept)
            num_rows += kept.num_rows
        components = Components(num_rows)
        links = finder.links()
    components.connect(links.left, links.right)
    return components.labels


def _noted(
    batches: Iterable[pyarrow.RecordBatch], finder: Finder, rows: _Rows
) -> Iterator[pyarrow.RecordBatch]:
    """Yield the batches, and give their kept rows to the finder as they pass."""
    for batch in batches:
        kept = batch.filter(batch["reason"].is_null())
        finder.add(kept)
        rows.add(kept)
        yield batch


class _Rows:
    """Where each row stands and how long it is."""

    def __init__(self) -> None:
        self._sources: dict[str, int] = {}
        self._source = array("i")
        self._number = array("q")
        self._length = array("q")

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


class _Judge:
    """Says for the kept rows of one batch what was decided for all."""

    def __init__(self, verdicts: dict[int, tuple[str, str]], first: int) -> None:
        self._verdicts = verdicts
        self._first = first
        self.num_rows = 0

    def __call__(self, texts: Sequence[Any]) -> list[Verdict]:
        self.num_rows = len(texts)
        return [self._verdicts.get(self._first + row) for row in range(len(texts))]


def _verdicts(finder: Finder, rows: _Rows, keep: Keep) -> dict[int, tuple[str, str]]:
    """Return reason and detail of each row that is left out."""
    links = finder.links()
    lengths = rows.lengths
    components = Components(len(lengths))
    components.connect(links.left, links.right)
    labels = components.labels
    stays = labels if keep == "first" else _longest(labels, lengths)
    left_out = np.flatnonzero(stays != np.arange(len(stays)))
    kept = stays[left_out]
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


def _longest(labels: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each row the longest row of its group, the first of equally long ones."""
    order = np.lexsort((-lengths, labels))  # stable
    _, first = np.unique(labels[order], return_index=True)
    longest = np.empty_like(labels)
    longest[labels[order][first]] = order[first]  # by label, which is the number of the group's first row
    result: NDArray[np.int64] = longest[labels]
    return result


def _closest(links: Links) -> dict[int, tuple[int, float]]:
    """Return for each linked row the one that is most like it, and how much."""
    closest: dict[int, tuple[int, float]] = {}
    for left, right, similarity in zip(*(column.tolist() for column in links), strict=True):
        for row, other in ((left, right), (right, left)):
            if row not in closest or similarity > closest[row][1]:
                closest[row] = (other, similarity)
    return closest
