"""Categories: values counted up to a number of different ones, so that memory stays bounded."""

from __future__ import annotations

from collections import Counter
from typing import Self

OTHER = "(other values)"


class Categories:
    """Counts values; once there are too many different ones, new ones are counted together.

    Args:
        limit: Different values that are kept apart.
    """

    def __init__(self, limit: int = 1000) -> None:
        self.limit = limit
        self.counts: Counter[str] = Counter()

    def add(self, value: str, number: int = 1) -> str:
        """Count a value, and return the name that it is counted under."""
        if value not in self.counts and len(self.counts) >= self.limit:
            value = OTHER
        self.counts[value] += number
        return value

    def merge(self, other: Categories) -> Self:
        """Count all that another has counted."""
        for value, number in other.counts.items():
            self.add(value, number)
        return self

    @property
    def total(self) -> int:
        """All that was counted."""
        return self.counts.total()

    @property
    def is_capped(self) -> bool:
        """Whether there were more different values than are kept apart."""
        return OTHER in self.counts

    def largest(self) -> list[tuple[str, int]]:
        """Return values and counts, the largest first, equal ones in the order of the alphabet."""
        return sorted(self.counts.items(), key=lambda entry: (-entry[1], entry[0]))
