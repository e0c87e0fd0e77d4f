"""HotFlip: first-order gains are exact for a linear model, and every candidate is really asked about."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from luthier.data.augment.gate import DriftGate
from luthier.evaluate.robustness.hotflip import HotFlip, first_order_gains, words_of
from luthier.evaluate.robustness.search import Budget, attack
from tests.evaluate.robustness.linear import NUMBERS, WordTokenizer, make_victim, row


def test_gains_are_the_true_change_of_a_linear_function() -> None:
    generator = torch.Generator().manual_seed(0)
    embedded, vectors = torch.randn(3, 4, generator=generator), torch.randn(5, 4, generator=generator)
    slopes = torch.randn(3, 4, generator=generator)
    gains = first_order_gains(slopes, embedded, vectors)
    before = (slopes * embedded).sum()
    for t in range(3):
        for w in range(5):
            after = embedded.clone()
            after[t] = vectors[w]
            assert float(gains[t, w]) == pytest.approx(float((slopes * after).sum() - before), abs=1e-5)


def test_the_first_candidate_replaces_the_word_that_decides() -> None:
    victim = make_victim()
    sample = row("so good film", "positive")
    (clean,) = victim.ask([sample])
    assert clean is not None and clean.is_right
    victim.model.num_rows = 0
    (found,) = attack(
        victim,
        [(sample, clean)],
        HotFlip(victim, WordTokenizer()),
        Budget(50, 3),
        gate=DriftGate(),
        name="hotflip",
        seed=0,
    )
    assert found.broken is not None
    assert found.broken.text == "so bad film", "the greatest gain of all positions and words"
    assert found.num_queries == 2, "a gradient and an answer"
    (again,) = victim.ask([row(found.broken.text, "positive")])
    assert again is not None and not again.is_right


def test_words_are_no_special_tokens_and_no_short_pieces() -> None:
    victim = make_victim()
    words = words_of(WordTokenizer(), victim.model.get_input_embeddings())
    assert words.ids_W.tolist() == [NUMBERS[word] for word in ("good", "bad", "very", "plain", "film")]
    assert torch.equal(words.vectors_WD, victim.model.embeddings.weight[words.ids_W])


def test_a_pair_is_not_attacked() -> None:
    victim = make_victim()
    sample = row("so good film", "positive")
    (clean,) = victim.ask([sample])
    assert clean is not None
    (found,) = attack(
        victim,
        [(replace(sample, text_pair="so"), clean)],
        HotFlip(victim, WordTokenizer()),
        Budget(50, 3),
        gate=DriftGate(),
        name="hotflip",
        seed=0,
    )
    assert not found.could_try
