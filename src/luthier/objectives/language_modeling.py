"""Next-token loss over supervised positions, shared by sft and pretraining."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from luthier.data.collate import Batch, collate_packed, collate_padded
from luthier.data.encode import Encoder
from luthier.data.example import Example
from luthier.kernels.causal_loss import causal_lm_log_probabilities, causal_lm_loss
from luthier.objectives.contract import Loss


class LanguageModeling:
    """Predict each supervised token from the tokens before it.

    Args:
        encoder: Turns a sample into examples.
        packing: Concatenate the rows of a micro-batch; otherwise pad them.
        pad_token_id: Filler of padded batches; masked, so its value never matters.
    """

    def __init__(self, encoder: Encoder, *, packing: bool, pad_token_id: int) -> None:
        self.encoder = encoder
        self.head = None
        self.evaluator = None
        self._packing = packing
        self._pad_token_id = pad_token_id

    def collate(self, examples: Sequence[Example]) -> Batch:
        """Return one micro-batch, packed or padded."""
        return collate_packed(examples) if self._packing else collate_padded(examples, self._pad_token_id)

    def loss(self, model: Any, batch: Batch) -> Loss:
        """Return the summed cross-entropy of the supervised tokens, each times its row's weight, in float32."""
        total, num_items = causal_lm_loss(model, batch)
        return Loss(total, num_items, {})

    def item_losses(self, model: Any, batch: Batch) -> torch.Tensor:
        """Return the cross-entropy of each supervised token, row after row; weights play no part."""
        return -causal_lm_log_probabilities(model, batch)[0]
