"""HotFlip: tokens become others that, to first order, raise the loss most; each candidate is then really asked about.

Reference: J. Ebrahimi et al., arXiv:1712.06751, equation 2, with words of the vocabulary in place of characters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from luthier.data.augment.language import has_chinese
from luthier.data.example import Example
from luthier.data.length_batches import batches_by_length
from luthier.data.sample import Sample
from luthier.evaluate.robustness.classifier import ClassifierVictim
from luthier.evaluate.robustness.embedding_attack import input_gradient, movable_tokens
from luthier.evaluate.robustness.search import Standing

# Shapes: B rows, T tokens, D width of the embeddings, W words of the vocabulary.

_MORE = 4
"""Flips that are looked at for each candidate that is wanted: some do not survive being written and read again."""


@dataclass(frozen=True)
class Words:
    """Tokens that are words by themselves.

    Args:
        ids_W: Their numbers.
        vectors_WD: Their embeddings.
    """

    ids_W: Tensor
    vectors_WD: Tensor


def words_of(tokenizer: Any, embeddings: Any) -> Words:
    """Return the tokens that are English words of three letters or more, or Chinese.

    Args:
        tokenizer: Of the model.
        embeddings: Its embedding layer.
    """
    special = set(tokenizer.all_special_ids)
    num_rows = int(embeddings.weight.shape[0])
    ids = [
        number
        for token, number in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
        if number < num_rows and number not in special and _is_word(token)
    ]
    ids_W = torch.tensor(ids, dtype=torch.long)
    with torch.no_grad():
        return Words(ids_W, embeddings(ids_W).float())


def _is_word(token: str) -> bool:
    letters = token.lstrip("Ġ▁")  # how tokenizers write the space before a word
    return has_chinese(letters) or (len(letters) > 2 and letters.isascii() and letters.isalpha())


class HotFlip:
    """Proposes texts in which one token is another word.

    A candidate is a text: the tokens after the flip, decoded. It is asked about as any text, so what is counted as a
    success is one.

    Args:
        victim: A classifier of single texts.
        tokenizer: Of the model.
    """

    queries_a_round = 1

    def __init__(self, victim: ClassifierVictim, tokenizer: Any) -> None:
        self._victim = victim
        self._tokenizer = tokenizer
        self._words = words_of(tokenizer, victim.model.get_input_embeddings())

    def propose(self, standings: Sequence[Standing], count: int) -> list[list[str]]:
        """Return the flips with the greatest first-order gain in loss, as texts."""
        proposals: list[list[str]] = [[] for _ in standings]
        rows: list[Example] = []
        places: list[int] = []
        for place, standing in enumerate(standings):
            row = self._encoded(standing)
            if row is not None:
                rows.append(row)
                places.append(place)
        for numbers in batches_by_length([len(row.input_ids) for row in rows]) if rows else ():
            for number, flips in zip(numbers, self._flips([rows[n] for n in numbers], count), strict=True):
                place = places[number]
                proposals[place] = self._texts(rows[number], flips, standings[place], count)
        return proposals

    def _encoded(self, standing: Standing) -> Example | None:
        sample: Sample = self._victim.with_text(standing.sample, standing.text)
        # Of a pair, the tokens of both texts would come out as one.
        return None if sample.text_pair is not None else self._victim.encode(sample)

    def _flips(self, rows: Sequence[Example], count: int) -> list[list[tuple[int, int]]]:
        """Return positions and new tokens, those of the greatest gain first, for each row."""
        batch = self._victim.objective.collate(rows).unweighted()
        embeddings = self._victim.model.get_input_embeddings()
        with torch.no_grad():
            embedded_BTD = embeddings(batch.input_ids).float()
        gradient_BTD, _ = input_gradient(self._victim, batch, torch.zeros_like(embedded_BTD))
        movable_BT = movable_tokens(batch, self._tokenizer.all_special_ids)
        found = []
        for number in range(len(rows)):
            gains_TW = first_order_gains(gradient_BTD[number], embedded_BTD[number], self._words.vectors_WD)
            gains_TW[movable_BT[number] == 0] = -torch.inf
            best = gains_TW.flatten().topk(min(_MORE * count, gains_TW.numel()))
            width = len(self._words.ids_W)
            found.append(
                [
                    (index // width, int(self._words.ids_W[index % width]))
                    for index, gain in zip(best.indices.tolist(), best.values.tolist(), strict=True)
                    if gain > 0
                ]
            )
        return found

    def _texts(
        self, row: Example, flips: Sequence[tuple[int, int]], standing: Standing, count: int
    ) -> list[str]:
        texts: dict[str, None] = {}
        for position, token in flips:
            ids = row.input_ids.tolist()
            ids[position] = token
            text = self._tokenizer.decode(ids, skip_special_tokens=True)
            if text not in standing.seen:
                texts[text] = None
            if len(texts) == count:
                break
        return list(texts)


def first_order_gains(gradient_TD: Tensor, embedded_TD: Tensor, vectors_WD: Tensor) -> Tensor:
    """Return how much the loss grows, to first order, where a token becomes a word: (w - e) · g, shape [T, W]."""
    return gradient_TD @ vectors_WD.T - (gradient_TD * embedded_TD).sum(dim=-1, keepdim=True)
