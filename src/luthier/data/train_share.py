"""A share of the training rows: drawn by content and seed, so that a smaller share is part of a larger one."""

from __future__ import annotations

from dataclasses import dataclass

import xxhash

from luthier.data.duplicates.exact import content_hash
from luthier.data.sample import Sample


@dataclass(frozen=True)
class Share:
    """Which training rows are trained.

    Args:
        share: From 0 to 1; each row is in by its own draw, so that the number of rows is near it, not exact.
        seed: Of the draw.
    """

    share: float
    seed: int

    def takes(self, sample: Sample) -> bool:
        """Return whether a row is trained; neither order nor number of the rows matter."""
        if self.share >= 1.0:
            return True
        return xxhash.xxh3_64_intdigest(content_hash(sample), seed=self.seed) < self.share * 2**64

    def notices(self, num_passed_over: int, num_rows: int) -> tuple[str, ...]:
        """Return what a user should read of it."""
        if self.share >= 1.0:
            return ()
        taken = num_rows - num_passed_over
        return (f"data.train_share: {taken:,} of {num_rows:,} training rows are trained",)


ALL = Share(1.0, 0)
"""Every row."""
