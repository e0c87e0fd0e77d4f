"""Histogram of whole numbers in bounded memory: exact below 256, within 0.8 % above."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Self

_EXACT = 256
_STEPS = _EXACT // 2
"""Buckets between a power of two and the next."""


class Histogram:
    """Numbers from 0, counted in buckets whose width grows with the number, as in HdrHistogram."""

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self.count = 0
        self.total = 0
        self.low = 0
        self.high = 0

    def add(self, value: int) -> None:
        """Count a number."""
        if value < _EXACT:
            self._buckets[value] += 1
        else:
            shift = value.bit_length() - 8
            self._buckets[shift * _STEPS + (value >> shift)] += 1
        self.low = value if not self.count else min(self.low, value)
        self.high = max(self.high, value)
        self.count += 1
        self.total += value

    def merge(self, other: Histogram) -> Self:
        """Count all that another histogram has counted."""
        if other.count:
            self.low = min(self.low, other.low) if self.count else other.low
        self.high = max(self.high, other.high)
        self._buckets.update(other._buckets)
        self.count += other.count
        self.total += other.total
        return self

    @property
    def mean(self) -> float:
        """Exact mean; 0 of nothing."""
        return self.total / self.count if self.count else 0.0

    def quantile(self, share: float) -> int:
        """Return a number that the share of all numbers does not exceed, up to the width of its bucket."""
        wanted, seen = share * self.count, 0
        for low, width, number in self._ordered():
            seen += number
            if seen >= wanted:
                return min(max(low + (width - 1) // 2, self.low), self.high)
        return self.high

    def above(self, limit: int) -> int:
        """Return how many numbers are above a limit, up to the width of its bucket."""
        return sum(number for low, _, number in self._ordered() if low > limit)

    def in_bins(self, edges: Sequence[int]) -> list[int]:
        """Return how many numbers are below the first edge, from each edge to the next, and from the last on."""
        counts = [0] * (len(edges) + 1)
        place = 0
        for low, _, number in self._ordered():
            while place < len(edges) and low >= edges[place]:
                place += 1
            counts[place] += number
        return counts

    def _ordered(self) -> Iterator[tuple[int, int, int]]:
        """Yield lower bound, width and count of each bucket, by growing numbers."""
        for bucket in sorted(self._buckets):
            shift = max(0, bucket // _STEPS - 1)
            yield (bucket - shift * _STEPS) << shift, 1 << shift, self._buckets[bucket]
