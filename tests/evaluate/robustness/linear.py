"""A classifier that can be attacked on paper: the mean of the words' embeddings, and a linear layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers.modeling_outputs import SequenceClassifierOutput

from luthier.data.classification.classes import Classes
from luthier.data.collate import Batch, collate_padded
from luthier.data.example import Example, Rejection
from luthier.data.sample import Sample
from luthier.evaluate.robustness.classifier import ClassifierVictim
from luthier.models.heads import TaskHead

WORDS = ("[PAD]", "[CLS]", "good", "bad", "so", "very", "plain", "film")
NUMBERS = {word: number for number, word in enumerate(WORDS)}


class LinearModel(nn.Module):
    """Logits are a linear function of the mean embedding; counts its forward passes by rows."""

    def __init__(self, vectors: Tensor, weights_CD: Tensor, bias_C: Tensor) -> None:
        super().__init__()
        self.embeddings = nn.Embedding.from_pretrained(vectors.clone(), freeze=False)
        self.head = nn.Linear(weights_CD.shape[1], weights_CD.shape[0])
        self.head.weight = nn.Parameter(weights_CD.clone())
        self.head.bias = nn.Parameter(bias_C.clone())
        self.config: Any = type("Config", (), {"type_vocab_size": 0})()
        self.num_rows = 0

    def get_input_embeddings(self) -> nn.Module:
        return self.embeddings

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SequenceClassifierOutput:
        self.num_rows += len(input_ids)
        mask_BT1 = attention_mask.unsqueeze(-1).float()
        mean_BD = (self.embeddings(input_ids) * mask_BT1).sum(1) / mask_BT1.sum(1)
        return SequenceClassifierOutput(logits=self.head(self.bend(mean_BD)))

    def bend(self, mean_BD: Tensor) -> Tensor:
        return mean_BD


class WordTokenizer:
    """Words at spaces."""

    all_special_ids = (0, 1)
    all_special_tokens = ("[PAD]", "[CLS]")

    def get_vocab(self) -> dict[str, int]:
        return dict(NUMBERS)

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool) -> str:
        return " ".join(WORDS[number] for number in ids if number > 1)


class LinearObjective:
    """The part of a classification that attacks use."""

    def __init__(self, labels: tuple[str, ...] = ("negative", "positive")) -> None:
        self.classes = Classes(labels, (1,) * len(labels), len(labels), (1.0,) * len(labels))

    @property
    def head(self) -> TaskHead:
        return TaskHead("SEQ_CLS", self.classes.labels, "single_label_classification")

    def encoder(self, sample: Sample) -> list[Example] | Rejection:
        words = (sample.text or "").lower().split()
        if not words:
            return Rejection(sample.source, sample.row, "no_tokens", "")
        ids = [1, *(NUMBERS.get(word, NUMBERS["plain"]) for word in words)]
        assert sample.labels
        label = self.classes.labels.index(sample.labels[0])
        return [Example(np.array(ids, np.int32), np.array([label], np.int32), "a", sample.row, target="row")]

    def collate(self, examples: Sequence[Example]) -> Batch:
        return collate_padded(examples, 0)

    def plain_losses(self, logits_BC: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.cross_entropy(logits_BC.float(), labels[:, 0], reduction="none")


def make_victim(seed: int = 0, width: int = 4, bias: tuple[float, float] = (0.0, 0.0)) -> ClassifierVictim:
    """Return a victim in which "good" and "bad" decide, and other words weigh little."""
    generator = torch.Generator().manual_seed(seed)
    vectors = 0.1 * torch.randn(len(WORDS), width, generator=generator)
    direction = torch.ones(width) / width**0.5
    vectors[NUMBERS["good"]] += direction
    vectors[NUMBERS["bad"]] -= direction
    weights = torch.stack([-direction, direction])
    objective: Any = LinearObjective()
    return ClassifierVictim(
        LinearModel(vectors, weights, torch.tensor(bias)).eval(), objective, torch.float32
    )


def row(text: str, label: str, number: int = 1) -> Sample:
    """Return a row."""
    return Sample("a", number, text=text, labels=(label,))
