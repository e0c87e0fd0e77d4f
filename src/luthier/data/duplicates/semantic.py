"""Semantic duplicates: rows that say the same in other words, by the angle between their embeddings.

The embedding model is passed in, so that this file needs none. A row costs the bytes of its vector in half
precision and of its links in the index (usearch, HNSW; Malkov and Yashunin 2016, arXiv:1603.09320); the vectors in
full lie in a temporary file, and every pair that the index proposes is verified with them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow
from numpy.typing import NDArray

from luthier.core.errors import DataError
from luthier.core.optional import require
from luthier.data.duplicates.links import Links, joined
from luthier.data.duplicates.text_spool import bounded

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts to vectors of unit length, float32, shape [N, D]."""

_NEIGHBOURS = 16
_ROWS_AT_ONCE = 2000
_EXACT_ROWS = 20_000  # up to here all pairs are compared: the index saves no time


class SemanticDuplicates:
    """Finds rows whose embeddings have a cosine similarity at or above a threshold.

    Each row is compared with the rows nearest to it. Up to 20,000 rows nearest is exact; beyond, the index
    finds nearly all.

    Args:
        embed: Texts to vectors of unit length.
        threshold: Cosine similarity from which two rows are duplicates; it depends on the model.
    """

    reason = "semantic_duplicate"

    def __init__(self, embed: Embed, threshold: float = 0.95) -> None:
        self._embed = embed
        self._threshold = threshold
        self._file = tempfile.TemporaryFile(prefix="luthier-vectors-")  # noqa: SIM115
        self._size: int | None = None
        self._num_rows = 0

    def add(self, rows: pyarrow.RecordBatch) -> None:
        """Take rows of `ROW_BATCH`."""
        texts = ["\n".join(parts) for parts in rows["texts"].to_pylist()]
        if not texts:
            return
        vectors = np.ascontiguousarray(self._embed(texts), np.float32)
        self._check(vectors, len(texts))
        self._file.write(vectors.tobytes())
        self._size = vectors.shape[1]
        self._num_rows += len(vectors)

    def links(self) -> Links:
        """Return links between each row and those of its nearest rows that are alike."""
        if self._num_rows < 2:
            return joined([])
        found = []
        search = self._search_all() if self._num_rows <= _EXACT_ROWS else self._search_index()
        for begin in range(0, self._num_rows, _ROWS_AT_ONCE):
            rows = np.arange(begin, min(begin + _ROWS_AT_ONCE, self._num_rows))
            nearest = search(self._vectors(rows))
            one, other = np.repeat(rows, nearest.shape[1]), nearest.ravel()
            is_pair = one != other
            left, right = np.minimum(one, other)[is_pair], np.maximum(one, other)[is_pair]
            similarity = self.similarity(left, right)
            is_alike = similarity >= self._threshold
            found.append(Links(left[is_alike], right[is_alike], similarity[is_alike]))
        return joined(found)

    def similarity(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the cosine similarity of each pair of rows."""
        result = np.empty(len(left))
        for block in bounded(np.ones(len(left), np.int64), _ROWS_AT_ONCE * _NEIGHBOURS):
            products = np.einsum("pd,pd->p", self._vectors(left[block]), self._vectors(right[block]))
            result[block] = np.minimum(products, 1.0)
        return result

    def describe(self, row: int, other: int, similarity: float, place: str) -> str:
        """Say how close a row is to another."""
        return f"{similarity:.2f} similar to {place} (cosine of embeddings)"

    def close(self) -> None:
        """Delete temporary files."""
        self._file.close()

    def _check(self, vectors: NDArray[np.float32], num_texts: int) -> None:
        if vectors.ndim != 2 or len(vectors) != num_texts or self._size not in (None, vectors.shape[1]):
            problem = f"the embedding model returned the shape {vectors.shape} for {num_texts} texts"
            raise DataError(problem, cure="one vector per text, all of one size")
        if not np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-3):
            raise DataError("the embedding model returned vectors that are not of unit length")

    def _vectors(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        self._file.flush()
        shape = (self._num_rows, self._size or 0)
        return np.asarray(np.memmap(self._file, np.float32, "r", shape=shape)[rows])

    def _search_all(self) -> Callable[[NDArray[np.float32]], NDArray[np.int64]]:
        vectors = self._vectors(np.arange(self._num_rows))
        count = min(_NEIGHBOURS + 1, self._num_rows)  # a row is its own nearest

        def search(queries: NDArray[np.float32]) -> NDArray[np.int64]:
            nearest = np.argpartition(queries @ vectors.T, -count, axis=1)[:, -count:]
            return nearest.astype(np.int64)

        return search

    def _search_index(self) -> Callable[[NDArray[np.float32]], NDArray[np.int64]]:
        usearch: Any = require(
            "usearch.index",
            extra="data",
            purpose=f"Finding semantic duplicates among {self._num_rows:,} rows",
        )
        index = usearch.Index(ndim=self._size, metric="cos", dtype="f16")
        for begin in range(0, self._num_rows, _ROWS_AT_ONCE):
            rows = np.arange(begin, min(begin + _ROWS_AT_ONCE, self._num_rows))
            index.add(rows, self._vectors(rows))

        def search(queries: NDArray[np.float32]) -> NDArray[np.int64]:
            return np.asarray(index.search(queries, _NEIGHBOURS + 1).keys, np.int64)

        return search
