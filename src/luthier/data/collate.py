"""Batches: rows concatenated (packed) or filled up (padded), with the same loss either way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from luthier.data.example import IGNORED, Example


@dataclass(frozen=True)
class Batch:
    """One micro-batch.

    Args:
        input_ids: int64, shape [B, T].
        labels: Not shifted; `IGNORED` where no loss is, int64, shape [B, T]. Where they belong to whole rows:
            shape [B, K], as the rows have them.
        position_ids: Restart at 0 with every row, int64, shape [B, T].
        attention_mask: 1 on tokens, 0 on padding, shape [B, T]; None where rows are packed.
        cu_seqlens: Where each row starts in the flattened tokens, and the total, int32, shape [rows + 1].
        places: Where each row stands, for messages.
        num_supervised: Items that enter the loss: labelled tokens, or rows.
        weight: Sum of the weights of those items: their number where every row weighs 1.
        label_weights: Factor of the loss of each label, float32, shape [B, T], or [B] where labels belong to whole
            rows; None where every row weighs 1.
        token_type_ids: Segment of each token, int64, shape [B, T]; None for models without segments.
    """

    input_ids: torch.Tensor
    labels: torch.Tensor
    position_ids: torch.Tensor
    attention_mask: torch.Tensor | None
    cu_seqlens: torch.Tensor
    places: tuple[str, ...]
    num_supervised: int
    weight: float
    label_weights: torch.Tensor | None
    token_type_ids: torch.Tensor | None = None

    def unweighted(self) -> Batch:
        """Return the batch with every row at weight 1, as it is measured."""
        return replace(self, weight=float(self.num_supervised), label_weights=None)

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch with its tensors on ``device``."""
        return replace(
            self,
            input_ids=self.input_ids.to(device),
            labels=self.labels.to(device),
            position_ids=self.position_ids.to(device),
            attention_mask=None if self.attention_mask is None else self.attention_mask.to(device),
            cu_seqlens=self.cu_seqlens.to(device),
            label_weights=None if self.label_weights is None else self.label_weights.to(device),
            token_type_ids=None if self.token_type_ids is None else self.token_type_ids.to(device),
        )


def collate_packed(examples: Sequence[Example]) -> Batch:
    """Concatenate rows of next-token labels; the first label of each is masked, so that no row predicts the next."""
    lengths = [len(example.input_ids) for example in examples]
    labels = []
    for example in examples:
        own = torch.from_numpy(example.labels).long()
        own[0] = IGNORED
        labels.append(own)
    return Batch(
        input_ids=torch.cat([torch.from_numpy(e.input_ids).long() for e in examples]).unsqueeze(0),
        labels=torch.cat(labels).unsqueeze(0),
        position_ids=torch.cat([torch.arange(length) for length in lengths]).unsqueeze(0),
        attention_mask=None,
        cu_seqlens=_starts(lengths),
        places=tuple(example.place for example in examples),
        **_weighed(examples, lengths, is_packed=True),
    )


def collate_padded(examples: Sequence[Example], pad_token_id: int) -> Batch:
    """Fill rows up on the right to the longest one; what is padding follows from lengths, not from token ids."""
    lengths = [len(example.input_ids) for example in examples]
    shape = (len(examples), max(lengths))
    attention_mask = torch.zeros(shape, dtype=torch.long)
    for number, length in enumerate(lengths):
        attention_mask[number, :length] = 1
    target = examples[0].target
    labels = [example.labels for example in examples]
    is_of_rows = target == "row"
    labels_BK = torch.from_numpy(np.stack(labels)).long() if is_of_rows else _filled(labels, shape, IGNORED)
    if target == "next_token":
        labels_BK[:, 0] = IGNORED
    return Batch(
        input_ids=_filled([example.input_ids for example in examples], shape, pad_token_id),
        labels=labels_BK,
        token_type_ids=_segments(examples, shape),
        position_ids=torch.arange(shape[1]).expand(shape).contiguous(),
        attention_mask=attention_mask,
        cu_seqlens=_starts(lengths),
        places=tuple(example.place for example in examples),
        **_weighed(examples, lengths, is_packed=False),
    )


def _segments(examples: Sequence[Example], shape: tuple[int, int]) -> torch.Tensor | None:
    """Return the segments [B, T], 0 for rows that tell none apart; None where no row does."""
    if all(example.token_type_ids is None for example in examples):
        return None
    none = np.empty(0, dtype=np.int32)
    return _filled([none if e.token_type_ids is None else e.token_type_ids for e in examples], shape, 0)


def _filled(rows: Sequence[NDArray[np.int32]], shape: tuple[int, int], filler: int) -> torch.Tensor:
    """Return rows of tokens as one tensor [B, T], filled up on the right."""
    filled = torch.full(shape, filler, dtype=torch.long)
    for number, row in enumerate(rows):
        filled[number, : len(row)] = torch.from_numpy(row)
    return filled


def _weighed(examples: Sequence[Example], lengths: Sequence[int], *, is_packed: bool) -> dict[str, Any]:
    """Return the number of labels that enter the loss, the sum of their weights, and the weights where they differ."""
    counts = [example.num_supervised for example in examples]
    weight = math.fsum(example.weight * count for example, count in zip(examples, counts, strict=True))
    label_weights = None
    if any(example.weight != 1.0 for example in examples):
        weights = torch.tensor([example.weight for example in examples], dtype=torch.float32)
        if examples[0].target == "row":
            label_weights = weights
        elif is_packed:
            label_weights = weights.repeat_interleave(torch.tensor(lengths)).unsqueeze(0)
        else:
            label_weights = weights.unsqueeze(1).expand(-1, max(lengths)).contiguous()
    return {"num_supervised": sum(counts), "weight": weight, "label_weights": label_weights}


def _starts(lengths: Sequence[int]) -> torch.Tensor:
    return torch.tensor([0, *torch.tensor(lengths).cumsum(0).tolist()], dtype=torch.int32)
