"""Steps that leave out rows like another: all but one of each group, or those like a row that is held out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow
from numpy.typing import NDArray

from luthier.data.duplicates.links import Components, Finder, Links
from luthier.data.duplicates.verdicts import RowPlaces, judged, noted, verdicts_on
from luthier.data.operators.spool import spooled

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
        rows = RowPlaces()
        with closing(self.make_finder()) as finder, spooled(noted(batches, finder, rows)) as again:
            links = finder.links()
            labels = _labels(links, len(rows))
            stays = labels if self.keep == "first" else _longest(labels, rows.lengths)
            left_out = np.flatnonzero(stays != np.arange(len(stays)))
            yield from judged(again(), verdicts_on(left_out, stays[left_out], finder, links, rows))


@dataclass(frozen=True)
class RemoveLikeOthers:
    """Leaves out rows that are like one of another set; those of the set, and rows like each other, stay.

    Args:
        others: Rows of the set: those that are held out.
        make_finder: Makes what finds rows that are alike.
        reason: Code under which a row is left out.
    """

    others: Iterable[pyarrow.RecordBatch]
    make_finder: Callable[[], Finder]
    reason: str

    def __call__(self, batches: Iterable[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        """Take all batches, then yield them with the verdicts."""
        rows = RowPlaces()
        with closing(self.make_finder()) as finder:
            deque(noted(self.others, finder, rows), maxlen=0)
            num_others = len(rows)
            with spooled(noted(batches, finder, rows)) as again:
                links = finder.links()
                labels = _labels(links, len(rows))
                # A group is named after its first row, and the others come first.
                left_out = num_others + np.flatnonzero(labels[num_others:] < num_others)
                verdicts = verdicts_on(left_out, labels[left_out], finder, links, rows)
                out = {row: (self.reason, detail) for row, (_, detail) in verdicts.items()}
                yield from judged(again(), out, first=num_others)


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
        links = finder.links()
    return _labels(links, num_rows)


def _labels(links: Links, num_rows: int) -> NDArray[np.int64]:
    components = Components(num_rows)
    components.connect(links.left, links.right)
    return components.labels


def _longest(labels: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each row the longest row of its group, the first of equally long ones."""
    order = np.lexsort((-lengths, labels))  # stable
    _, first = np.unique(labels[order], return_index=True)
    longest = np.empty_like(labels)
    longest[labels[order][first]] = order[first]  # by label, which is the number of the group's first row
    result: NDArray[np.int64] = longest[labels]
    return result
