"""Ratings as arrays: which label each rater gave each row, and how many chose each label."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from luthier.core.errors import DataError
from luthier.data.annotation.items import Item

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MISSING = -1
"""Stands where a rater gave a row no label."""


@dataclass(frozen=True)
class RatingTable:
    """Ratings of N rows by R named raters and by others, over L labels.

    Args:
        rows: Row ids.
        raters: Names.
        labels: In their order, which an ordinal scale needs.
        labels_NR: Index of the label, or `MISSING`.
        anonymous_NL: How many raters without a name chose each label.
    """

    rows: tuple[str, ...]
    raters: tuple[str, ...]
    labels: tuple[str, ...]
    labels_NR: IntArray
    anonymous_NL: IntArray

    @cached_property
    def counts_NL(self) -> IntArray:
        """How many raters, named or not, chose each label."""
        counts_NL = self.anonymous_NL.copy()
        rows, raters = np.nonzero(self.labels_NR != MISSING)
        np.add.at(counts_NL, (rows, self.labels_NR[rows, raters]), 1)
        return counts_NL

    @property
    def num_anonymous(self) -> int:
        """Ratings whose rater has no name."""
        return int(self.anonymous_NL.sum())

    def require_names(self, purpose: str) -> None:
        """Refuse what cannot be told without knowing who rated.

        Raises:
            DataError: No rater has a name, or some ratings have none.
        """
        if self.raters and not self.num_anonymous:
            return
        problem = (
            f"{self.num_anonymous:,} ratings are counts without raters"
            if self.num_anonymous
            else "no ratings"
        )
        cure = "import ratings that name their raters (a column per rater)"
        raise DataError(f"{problem}: {purpose} needs to know who rated what", cure=cure)


def table_of(items: Iterable[Item], labels: Sequence[str]) -> RatingTable:
    """Return the ratings of items as arrays; a rater's last rating of a row counts.

    Raises:
        DataError: A label is not in ``labels``; rater and row are named.
    """
    index = {label: number for number, label in enumerate(labels)}
    raters: dict[str, int] = {}
    rows: list[str] = []
    cells: list[tuple[int, int, int]] = []
    anonymous: list[tuple[int, int, int]] = []
    for number, item in enumerate(items):
        rows.append(item.id)
        for rating in item.ratings:
            rater = raters.setdefault(rating.rater, len(raters))
            label = MISSING if rating.label is None else index.get(rating.label)
            if label is None:
                raise _not_a_label(item, f"rater {rating.rater}", str(rating.label), labels)
            cells.append((number, rater, label))
        for name, count in item.counts.items():
            if name not in index:
                raise _not_a_label(item, "counts", name, labels)
            anonymous.append((number, index[name], count))
    labels_NR = np.full((len(rows), len(raters)), MISSING, dtype=np.int64)
    for row, rater, label in cells:
        labels_NR[row, rater] = label
    anonymous_NL = np.zeros((len(rows), len(index)), dtype=np.int64)
    for row, label, count in anonymous:
        anonymous_NL[row, label] += count
    return RatingTable(tuple(rows), tuple(raters), tuple(labels), labels_NR, anonymous_NL)


def labels_in(items: Iterable[Item]) -> tuple[str, ...]:
    """Return every label that occurs: as numbers where all are, in the order of the alphabet otherwise."""
    found: set[str] = set()
    for item in items:
        found.update(rating.label for rating in item.ratings if rating.label is not None)
        found.update(item.counts)
        found.update([item.gold.label] if item.gold else [])
    return tuple(sorted(found, key=float) if all(map(is_number, found)) else sorted(found))


def is_number(label: str) -> bool:
    """Whether a label is the name of a finite number."""
    try:
        return math.isfinite(float(label))
    except ValueError:
        return False


def _not_a_label(item: Item, who: str, label: str, labels: Sequence[str]) -> DataError:
    place = f"{item.where or f'row {item.id}'}, {who}"
    return DataError(f"{label!r} is not a label", where=place, cure=f"labels: {', '.join(labels)}")
