"""How many new rows: a share of the rows, or as many as a rare class lacks, never more than the cap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from luthier.core.errors import DataError


@dataclass(frozen=True)
class Quota:
    """How many new rows are made.

    Args:
        shares: New rows of each kind, as a share of the source rows; also their proportion where
            ``min_per_class`` says how many there are in all.
        max_share: Cap: greatest share of augmented rows among all rows that come out, and, where classes
            are counted, within each class.
        is_per_class: Whether each class gets its own share, and has its own cap.
        min_per_class: Fill up classes that have fewer rows; the others get none.

    Raises:
        DataError: A number is out of its range.
    """

    shares: Sequence[float]
    max_share: float = 0.5
    is_per_class: bool = False
    min_per_class: int | None = None

    def __post_init__(self) -> None:
        if not self.shares or any(share <= 0 for share in self.shares):
            raise DataError(
                f"the shares of augmentation are {list(self.shares)}; positive ones were expected"
            )
        if not 0 < self.max_share < 1:
            raise DataError(
                f"the cap on augmented rows is {self.max_share}; a share between 0 and 1 was expected"
            )

    @property
    def needs_classes(self) -> bool:
        """Whether rows are counted by class."""
        return self.is_per_class or self.min_per_class is not None

    def wanted(self, num_rows: int, num_augmented: int) -> tuple[int, int]:
        """Return how many rows to add to a class (or to all), and how many more the cap forbids.

        Args:
            num_rows: Source rows.
            num_augmented: Rows that an earlier augmentation added.
        """
        if self.min_per_class is not None:
            asked = self.min_per_class - num_rows - num_augmented
        else:
            asked = round(sum(self.shares) * num_rows) - num_augmented
        # The small term keeps 0.3 / 0.7 · 70 at 30.
        cap = int(self.max_share / (1 - self.max_share) * num_rows + 1e-9) - num_augmented
        asked = max(0, asked)
        allowed = max(0, min(asked, cap))
        return allowed, asked - allowed


def draws(
    rows: Sequence[int], shares: Sequence[float], generator: np.random.Generator
) -> Iterator[tuple[int, int]]:
    """Yield pairs of a row and a kind without end: each row once before any comes again, kinds in proportion.

    Args:
        rows: Row numbers.
        shares: Weights of the kinds.
        generator: Makes the choice.
    """
    credit = np.zeros(len(shares))
    weights = np.asarray(shares, dtype=float) / sum(shares)
    while rows:
        for row in generator.permutation(np.asarray(rows)):
            credit += weights
            kind = int(credit.argmax())
            credit[kind] -= 1.0
            yield int(row), kind
