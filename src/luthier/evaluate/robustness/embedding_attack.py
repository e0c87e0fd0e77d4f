"""Gradient attacks on the embeddings of a classifier's tokens: FGSM and PGD, inside a ball around each embedding.

References: I. Goodfellow et al., arXiv:1412.6572 (FGSM, L-infinity); T. Miyato et al., arXiv:1605.07725 (L2, on
embeddings of text); A. Madry et al., arXiv:1706.06083 (PGD).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from luthier.data.collate import Batch
from luthier.data.example import Example
from luthier.data.length_batches import batches_by_length
from luthier.evaluate.robustness.classifier import ClassifierVictim
from luthier.evaluate.robustness.victim import Verdict
from luthier.objectives.headed import head_outputs

# Shapes: B rows, T tokens, D width of the embeddings, C classes.

Norm = Literal["linf", "l2"]
_TINY = 1e-12


@dataclass(frozen=True)
class Ball:
    """How far the embedding of a token may be moved, relative to itself.

    Args:
        norm: ``l2`` bounds the length of the change by ``epsilon`` times the length of the embedding; ``linf`` bounds
            each number of it by ``epsilon`` times the root mean square of the embedding's numbers.
        epsilon: Radius.
    """

    norm: Norm
    epsilon: float

    def radii(self, embedded_BTD: Tensor) -> Tensor:
        """Return the radius of the ball around each token, [B, T, 1]."""
        lengths_BT1 = embedded_BTD.norm(dim=-1, keepdim=True)
        scale = 1.0 if self.norm == "l2" else float(embedded_BTD.shape[-1]) ** -0.5
        return self.epsilon * scale * lengths_BT1

    def steepest(self, gradient_BTD: Tensor) -> Tensor:
        """Return the change of norm 1 for each token that raises a linear loss most."""
        if self.norm == "linf":
            return gradient_BTD.sign()
        return gradient_BTD / gradient_BTD.norm(dim=-1, keepdim=True).clamp_min(_TINY)

    def project(self, change_BTD: Tensor, radii_BT1: Tensor) -> Tensor:
        """Return the nearest change inside the ball."""
        if self.norm == "linf":
            return change_BTD.clamp(-radii_BT1, radii_BT1)
        lengths_BT1 = change_BTD.norm(dim=-1, keepdim=True).clamp_min(_TINY)
        return change_BTD * (radii_BT1 / lengths_BT1).clamp_max(1.0)


@dataclass(frozen=True)
class Moved:
    """What an attack on embeddings found for a row.

    Args:
        num_steps: Steps after which the model was wrong first; None where it stayed right.
        verdict: What it says then; of a row that stayed right, after the step that raised the loss most.
        largest_change: Greatest length of a change, relative to the radius of its ball: at most 1.
    """

    num_steps: int | None
    verdict: Verdict
    largest_change: float


def fgsm(
    victim: ClassifierVictim, rows: Sequence[Example], ball: Ball, special_ids: Sequence[int]
) -> list[Moved]:
    """Move the embeddings of each row to the rim of the ball, along the gradient of the loss, in one step.

    Args:
        victim: The classifier.
        rows: Encoded, with their classes.
        ball: Around each embedding.
        special_ids: Tokens that stay, as no text changes them.
    """
    return _attack(victim, rows, ball, special_ids, steps=1, step_size=ball.epsilon)


def pgd(
    victim: ClassifierVictim,
    rows: Sequence[Example],
    ball: Ball,
    special_ids: Sequence[int],
    *,
    steps: int,
    step_size: float | None = None,
) -> list[Moved]:
    """Move the embeddings in several steps, each followed by the projection into the ball.

    The first step is that of `fgsm`, and a row counts as broken where any step breaks it: so it is never weaker.

    Args:
        victim: The classifier.
        rows: Encoded, with their classes.
        ball: Around each embedding.
        special_ids: Tokens that stay.
        steps: How many, the first one included.
        step_size: Length of the later ones relative to the embedding; by default 2.5 × epsilon / steps.
    """
    size = 2.5 * ball.epsilon / steps if step_size is None else step_size
    return _attack(victim, rows, ball, special_ids, steps=steps, step_size=size)


def _attack(
    victim: ClassifierVictim,
    rows: Sequence[Example],
    ball: Ball,
    special_ids: Sequence[int],
    *,
    steps: int,
    step_size: float,
) -> list[Moved]:
    found: dict[int, Moved] = {}
    for numbers in batches_by_length([len(row.input_ids) for row in rows]) if rows else ():
        batch = victim.objective.collate([rows[number] for number in numbers]).unweighted()
        moved = _attack_batch(victim, batch, ball, special_ids, steps=steps, step_size=step_size)
        found.update(zip(numbers, moved, strict=True))
    return [found[number] for number in range(len(rows))]


def _attack_batch(
    victim: ClassifierVictim,
    batch: Batch,
    ball: Ball,
    special_ids: Sequence[int],
    *,
    steps: int,
    step_size: float,
) -> list[Moved]:
    embeddings = victim.model.get_input_embeddings()
    with torch.no_grad():
        embedded_BTD = embeddings(batch.input_ids).float()
    movable_BT1 = movable_tokens(batch, special_ids).unsqueeze(-1)
    radii_BT1 = ball.radii(embedded_BTD) * movable_BT1
    wholly = Ball(ball.norm, 1.0).radii(embedded_BTD) * movable_BT1
    change_BTD = torch.zeros_like(embedded_BTD)
    broken_at: list[int | None] = [None] * len(embedded_BTD)
    worst: list[Verdict | None] = [None] * len(embedded_BTD)
    reached_B = torch.zeros(len(embedded_BTD))
    for step in range(1, steps + 1):
        gradient_BTD = input_gradient(victim, batch, change_BTD)[0]
        # The first step goes to the rim at once.
        size_BT1 = radii_BT1 if step == 1 else step_size * wholly
        change_BTD = ball.project(change_BTD + size_BT1 * ball.steepest(gradient_BTD), radii_BT1)
        reached_B = torch.maximum(reached_B, _share_of_radius(change_BTD, radii_BT1, ball))
        with torch.no_grad():
            verdicts = victim.verdicts(_logits(victim, batch, change_BTD), batch.labels)
        for row, verdict in enumerate(verdicts):
            if broken_at[row] is not None:
                continue
            if not verdict.is_right:
                broken_at[row], worst[row] = step, verdict
            elif (before := worst[row]) is None or verdict.loss > before.loss:
                worst[row] = verdict
    return [
        Moved(at, verdict, reached)
        for at, verdict, reached in zip(broken_at, worst, reached_B.tolist(), strict=True)
        if verdict is not None
    ]


def _share_of_radius(change_BTD: Tensor, radii_BT1: Tensor, ball: Ball) -> Tensor:
    """Return for each row the greatest length of a token's change by its radius, [B]."""
    order = 2.0 if ball.norm == "l2" else float("inf")
    lengths_BT = torch.linalg.vector_norm(change_BTD, ord=order, dim=-1)
    return (lengths_BT / radii_BT1.squeeze(-1).clamp_min(_TINY)).amax(dim=1)


def movable_tokens(batch: Batch, special_ids: Sequence[int]) -> Tensor:
    """Return which tokens stand for text, float [B, T]: neither special tokens nor filler."""
    is_text_BT = ~torch.isin(batch.input_ids, torch.tensor(list(special_ids), dtype=torch.long))
    if batch.attention_mask is not None:
        is_text_BT &= batch.attention_mask > 0
    return is_text_BT.float()


def input_gradient(victim: ClassifierVictim, batch: Batch, change_BTD: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradient of each row's loss in its embeddings [B, T, D], and the losses [B]."""
    change_BTD = change_BTD.detach().requires_grad_()
    with torch.enable_grad(), frozen(victim.model):
        losses_B = victim.objective.plain_losses(_logits(victim, batch, change_BTD), batch.labels)
        (gradient_BTD,) = torch.autograd.grad(losses_B.sum(), change_BTD)
    return gradient_BTD, losses_B.detach()


def _logits(victim: ClassifierVictim, batch: Batch, change_BTD: Tensor) -> Tensor:
    """Return the logits [B, C] of rows whose embeddings are changed."""

    def change(module: Any, inputs: Any, embedded_BTD: Tensor) -> Tensor:
        return embedded_BTD + change_BTD.to(embedded_BTD.dtype)

    hook = victim.model.get_input_embeddings().register_forward_hook(change)
    dtype = victim.dtype
    try:
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            logits_BC: Tensor = head_outputs(victim.model, batch).logits
    finally:
        hook.remove()
    return logits_BC


@contextmanager
def frozen(model: Any) -> Iterator[None]:
    """Take no gradients of weights: those of the embeddings are all that is asked for."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
