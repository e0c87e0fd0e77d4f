"""Attacks on embeddings: exact on a linear model, inside their ball, and PGD never weaker than FGSM."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from luthier.data.example import Example
from luthier.evaluate.robustness import embedding_attack
from luthier.evaluate.robustness.classifier import ClassifierVictim
from luthier.evaluate.robustness.embedding_attack import Ball, fgsm, pgd
from tests.evaluate.robustness.linear import NUMBERS, LinearModel, LinearObjective, make_victim, row

SPECIAL = (0, 1)


def _encoded(victim: ClassifierVictim, *texts: str) -> list[Example]:
    label = "positive"
    found = [victim.encode(row(text, label, n)) for n, text in enumerate(texts, 1)]
    return [example for example in found if example is not None]


def _changes(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """Note every change of embeddings that the model is asked about."""
    seen: list[torch.Tensor] = []
    logits = embedding_attack._logits

    def noted(victim: Any, batch: Any, change_BTD: torch.Tensor) -> torch.Tensor:
        seen.append(change_BTD.detach().clone())
        return logits(victim, batch, change_BTD)

    monkeypatch.setattr(embedding_attack, "_logits", noted)
    return seen


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_fgsm_lowers_a_linear_margin_by_what_paper_says(norm: Any) -> None:
    """For logits w · mean(e), the worst change of a token is along -(w_true - w_other), of length eps times its own.

    Goodfellow et al. (arXiv:1412.6572), section 5: for linear models the sign of the gradient is exact.
    """
    victim = make_victim()
    epsilon = 0.3
    ids = torch.tensor([1, NUMBERS["good"], NUMBERS["film"], NUMBERS["so"]])
    vectors = victim.model.embeddings.weight.detach()[ids]
    weights = victim.model.head.weight.detach()
    difference = weights[1] - weights[0]
    lengths = vectors[1:].norm(dim=-1)  # the special token stays
    if norm == "l2":
        lost = (epsilon * lengths * difference.norm()).sum() / len(ids)
    else:
        lost = (epsilon * lengths / 2.0 * difference.abs().sum()).sum() / len(ids)  # √4 numbers
    margin = float(difference @ vectors.mean(dim=0) - lost)
    (moved,) = fgsm(victim, _encoded(victim, "good film so"), Ball(norm, epsilon), SPECIAL)
    assert moved.verdict.loss == pytest.approx(
        float(torch.nn.functional.softplus(torch.tensor(-margin))), rel=1e-5
    )
    assert moved.verdict.is_right == (margin > 0)
    assert moved.largest_change == pytest.approx(1.0, abs=1e-5)


def test_fgsm_breaks_a_row_exactly_from_the_radius_that_paper_says() -> None:
    victim = make_victim()
    rows = _encoded(victim, "good film so")
    ids = torch.tensor([1, NUMBERS["good"], NUMBERS["film"], NUMBERS["so"]])
    vectors = victim.model.embeddings.weight.detach()[ids]
    weights = victim.model.head.weight.detach()
    difference = weights[1] - weights[0]
    radius = float(
        difference @ vectors.mean(dim=0) * len(ids) / (vectors[1:].norm(dim=-1).sum() * difference.norm())
    )
    assert fgsm(victim, rows, Ball("l2", 0.99 * radius), SPECIAL)[0].num_steps is None
    assert fgsm(victim, rows, Ball("l2", 1.01 * radius), SPECIAL)[0].num_steps == 1


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_every_change_stays_in_the_ball_and_off_special_tokens_and_filler(
    norm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = _bent(make_victim(width=8))
    seen = _changes(monkeypatch)
    ball = Ball(norm, 1.2)
    rows = _encoded(victim, "good film so very plain", "good so")
    pgd(victim, rows, ball, SPECIAL, steps=7, step_size=0.9)
    batch = victim.objective.collate([rows[1], rows[0]])  # shorter rows come first
    embedded = victim.model.embeddings(batch.input_ids).detach()
    radii = 1.2 * embedded.norm(dim=-1) * (1.0 if norm == "l2" else 8**-0.5)
    assert len(seen) == 14, "a gradient and an answer for each step"
    for change in seen:
        length = change.norm(dim=-1) if norm == "l2" else change.abs().amax(dim=-1)
        assert (length <= radii * (1 + 1e-5)).all()
        assert change[:, 0].abs().sum() == 0
        assert change[batch.attention_mask == 0].abs().sum() == 0
    assert any((change - seen[1]).abs().max() > 0 for change in seen[2:]), "later steps go on"


class _Bent(LinearModel):
    """The linear model with a bend, so that one step along the gradient is not the worst that can be done."""

    def bend(self, mean_BD: torch.Tensor) -> torch.Tensor:
        return torch.sin(12 * mean_BD)


def _bent(victim: ClassifierVictim) -> ClassifierVictim:
    model = victim.model
    bent = _Bent(model.embeddings.weight.detach(), model.head.weight.detach(), model.head.bias.detach())
    return ClassifierVictim(bent.eval(), victim.objective, torch.float32)


@pytest.mark.parametrize("norm", ["l2", "linf"])
@given(seed=st.integers(0, 50), epsilon=st.floats(0.05, 2.0))
def test_pgd_is_never_weaker_than_fgsm(norm: Any, seed: int, epsilon: float) -> None:
    victim = _bent(make_victim(seed))
    rows = _encoded(victim, "good film", "so good so", "very plain film", "bad good")
    ball = Ball(norm, epsilon)
    for once, often in zip(
        fgsm(victim, rows, ball, SPECIAL), pgd(victim, rows, ball, SPECIAL, steps=5), strict=True
    ):
        if once.num_steps is not None:
            assert often.num_steps == 1
        elif often.num_steps is None:
            assert often.verdict.loss >= once.verdict.loss - 1e-6
        assert often.largest_change <= 1 + 1e-5


def test_pgd_finds_what_one_step_does_not() -> None:
    """Else steps would be idle."""
    found = []
    for seed in range(30):
        victim = _bent(make_victim(seed))
        rows = _encoded(victim, "good film", "so good so", "very good plain film")
        for epsilon in (0.3, 0.6, 0.9):
            ball = Ball("l2", epsilon)
            pairs = zip(
                fgsm(victim, rows, ball, SPECIAL), pgd(victim, rows, ball, SPECIAL, steps=8), strict=True
            )
            found += [once.num_steps is None and often.num_steps is not None for once, often in pairs]
    assert any(found)


def test_weights_and_gradients_are_as_before() -> None:
    victim = make_victim()
    before = {name: value.clone() for name, value in victim.model.state_dict().items()}
    pgd(victim, _encoded(victim, "good film"), Ball("l2", 0.5), SPECIAL, steps=3)
    assert all(parameter.requires_grad and parameter.grad is None for parameter in victim.model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in victim.model.state_dict().items())
    assert not victim.model.embeddings._forward_hooks


def test_no_rows() -> None:
    assert fgsm(make_victim(), [], Ball("l2", 0.1), SPECIAL) == []


def test_objective_of_the_tests_is_read_as_a_classification() -> None:
    objective: Any = LinearObjective()
    victim = ClassifierVictim(make_victim().model, objective, torch.float32)
    good, bad, none = victim.ask(
        [row("good", "positive"), row("good", "negative", 2), row(" ", "positive", 3)]
    )
    assert good is not None and good.is_right and good.said == "positive"
    assert bad is not None and not bad.is_right and bad.loss > good.loss
    assert none is None
