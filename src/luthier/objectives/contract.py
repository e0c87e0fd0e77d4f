"""The Objective contract: what is minimised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import torch

from luthier.data.collate import Batch
from luthier.data.encode import Encoder
from luthier.data.example import Example


class Loss(NamedTuple):
    """A loss before normalisation.

    Args:
        total: Sum over the supervised items of the batch, each times its weight; a scalar tensor with gradient.
        num_items: Supervised items in the batch.
        metrics: Further sums to report, by name.
    """

    total: torch.Tensor
    num_items: int
    metrics: Mapping[str, float]


class Objective(Protocol):
    """Turns rows into batches and batches into a loss.

    The loop divides the sum of the totals by the weight of all items of the whole optimizer step (their number,
    where every row weighs 1), over all micro-batches, so that accumulation equals a larger batch exactly.
    """

    encoder: Encoder

    def collate(self, examples: Sequence[Example]) -> Batch:
        """Return one micro-batch."""

    def loss(self, model: Any, batch: Batch) -> Loss:
        """Return the batch's loss."""

    def item_losses(self, model: Any, batch: Batch) -> torch.Tensor:
        """Return the loss of each supervised item of the batch, row after row, shape [items]."""
