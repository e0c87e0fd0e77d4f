"""Token classification: a class for each labelled token, such as the tag of a word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from luthier.data.collate import Batch, collate_padded
from luthier.data.example import IGNORED, Example
from luthier.data.tagging.encode import TagEncoder
from luthier.models.heads import TaskHead
from luthier.objectives.contract import Loss
from luthier.objectives.headed import head_outputs
from luthier.objectives.token_classification.evaluator import TagEvaluator

# Shapes: B rows, T tokens, C tags, L labelled tokens of all rows, row after row.


class TokenClassification:
    """Predict the tag of each word.

    Args:
        encoder: Finds the tags and encodes rows.
        label_smoothing: Share of each training label that is spread over all tags.
        pad_token_id: Filler of batches.
    """

    def __init__(self, encoder: TagEncoder, *, label_smoothing: float, pad_token_id: int) -> None:
        self.encoder = encoder
        self._smoothing = label_smoothing
        self._pad_token_id = pad_token_id

    @property
    def head(self) -> TaskHead | None:
        """A tag per output; None until the tags are known."""
        return None if self.encoder.tags is None else TaskHead("TOKEN_CLS", self.encoder.tags.labels)

    @property
    def evaluator(self) -> TagEvaluator | None:
        """Measures entities; None until the tags are known."""
        return None if self.encoder.tags is None else TagEvaluator(self, self.encoder.tags)

    def collate(self, examples: Sequence[Example]) -> Batch:
        """Return one micro-batch; its filler is no work for the layers of an accelerated model."""
        return collate_padded(examples, self._pad_token_id)

    def loss(self, model: Any, batch: Batch) -> Loss:
        """Return the summed cross-entropy of the labelled tokens, each times its row's weight."""
        smoothing = self._smoothing if model.training else 0.0
        losses_L = token_losses(head_outputs(model, batch).logits, batch.labels, smoothing)
        if batch.label_weights is not None:
            losses_L = losses_L * batch.label_weights[batch.labels != IGNORED]
        return Loss(losses_L.sum(), batch.num_supervised, {})

    def item_losses(self, model: Any, batch: Batch) -> torch.Tensor:
        """Return the plain cross-entropy of each labelled token, row after row."""
        return token_losses(head_outputs(model, batch).logits, batch.labels)


def token_losses(logits_BTC: torch.Tensor, labels_BT: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
    """Return the cross-entropy of each labelled token in nats, float32, shape [L]."""
    is_labelled_BT = labels_BT != IGNORED
    logits_LC = logits_BTC[is_labelled_BT].float()
    return functional.cross_entropy(
        logits_LC, labels_BT[is_labelled_BT], reduction="none", label_smoothing=smoothing
    )
