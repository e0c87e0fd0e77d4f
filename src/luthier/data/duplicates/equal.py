"""Which rows have equal content, from 16 bytes a row."""

from __future__ import annotations

import numpy as np
import xxhash
from numpy.typing import NDArray


class Digests:
    """Hashes of contents, in order: 128 bits, so that two contents of a billion agree by accident never."""

    def __init__(self) -> None:
        self._digests = bytearray()

    def __getitem__(self, number: int) -> bytes:
        return bytes(self._digests[16 * number : 16 * number + 16])

    def append(self, content: str) -> None:
        """Remember a content."""
        self._digests += xxhash.xxh3_128_digest(content.encode("utf-8", "surrogatepass"))

    def first_equal(self) -> NDArray[np.int64]:
        """Return for each content the number of the first that is equal to it, shape [N]."""
        halves = np.frombuffer(self._digests, np.uint64).reshape(-1, 2).T
        order = np.lexsort((halves[1], halves[0]))  # stable: equal ones stay in their order
        is_new = np.ones(len(order), bool)
        is_new[1:] = (halves[:, order[1:]] != halves[:, order[:-1]]).any(axis=0)
        first = np.empty(len(order), np.int64)
        first[order] = order[is_new][np.cumsum(is_new) - 1]
        return first
