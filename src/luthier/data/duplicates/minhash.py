"""MinHash signatures of many sets at a time, and the bands under which similar sets meet (LSH).

The signatures are those of datasketch 2.0 (its scheme ``affine32``). Signatures of different schemes cannot be
compared, so none is ever stored.

Reference: Broder, "On the resemblance and containment of documents" (1997); Leskovec, Rajaraman, Ullman, "Mining of
Massive Datasets", chapter 3 (bands).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_MERSENNE = (1 << 61) - 1
_CELLS_AT_ONCE = 1 << 15  # of 4 bytes: stays in the second-level cache
_LONG_SET = 1 << 12
MAX_PERMUTATIONS = 160


def signatures(
    hashes: NDArray[np.uint32], starts: NDArray[np.int64], num_permutations: int, seed: int
) -> NDArray[np.uint32]:
    """Return the MinHash signature of each set.

    Args:
        hashes: 32-bit hashes of the elements, one set after the other, shape [S]; repeated ones change nothing.
        starts: Where each set's begin, and the end, shape [N + 1]; no set is empty.
        num_permutations: Values of a signature.
        seed: Of the permutations.

    Returns:
        Shape [N, num_permutations]. Two sets agree in a share of the values that estimates their Jaccard similarity.
    """
    factors, offsets = permutations(num_permutations, seed)
    mixed = _premix(hashes)
    lengths = np.diff(starts)
    result = np.empty((len(lengths), num_permutations), np.uint32)
    by_length = np.argsort(lengths, kind="stable")
    done = int(np.searchsorted(lengths[by_length], _LONG_SET))
    for row in by_length[done:]:
        elements = mixed[starts[row] : starts[row + 1]]
        for index in range(num_permutations):
            result[row, index] = (elements * factors[index] + offsets[index]).min()
    while done:
        # The longest of those that are left, and as many of similar length as fit: little is padded.
        longest = int(lengths[by_length[done - 1]])
        rows = by_length[max(0, done - max(1, _CELLS_AT_ONCE // longest)) : done]
        done -= len(rows)
        # Elements down, sets across: the minimum runs over whole lines. A short set repeats its last element.
        places = np.minimum(np.arange(longest)[:, None], lengths[rows] - 1) + starts[rows]
        elements = mixed[places]
        images = np.empty_like(elements)
        lowest = np.empty((num_permutations, len(rows)), np.uint32)
        for index in range(num_permutations):
            np.multiply(elements, factors[index], out=images)
            np.add(images, offsets[index], out=images)
            np.minimum.reduce(images, axis=0, out=lowest[index])
        result[rows] = lowest.T
    return result


def permutations(num_permutations: int, seed: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Return factors (odd, so that the map is a bijection) and offsets modulo 2^32, as datasketch draws them."""
    generator = np.random.RandomState(seed)
    factors = generator.randint(0, 1 << 31, num_permutations, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return factors, generator.randint(0, 1 << 32, num_permutations, dtype=np.uint32)


def legacy_signature(hashes: NDArray[np.uint64], num_permutations: int, seed: int) -> NDArray[np.uint64]:
    """Return the signature of one set as datasketch 1.x made it, to compare with signatures that it stored.

    Args:
        hashes: 32-bit hashes of the elements, shape [S].
        num_permutations: Values of the signature.
        seed: Of the permutations.
    """
    generator = np.random.RandomState(seed)
    lowest = []
    for _ in range(num_permutations):
        factor = generator.randint(1, _MERSENNE, dtype=np.uint64)
        offset = generator.randint(0, _MERSENNE, dtype=np.uint64)
        images = (hashes * factor + offset) % np.uint64(_MERSENNE) & np.uint64(0xFFFFFFFF)
        lowest.append(images.min())
    return np.array(lowest, np.uint64)


def banding(threshold: float, *, recall: float = 0.99) -> tuple[int, int]:
    """Return how many bands of how many values find pairs at the threshold with the wanted probability.

    Sets of similarity s meet in one of b bands of r values with probability 1 - (1 - s^r)^b. The more
    values a band has the fewer unlike sets meet; `MAX_PERMUTATIONS` bounds what a signature costs.

    Args:
        threshold: Jaccard similarity.
        recall: Probability of finding a pair that is exactly that similar; more similar ones are found more often.
    """
    best = (MAX_PERMUTATIONS, 1)
    for rows in range(1, MAX_PERMUTATIONS + 1):
        meets = threshold**rows
        bands = 1 if meets == 1.0 else math.ceil(math.log(1 - recall) / math.log1p(-meets))
        if bands * rows > MAX_PERMUTATIONS:
            break
        best = (bands, rows)
    return best


def band_hashes(signature: NDArray[np.uint32], bands: int, rows: int) -> NDArray[np.uint64]:
    """Return one 64-bit hash per band and set, shape [bands, N]; sets with equal values in a band have equal ones."""
    hashes = np.zeros((bands, len(signature)), np.uint64)
    for row in range(rows):
        hashes ^= hashes >> np.uint64(32)
        hashes *= np.uint64(0xFF51AFD7ED558CCD)
        hashes += signature[:, row : bands * rows : rows].T
    return hashes


def _premix(hashes: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Spread every bit over all bits, without loss (the finalizer of MurmurHash3, 32 bits)."""
    mixed = hashes ^ (hashes >> np.uint32(16))
    mixed *= np.uint32(0x85EBCA6B)
    mixed ^= mixed >> np.uint32(13)
    mixed *= np.uint32(0xC2B2AE35)
    mixed ^= mixed >> np.uint32(16)
    return mixed
