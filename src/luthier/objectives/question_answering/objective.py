"""Extractive question answering: the first and the last token of the answer, each told from all tokens of the row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from luthier.data.collate import Batch, collate_padded
from luthier.data.example import Example
from luthier.data.extractive.encode import SpanEncoder
from luthier.models.heads import TaskHead
from luthier.objectives.contract import Loss
from luthier.objectives.headed import head_outputs
from luthier.objectives.question_answering.evaluator import SpanEvaluator
from luthier.objectives.question_answering.reading import Reading

# Shapes: B rows, T tokens.


class QuestionAnswering:
    """Predict where the answer begins and ends.

    Args:
        encoder: Makes windows of contexts.
        reading: How answers are read from scores.
        pad_token_id: Filler of batches.
    """

    def __init__(self, encoder: SpanEncoder, reading: Reading, *, pad_token_id: int) -> None:
        self.encoder = encoder
        self._reading = reading
        self._pad_token_id = pad_token_id

    @property
    def head(self) -> TaskHead:
        """Two scores per token: of the first and of the last one of an answer."""
        return TaskHead("QUESTION_ANS")

    @property
    def evaluator(self) -> SpanEvaluator:
        """Measures exact match and F1 of answers."""
        return SpanEvaluator(self, self._reading)

    def collate(self, examples: Sequence[Example]) -> Batch:
        """Return one micro-batch; its filler is no work for the layers of an accelerated model."""
        return collate_padded(examples, self._pad_token_id)

    def loss(self, model: Any, batch: Batch) -> Loss:
        """Return the summed loss of the rows, each times its weight."""
        losses_B = span_losses(head_outputs(model, batch), batch)
        if batch.label_weights is not None:
            losses_B = losses_B * batch.label_weights
        return Loss(losses_B.sum(), batch.num_supervised, {})

    def item_losses(self, model: Any, batch: Batch) -> torch.Tensor:
        """Return the loss of each row."""
        return span_losses(head_outputs(model, batch), batch)


def span_losses(outputs: Any, batch: Batch) -> torch.Tensor:
    """Return the mean cross-entropy of start and end in nats, float32, shape [B].

    A row's scores compete among its own tokens: filler takes no part, so the loss does not depend on the batch. For
    rows without filler it is that of transformers.
    """
    is_filler_BT = batch.attention_mask == 0 if batch.attention_mask is not None else None
    parts = []
    for logits_BT, places_B in zip(
        (outputs.start_logits, outputs.end_logits), batch.labels.unbind(1), strict=True
    ):
        scores_BT = logits_BT.float()
        if is_filler_BT is not None:
            scores_BT = scores_BT.masked_fill(is_filler_BT, -torch.inf)
        parts.append(functional.cross_entropy(scores_BT, places_B, reduction="none"))
    return (parts[0] + parts[1]) / 2.0
