"""The head's cross-entropy and the gradient of the hidden state, chunk by chunk: no positions × vocabulary tensor."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from luthier.kernels import compiled
from luthier.kernels.autocast import wanted_dtype, without_autocast
from luthier.kernels.token_rows import Places, TrainedRows

# Shapes: N positions, C positions of one chunk, D hidden width, V vocabulary.

_CHUNK = 128
"""Positions of one chunk: large enough for the matrix products, small enough for the cache."""
_CHUNK_TRAINED_HEAD = 512
"""With a trained head each chunk also adds a [V, D] gradient: fewer, larger chunks."""
_UNDERFLOW = 1e-30
_RUN = 256


def linear_cross_entropy(
    hidden_ND: Tensor,
    weight_VD: Tensor,
    targets_N: Tensor,
    *,
    bias: Tensor | None = None,
    label_smoothing: float = 0.0,
    softcap: float | None = None,
    logit_scale: float = 1.0,
    reduction: str = "sum",
    weights_N: Tensor | None = None,
    rows: TrainedRows | None = None,
) -> Tensor:
    """Return the cross-entropy of ``hidden @ weight.T (+ bias)``.

    Args:
        hidden_ND: Hidden states of the positions that have a label; computed in their type, or in autocast's.
        weight_VD: The head. Its gradient is computed only where it trains, summed in float32.
        targets_N: Labels, int64; every one counts (take positions without a label out before).
        bias: The head's bias, [V].
        label_smoothing: Share of each label spread evenly over the vocabulary.
        softcap: Logits become ``softcap * tanh(logit / softcap)``; None for no cap.
        logit_scale: Factor of the logits, before the cap.
        reduction: ``sum``, ``mean``, or ``none`` for [N].
        weights_N: Factor of each position's loss, float32; None for 1. A mean is over positions all the same.
        rows: Rows that stand in the place of some of the head's and train instead of it.

    Raises:
        ValueError: Unknown reduction.

    Reference:
        Cut Cross-Entropy, arXiv:2411.09009; Liger Kernel, arXiv:2410.10989.
    """
    if reduction not in ("sum", "mean", "none"):
        raise ValueError(f"reduction {reduction!r}: expected sum, mean or none")
    if not torch.is_grad_enabled():
        # A function is told only whether its inputs train, not whether a gradient is recorded.
        weight_VD, bias = weight_VD.detach(), None if bias is None else bias.detach()
        hidden_ND = hidden_ND.detach()
    trained, places = (weight_VD, None) if rows is None else (rows.values_RD, rows.places)
    if rows is not None and not torch.is_grad_enabled():
        trained = trained.detach()
    loss_N = _LinearCrossEntropy.apply(
        hidden_ND.to(wanted_dtype(hidden_ND.dtype)),
        trained,
        bias,
        targets_N,
        label_smoothing,
        softcap,
        logit_scale,
        reduction == "none",
        weights_N,
        None if rows is None else rows.merged_into(weight_VD),
        places,
    )
    if reduction == "none":
        return loss_N
    return loss_N / max(1, len(targets_N)) if reduction == "mean" else loss_N


class _Head:
    """The head in the type of the hidden states, with what bends its logits."""

    def __init__(
        self, weight_VD: Tensor, bias: Tensor | None, dtype: torch.dtype, softcap: float | None, scale: float
    ) -> None:
        self.weight_VD = weight_VD.detach().to(dtype)
        self.bias = None if bias is None else bias.detach().to(dtype)
        self.softcap, self.scale = softcap, scale

    def logits(self, hidden_CD: Tensor) -> Tensor:
        logits_CV = torch.nn.functional.linear(hidden_CD, self.weight_VD, self.bias)
        if self.scale != 1:
            logits_CV.mul_(self.scale)
        if self.softcap is not None:
            logits_CV.div_(self.softcap).tanh_().mul_(self.softcap)
        return logits_CV

    def through_bend(self, grad_CV: Tensor, logits_CV: Tensor) -> Tensor:
        """Turn the gradient of the bent logits into that of the matrix product."""
        if self.softcap is not None:
            grad_CV.mul_(logits_CV.div_(self.softcap).square_().neg_().add_(1))
        return grad_CV.mul_(self.scale) if self.scale != 1 else grad_CV


def _loss_and_gradient(
    logits_CV: Tensor,
    targets_C: Tensor,
    smoothing: float,
    *,
    differentiates: bool = True,
    is_bent: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return the loss of each position in float32 and the gradient of the logits, which may take their place.

    The target's probability is taken as p / (p + everything else), with the rest summed in float32: near 1, where
    bfloat16 has steps of 0.004, the loss and the target's gradient (p - 1) keep their relative precision.

    Args:
        logits_CV: Used up unless ``is_bent``.
        targets_C: Labels.
        smoothing: Share of each label spread evenly over the vocabulary.
        differentiates: Whether the gradient is wanted.
        is_bent: The logits are needed afterwards.
    """
    if not smoothing and not is_bent and compiled.fits(logits_CV) and targets_C.is_contiguous():
        return compiled.cross_entropy_(logits_CV, targets_C, differentiates=differentiates), logits_CV
    # Indexing, not gather and scatter: those copy the whole bfloat16 chunk to float32 and back.
    at_target = (torch.arange(len(targets_C)), targets_C)
    grad_CV = torch.softmax(logits_CV, dim=-1)
    of_target_C = grad_CV[at_target].float()
    grad_CV[at_target] = 0.0
    rest_C = _row_sums(grad_CV)
    total_C = of_target_C + rest_C
    loss_C = total_C.log() - of_target_C.log()
    underflown = (of_target_C < _UNDERFLOW).nonzero().squeeze(1)
    if len(underflown):
        exact = logits_CV[underflown].float()
        loss_C[underflown] = exact.logsumexp(-1) - exact[torch.arange(len(exact)), targets_C[underflown]]
    of_target_grad = -rest_C / total_C
    if smoothing:
        num_classes = logits_CV.shape[1]
        logit_C = logits_CV[at_target].float()
        mean_C = _row_sums(logits_CV) / num_classes
        # (1 - e) (lse - logit) + e (lse - mean) = loss + e (logit - mean)
        loss_C += smoothing * (logit_C - mean_C)
        grad_CV.sub_(smoothing / num_classes)
        of_target_grad = of_target_grad + smoothing - smoothing / num_classes
    grad_CV[at_target] = of_target_grad.to(grad_CV.dtype)
    return loss_C, grad_CV


def _row_sums(values_CV: Tensor) -> Tensor:
    """Return row sums in float32, from sums over runs of 256: asking for float32 would copy the whole chunk."""
    whole = values_CV.shape[1] // _RUN * _RUN
    sums_C = values_CV[:, :whole].unflatten(1, (-1, _RUN)).sum(dim=-1).float().sum(dim=-1)
    return sums_C + values_CV[:, whole:].float().sum(dim=-1)


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    @without_autocast
    def forward(
        ctx: Any,
        hidden_ND: Tensor,
        weight_VD: Tensor,
        bias: Tensor | None,
        targets_N: Tensor,
        smoothing: float,
        softcap: float | None,
        scale: float,
        by_position: bool,
        weights_N: Tensor | None,
        merged_VD: Tensor | None,
        places: Places | None,
    ) -> Tensor:
        # Where only some rows train, ``weight_VD`` is those rows and ``merged_VD`` the head with them in place.
        whole_VD = weight_VD if merged_VD is None else merged_VD
        head = _Head(whole_VD, bias, hidden_ND.dtype, softcap, scale)
        needs_hidden, needs_weight, needs_bias = ctx.needs_input_grad[:3]
        # Per-position losses meet weights that are known only in the backward pass: the head's gradient waits.
        sums_now = (needs_weight or needs_bias) and not by_position
        needs_any = needs_hidden or sums_now
        grad_hidden_ND = torch.empty_like(hidden_ND) if needs_hidden else None
        sums = (
            _HeadGradient(weight_VD if needs_weight else None, bias if needs_bias else None, places)
            if sums_now
            else None
        )
        loss_N = torch.empty(len(targets_N), dtype=torch.float32)
        step = _CHUNK_TRAINED_HEAD if sums_now else _CHUNK
        for start in range(0, len(targets_N), step):
            chunk = slice(start, start + step)
            logits_CV = head.logits(hidden_ND[chunk])
            loss_N[chunk], grad_CV = _loss_and_gradient(
                logits_CV, targets_N[chunk], smoothing, differentiates=needs_any, is_bent=softcap is not None
            )
            weights_C = None if weights_N is None else weights_N[chunk]
            if weights_C is not None:
                loss_N[chunk] *= weights_C
            if not needs_any:
                continue
            grad_CV = head.through_bend(grad_CV, logits_CV)
            if grad_hidden_ND is not None:
                torch.mm(grad_CV, head.weight_VD, out=grad_hidden_ND[chunk])
                if weights_C is not None:
                    grad_hidden_ND[chunk] *= weights_C.unsqueeze(1)
            if sums is not None:
                sums.add(grad_CV, hidden_ND[chunk], weights_C)
        ctx.by_position = by_position
        ctx.settings = (smoothing, softcap, scale)
        recomputed = (
            (hidden_ND, whole_VD, weight_VD, bias, targets_N)
            if by_position and (needs_weight or needs_bias)
            else ()
        )
        ctx.places = places
        ctx.weights_N = weights_N
        ctx.save_for_backward(
            grad_hidden_ND, sums.weight_VD if sums else None, sums.bias_V if sums else None, *recomputed
        )
        return loss_N if by_position else loss_N.sum()

    @staticmethod
    @without_autocast
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        grad_hidden_ND, grad_weight_VD, grad_bias_V, *recomputed = ctx.saved_tensors
        if recomputed:
            grad_N = grad if ctx.weights_N is None else grad * ctx.weights_N
            grad_weight_VD, grad_bias_V = _head_gradient_again(
                grad_N, *recomputed, *ctx.settings, places=ctx.places
            )
        if grad_hidden_ND is not None:
            factor = grad.unsqueeze(1) if ctx.by_position else grad
            grad_hidden_ND = (grad_hidden_ND * factor).to(grad_hidden_ND.dtype)
        if not ctx.by_position:
            # A copy would double the largest tensor; a second backward through the same graph must not scale twice.
            if grad_weight_VD is not None and float(grad) != 1:
                grad_weight_VD = grad_weight_VD * grad
            if grad_bias_V is not None:
                grad_bias_V = grad_bias_V * grad
        needs_weight, needs_bias = ctx.needs_input_grad[1:3]
        return (
            grad_hidden_ND,
            grad_weight_VD if needs_weight else None,
            grad_bias_V if needs_bias else None,
            *(None,) * 8,
        )


class _HeadGradient:
    """Sums of the head's gradient over chunks, in float32; of the rows at ``places`` alone where only those train."""

    def __init__(self, weight_VD: Tensor | None, bias: Tensor | None, places: Places | None = None) -> None:
        self._places = places
        self.weight_VD = None if weight_VD is None else torch.zeros(weight_VD.shape, dtype=torch.float32)
        self.bias_V = None if bias is None else torch.zeros(bias.shape, dtype=torch.float32)

    def add(self, grad_CV: Tensor, hidden_CD: Tensor, weights_C: Tensor | None = None) -> None:
        """Add a chunk; weights meet the hidden states, which are far fewer numbers than the logits' gradient."""
        if weights_C is not None:
            hidden_CD = (hidden_CD * weights_C.unsqueeze(1)).to(hidden_CD.dtype)
        if self.weight_VD is not None:
            grad_CR = grad_CV if self._places is None else grad_CV[:, self._places]
            if grad_CR.dtype == torch.float32:
                self.weight_VD.addmm_(grad_CR.t(), hidden_CD)
            else:
                self.weight_VD.add_(torch.mm(grad_CR.t(), hidden_CD))
        if self.bias_V is not None:
            if weights_C is not None:
                grad_CV = grad_CV.float() * weights_C.unsqueeze(1)
            self.bias_V.add_(grad_CV.sum(dim=0, dtype=torch.float32))


def _head_gradient_again(
    grad_N: Tensor,
    hidden_ND: Tensor,
    whole_VD: Tensor,
    trained_VD: Tensor,
    bias: Tensor | None,
    targets_N: Tensor,
    smoothing: float,
    softcap: float | None,
    scale: float,
    *,
    places: Places | None,
) -> tuple[Tensor | None, Tensor | None]:
    """Compute the logits once more, to weight each position's part of the head's gradient."""
    head = _Head(whole_VD, bias, hidden_ND.dtype, softcap, scale)
    sums = _HeadGradient(trained_VD, bias, places)
    for start in range(0, len(targets_N), _CHUNK_TRAINED_HEAD):
        chunk = slice(start, start + _CHUNK_TRAINED_HEAD)
        logits_CV = head.logits(hidden_ND[chunk])
        _, grad_CV = _loss_and_gradient(logits_CV, targets_N[chunk], smoothing, is_bent=softcap is not None)
        grad_CV = head.through_bend(grad_CV, logits_CV)
        sums.add(grad_CV.mul_(grad_N[chunk].unsqueeze(1).to(grad_CV.dtype)), hidden_ND[chunk])
    return sums.weight_VD, sums.bias_V
