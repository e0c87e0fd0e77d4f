"""Character n-grams of texts as 64-bit hashes, many texts at a time; the same for every script, so Chinese works."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio, odd
_PADDING = "\0"  # of a text shorter than one n-gram


class Shingles(NamedTuple):
    """The n-grams of several texts, one text after the other, repeated ones included.

    Args:
        hashes: uint64, shape [S].
        starts: Where each text's begin, and the end, int64, shape [N + 1].
    """

    hashes: NDArray[np.uint64]
    starts: NDArray[np.int64]


def fold(texts: Sequence[str]) -> str:
    """Return the texts of a row as one, without what makes no difference: case, width and white space."""
    return " ".join(unicodedata.normalize("NFKC", "\n".join(texts)).casefold().split())


def shingles_of(texts: Sequence[str], ngram: int) -> Shingles:
    """Return the character n-grams of each text; a text shorter than one is one as a whole.

    Args:
        texts: Folded; see `fold`.
        ngram: Characters of an n-gram.
    """
    padded = [text if len(text) >= ngram else text.ljust(ngram, _PADDING) for text in texts]
    lengths = np.fromiter(map(len, padded), np.int64, len(padded))
    codes = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), np.uint32)
    num_windows = max(0, len(codes) - ngram + 1)
    hashes = np.zeros(num_windows, np.uint64)
    for place in range(ngram):
        # Three code points of 21 bits fit without loss; from the fourth on earlier ones are mixed.
        if place >= 3:
            hashes ^= hashes >> np.uint64(31)
            hashes *= _MULTIPLIER
        else:
            hashes <<= np.uint64(21)
        hashes += codes[place : place + num_windows]
    _mix(hashes)
    counts = lengths - (ngram - 1)
    starts = np.concatenate([[0], np.cumsum(counts)])
    # Windows that reach from one text into the next are left out.
    ends = np.cumsum(lengths)
    is_within = np.ones(num_windows, bool)
    for back in range(1, ngram):
        across = ends[:-1] - back
        is_within[across] = False
    return Shingles(hashes[is_within], starts)


def _mix(hashes: NDArray[np.uint64]) -> None:
    """Spread every bit over all bits, in place and without loss (the finalizer of MurmurHash3, 64 bits)."""
    for multiplier in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        hashes ^= hashes >> np.uint64(33)
        hashes *= np.uint64(multiplier)
    hashes ^= hashes >> np.uint64(33)
