"""Links: pairs of rows that are alike; Finder: what finds them; connected rows (union-find)."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import pyarrow
from numpy.typing import NDArray


class Links(NamedTuple):
    """Pairs of rows that are alike, by their numbers.

    Args:
        left: The earlier row of each pair, int64, shape [P].
        right: The later one.
        similarity: How alike they are, up to 1, float64, shape [P].
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    similarity: NDArray[np.float64]


class Finder(Protocol):
    """Finds rows that are alike. Rows are numbered from 0 in the order in which they are added."""

    reason: str
    """Code under which a row is left out."""

    def add(self, rows: pyarrow.RecordBatch) -> None:
        """Take rows of `ROW_BATCH`."""

    def links(self) -> Links:
        """Return links that connect all rows that are alike, once all rows are added."""

    def similarity(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return how alike the rows of each pair are, linked or not."""

    def describe(self, row: int, other: int, similarity: float, place: str) -> str:
        """Say what a row has in common with another, which stands at ``place``."""

    def close(self) -> None:
        """Delete temporary files."""


def joined(parts: list[Links]) -> Links:
    """Return the links of all parts."""
    if not parts:
        nothing = np.empty(0, np.int64)
        return Links(nothing, nothing, np.empty(0))
    left, right, similarity = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return Links(left, right, similarity)


class Components:
    """Rows that are connected, directly or through others; a component is named after its first row."""

    def __init__(self, num_rows: int) -> None:
        self._parent = np.arange(num_rows)

    def connect(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> None:
        """Connect the rows of each pair."""
        for one, other in zip(left.tolist(), right.tolist(), strict=True):
            self.connect_rows(one, other)

    def connect_rows(self, one: int, other: int) -> None:
        """Connect two rows."""
        one, other = self._root(one), self._root(other)
        if one != other:
            self._parent[max(one, other)] = min(one, other)

    def _root(self, row: int) -> int:
        parent = self._parent
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = int(parent[row])
        return row

    @property
    def labels(self) -> NDArray[np.int64]:
        """The first row of each row's component, shape [N]."""
        parent = self._parent
        while not np.array_equal(parent, above := parent[parent]):
            parent = above
        self._parent = parent
        return parent.copy()
