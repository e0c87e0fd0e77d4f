"""Held-out loss row by row, so that models can be compared on the same rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from luthier.data.example import Example
from luthier.data.length_batches import batches_by_length
from luthier.data.store import lengths_of
from luthier.kernels.accelerate import accelerated
from luthier.objectives.balance import MixedObjective
from luthier.objectives.contract import Objective
from luthier.train.batches import split_by_group


@dataclass(frozen=True)
class RowLosses:
    """Loss of each held-out row.

    Args:
        sums: Nats over the row's supervised tokens, float64, shape [rows].
        counts: Supervised tokens, int64, shape [rows].
    """

    sums: NDArray[np.float64]
    counts: NDArray[np.int64]

    @property
    def mean(self) -> float:
        """Nats per supervised token: rows count by their tokens, as in training."""
        return float(self.sums.sum() / self.counts.sum())


def row_losses(
    model: Any,
    objective: Objective,
    rows: Sequence[Example],
    *,
    dtype: torch.dtype,
    on_progress: Callable[[int], None] = lambda done: None,
) -> RowLosses:
    """Measure every row's loss, without dropout and without gradient, on the fast path where the model has one.

    Args:
        model: As it is served; left as it was, but in evaluation mode.
        objective: Collates rows and computes the losses.
        rows: Held-out rows.
        dtype: Type of the computation.
        on_progress: Told how many rows are done.
    """
    model.eval()
    sums = np.zeros(len(rows))
    counts = np.array([row.num_supervised for row in rows], dtype=np.int64)
    done = 0
    lengths = lengths_of(rows)
    groups = objective.groups(rows) if isinstance(objective, MixedObjective) else None
    parts = split_by_group(range(len(rows)), groups)
    with accelerated(model, dtype), torch.no_grad():
        for batch in chain.from_iterable(_batches(part, lengths) for part in parts):
            with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
                losses = objective.item_losses(model, objective.collate([rows[number] for number in batch]))
            per_row = losses.double().cpu().split([int(counts[number]) for number in batch])
            for number, own in zip(batch, per_row, strict=True):
                sums[number] = float(own.sum())
            done += len(batch)
            on_progress(done)
    return RowLosses(sums, counts)


def _batches(rows: Sequence[int], lengths: Sequence[int]) -> list[list[int]]:
    """Return batches of some rows, similar lengths together."""
    return [[rows[place] for place in batch] for batch in batches_by_length([lengths[row] for row in rows])]
