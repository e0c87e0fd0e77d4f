"""TaskBatch: a micro-batch that knows which task it belongs to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch


@dataclass(frozen=True)
class TaskBatch:
    """One micro-batch of one task.

    Args:
        task: Number of the task.
        batch: As the task's own objective collated it.
    """

    task: int
    batch: Any

    @property
    def places(self) -> tuple[str, ...]:
        """Where each row stands, for messages."""
        places: tuple[str, ...] = self.batch.places
        return places

    @property
    def num_supervised(self) -> int:
        """Items that enter the loss."""
        return int(self.batch.num_supervised)

    @property
    def weight(self) -> float:
        """Sum of the weights of those items."""
        return float(self.batch.weight)

    def unweighted(self) -> TaskBatch:
        """Return the batch with every row at weight 1, as it is measured."""
        return replace(self, batch=self.batch.unweighted())

    def to(self, device: torch.device | str) -> TaskBatch:
        """Return the batch with its tensors on ``device``."""
        return replace(self, batch=self.batch.to(device))
