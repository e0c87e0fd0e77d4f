"""Next-token loss over supervised positions, shared by sft and pretraining."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch.nn import functional

from luthier.data.collate import Batch, collate_packed, collate_padded
from luthier.data.encode import Encoder
from luthier.data.example import IGNORED, Example
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
        self._packing = packing
        self._pad_token_id = pad_token_id

    def collate(self, examples: Sequence[Example]) -> Batch:
        """Return one micro-batch, packed or padded."""
        return collate_packed(examples) if self._packing else collate_padded(examples, self._pad_token_id)

    def loss(self, model: Any, batch: Batch) -> Loss:
        """Return the summed cross-entropy of the supervised tokens, in float32."""
        inputs: dict[str, Any] = {"input_ids": batch.input_ids, "position_ids": batch.position_ids}
        if batch.attention_mask is not None:
            inputs["attention_mask"] = batch.attention_mask
        logits_BTV = model(**inputs, use_cache=False).logits
        targets = batch.labels[:, 1:]
        is_supervised = targets != IGNORED
        logits_NV = logits_BTV[:, :-1][is_supervised].float()
        total = functional.cross_entropy(logits_NV, targets[is_supervised].long(), reduction="sum")
        return Loss(total, int(is_supervised.sum()), {})
