"""Held-out loss of several tasks: each by itself, and all together."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

from luthier.objectives.contract import Loss
from luthier.objectives.multitask.task_batch import TaskBatch

CountBy = Literal["rows", "items"]


class HeldOutTasks:
    """Adds up the held-out loss of each task.

    Args:
        names: Of the tasks.
        count_by: What weighs the tasks' means in the whole.
    """

    def __init__(self, names: Sequence[str], *, count_by: CountBy) -> None:
        self._names = names
        self._count_by = count_by
        self._totals: dict[int, float] = defaultdict(float)
        self._items: dict[int, int] = defaultdict(int)
        self._rows: dict[int, int] = defaultdict(int)

    def add(self, batch: TaskBatch, loss: Loss) -> None:
        """Count a batch without weights."""
        self._totals[batch.task] += loss.total.item()
        self._items[batch.task] += loss.num_items
        self._rows[batch.task] += len(batch.places)

    @property
    def mean(self) -> float:
        """The tasks' means by their rows, or by their items: then it is the loss of an item."""
        counts = self._rows if self._count_by == "rows" else self._items
        return math.fsum(
            counts[task] * total / self._items[task] for task, total in self._totals.items()
        ) / sum(counts.values())

    @property
    def parts(self) -> dict[str, float]:
        """The mean of each task."""
        return {self._names[task]: total / self._items[task] for task, total in sorted(self._totals.items())}
