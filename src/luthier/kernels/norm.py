"""Root-mean-square normalisation that keeps its input and one number a token."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from luthier.kernels import compiled
from luthier.kernels.autocast import without_autocast

# Shapes: N tokens, D width.


def rms_norm(inputs: Tensor, weight_D: Tensor, epsilon: float, *, offset: float = 0.0) -> Tensor:
    """Return ``inputs / rms(inputs) * (offset + weight)`` in the type of the inputs, computed in float32.

    Args:
        inputs: [..., D].
        weight_D: In any floating type.
        epsilon: Added to the mean square.
        offset: 0 for Llama's form, 1 for Gemma's.

    Reference:
        Zhang and Sennrich, arXiv:1910.07467.
    """
    return _RMSNorm.apply(inputs, weight_D, epsilon, offset)


class _RMSNorm(torch.autograd.Function):
    @staticmethod
    @without_autocast
    def forward(ctx: Any, inputs: Tensor, weight_D: Tensor, epsilon: float, offset: float) -> Tensor:
        ctx.offset = offset
        if compiled.fits(inputs):
            out, inverse = compiled.rms_norm(inputs, weight_D.float() + offset, epsilon)
            ctx.save_for_backward(inputs, weight_D, inverse)
            return out
        wide = inputs.float()
        mean_square = torch.linalg.vector_norm(wide, dim=-1, keepdim=True).square_().div_(inputs.shape[-1])
        inverse = mean_square.add_(epsilon).rsqrt_()
        out = torch.mul(wide, inverse).mul_(weight_D.float() + offset).to(inputs.dtype)
        ctx.save_for_backward(inputs, weight_D, inverse)
        return out

    @staticmethod
    @without_autocast
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        inputs, weight_D, inverse = ctx.saved_tensors
        needs_inputs, needs_weight = ctx.needs_input_grad[:2]
        if compiled.fits(grad, inputs):
            of_weight = compiled.rms_norm_weight_backward(grad, inputs, inverse) if needs_weight else None
            if not needs_inputs:
                return None, of_weight, None, None
            weight_D = weight_D.float() + ctx.offset
            return compiled.rms_norm_backward(grad, inputs, weight_D, inverse), of_weight, None, None
        normed = inputs.float().mul_(inverse) if inputs.dtype != torch.float32 else inputs * inverse
        wide_grad = grad.float()
        grad_inputs = grad_weight = None
        if needs_weight:
            grad_weight = (wide_grad * normed).flatten(0, -2).sum(dim=0)
        if needs_inputs:
            scaled = wide_grad * (weight_D.float() + ctx.offset)
            projection = torch.linalg.vecdot(scaled, normed).unsqueeze(-1).div_(inputs.shape[-1])
            grad_inputs = scaled.sub_(normed.mul_(projection)).mul_(inverse).to(inputs.dtype)
        return grad_inputs, grad_weight, None, None


class FusedRMSNorm:
    """Mixin that is put before a model's own RMSNorm class."""

    luthier_epsilon: float
    luthier_offset: float

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Normalise the last dimension."""
        return rms_norm(hidden_states, self.weight, self.luthier_epsilon, offset=self.luthier_offset)  # type: ignore[attr-defined]


def rms_norm_form(module: Any) -> tuple[float, float] | None:
    """Return (epsilon, offset) if the module computes what `rms_norm` computes, found by trying; None otherwise."""
    epsilon = getattr(module, "variance_epsilon", getattr(module, "eps", None))
    weight = getattr(module, "weight", None)
    if (
        not isinstance(epsilon, float)
        or weight is None
        or weight.dim() != 1
        or len(list(module.parameters())) != 1
    ):
        return None
    probe = torch.randn(3, len(weight), generator=torch.Generator().manual_seed(0)) * 3
    with torch.no_grad():
        expected = module(probe).float()
        for offset in (0.0, 1.0):
            # bfloat16 weights multiply in bfloat16 in some families: its rounding, 2^-8, is allowed for.
            if torch.allclose(
                rms_norm(probe, weight, epsilon, offset=offset), expected, rtol=1e-2, atol=1e-4
            ):
                return epsilon, offset
    return None
