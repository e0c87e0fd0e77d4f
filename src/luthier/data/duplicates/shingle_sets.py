"""Sets of n-grams, and the true Jaccard similarity of many pairs of them at a time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from luthier.data.duplicates.shingles import Shingles

_SHINGLE_BITS = np.uint64(40)  # leaves 24 for the number of the set or pair; two texts of 10,000 n-grams
MAX_SETS = 1 << 24  # share one by accident with a chance of 1 in 10,000, which moves nothing


class ShingleSets(NamedTuple):
    """Distinct n-grams of several texts, one text after the other, 40 bits each and in order.

    Args:
        elements: uint64, shape [S].
        starts: Where each set's begin, and the end, int64, shape [N + 1].
    """

    elements: NDArray[np.uint64]
    starts: NDArray[np.int64]


def sets_of(shingles: Shingles) -> ShingleSets:
    """Return the distinct n-grams of each text; at most `MAX_SETS` texts."""
    lengths = np.diff(shingles.starts)
    owner = np.repeat(np.arange(len(lengths), dtype=np.uint64), lengths)
    keys = (owner << _SHINGLE_BITS) | (shingles.hashes >> (np.uint64(64) - _SHINGLE_BITS))
    keys.sort()
    is_first = np.ones(len(keys), bool)
    is_first[1:] = keys[1:] != keys[:-1]
    keys = keys[is_first]
    counts = np.bincount((keys >> _SHINGLE_BITS).astype(np.int64), minlength=len(lengths))
    mask = (np.uint64(1) << _SHINGLE_BITS) - np.uint64(1)
    return ShingleSets(keys & mask, np.concatenate([[0], np.cumsum(counts)]))


def jaccard(sets: ShingleSets, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the Jaccard similarity of each pair.

    Args:
        sets: Of which the pairs are.
        left: Number of one set of each pair, shape [P], at most `MAX_SETS`.
        right: Number of the other.
    """
    sizes = np.diff(sets.starts)
    elements = np.concatenate([_keyed(sets, left), _keyed(sets, right)])
    elements.sort()
    # Each side is a set, so that an element stands twice in a pair exactly if both sides have it.
    common = elements[1:][elements[1:] == elements[:-1]]
    shared = np.bincount((common >> _SHINGLE_BITS).astype(np.int64), minlength=len(left))
    similarity: NDArray[np.float64] = shared / (sizes[left] + sizes[right] - shared)
    return similarity


def _keyed(sets: ShingleSets, chosen: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return the elements of the chosen sets, each below the number of its pair."""
    lengths = np.diff(sets.starts)[chosen]
    ends = np.cumsum(lengths)
    within = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - lengths, lengths)
    pair = np.repeat(np.arange(len(chosen), dtype=np.uint64), lengths)
    elements = sets.elements[np.repeat(sets.starts[chosen], lengths) + within]
    keys: NDArray[np.uint64] = (pair << _SHINGLE_BITS) | elements
    return keys
