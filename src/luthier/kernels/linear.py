"""A linear layer, with or without LoRA factors, as one autograd function that keeps only what it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from luthier.kernels.autocast import without_autocast
from luthier.models.quantized import PackedWeight

# Shapes: N tokens, I inputs, O outputs, R rank of all active adapters together.


@dataclass(frozen=True)
class LinearWeights:
    """One layer's tensors in the type that is computed in.

    Args:
        weight_OI: The matrix.
        bias_O: The bias.
        down_RI: LoRA's A, of all adapters one below the other.
        up_OR: LoRA's B times its scaling, side by side.
    """

    weight_OI: Tensor
    bias_O: Tensor | None = None
    down_RI: Tensor | None = None
    up_OR: Tensor | None = None

    NUM_TENSORS = 4

    @classmethod
    def cast(cls, tensors: tuple[Tensor | PackedWeight | None, ...], dtype: torch.dtype) -> LinearWeights:
        """Take the four tensors in order, without gradient, in ``dtype``; a matrix in 4 bits becomes dense here."""
        return cls(*(_cast(tensor, dtype) for tensor in tensors))  # type: ignore[arg-type]

    def forward(self, inputs_NI: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the outputs [N, O] and, with LoRA, ``inputs @ down.T`` [N, R]."""
        out_NO = torch.nn.functional.linear(inputs_NI, self.weight_OI, self.bias_O)
        if self.down_RI is None or self.up_OR is None:
            return out_NO, None
        inner_NR = inputs_NI @ self.down_RI.t()
        return out_NO.addmm_(inner_NR, self.up_OR.t()), inner_NR

    def backward(
        self,
        grad_NO: Tensor,
        inputs_NI: Tensor | None,
        inner_NR: Tensor | None,
        needs: tuple[bool, ...],
        grad_inputs_NI: Tensor | None = None,
    ) -> tuple[Tensor | None, ...]:
        """Return the gradients of inputs, weight, bias, down and up.

        Args:
            grad_NO: Gradient of the outputs.
            inputs_NI: The inputs; unused where neither weight nor down is needed.
            inner_NR: What `forward` returned.
            needs: Which of the five gradients are wanted.
            grad_inputs_NI: A gradient to add the inputs' gradient to, in place.
        """
        needs_inputs, needs_weight, needs_bias, needs_down, needs_up = needs
        inner_grad_NR = grad_down_RI = grad_up_OR = None
        if self.up_OR is not None and (needs_inputs or needs_down):
            inner_grad_NR = grad_NO @ self.up_OR
        if needs_inputs:
            if grad_inputs_NI is None:
                grad_inputs_NI = grad_NO @ self.weight_OI
            else:
                grad_inputs_NI.addmm_(grad_NO, self.weight_OI)
            if inner_grad_NR is not None and self.down_RI is not None:
                grad_inputs_NI.addmm_(inner_grad_NR, self.down_RI)
        if needs_down and inner_grad_NR is not None and inputs_NI is not None:
            grad_down_RI = inner_grad_NR.t() @ inputs_NI
        if needs_up and inner_NR is not None:
            # The narrow operand first: twice as fast as grad.T @ inner, which walks the wide one by columns.
            grad_up_OR = (inner_NR.t() @ grad_NO).t()
        return (
            grad_inputs_NI if needs_inputs else None,
            grad_NO.t() @ inputs_NI if needs_weight and inputs_NI is not None else None,
            grad_NO.sum(dim=0, dtype=torch.float32) if needs_bias else None,
            grad_down_RI,
            grad_up_OR,
        )


def _cast(tensor: Tensor | PackedWeight | None, dtype: torch.dtype) -> Tensor | None:
    if tensor is None:
        return None
    return tensor.dense(dtype) if isinstance(tensor, PackedWeight) else tensor.detach().to(dtype)


def keep_weights(ctx: Any, weights: Sequence[Tensor | PackedWeight | None]) -> tuple[Tensor | None, ...]:
    """Note the matrices in 4 bits on ``ctx``; return the others, for ``save_for_backward``, in their places."""
    ctx.packed = tuple(weight if isinstance(weight, PackedWeight) else None for weight in weights)
    return tuple(None if isinstance(weight, PackedWeight) else weight for weight in weights)


def kept_weights(ctx: Any, saved: Sequence[Tensor | None]) -> tuple[Tensor | PackedWeight | None, ...]:
    """Return all matrices again, from what `keep_weights` returned."""
    return tuple(packed or weight for packed, weight in zip(ctx.packed, saved, strict=True))


def fused_linear(
    inputs: Tensor,
    weight_OI: Tensor | PackedWeight,
    bias_O: Tensor | None = None,
    down_RI: Tensor | None = None,
    up_OR: Tensor | None = None,
    *,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Return ``inputs @ (weight + up @ down).T + bias`` without forming the sum of the matrices.

    Args:
        inputs: [..., I].
        weight_OI: The layer's weight, in any floating type or in 4 bits; a gradient only where it trains.
        bias_O: The layer's bias.
        down_RI: LoRA's A, of all adapters one below the other.
        up_OR: LoRA's B times its scaling, side by side.
        dtype: Type of the matrix products and of the result; the type of ``inputs`` where None.

    Returns:
        [..., O]. The backward pass keeps the inputs and ``inputs @ down.T`` and nothing else.
    """
    return _FusedLinear.apply(inputs, weight_OI, bias_O, down_RI, up_OR, dtype or inputs.dtype)


class _FusedLinear(torch.autograd.Function):
    @staticmethod
    @without_autocast
    def forward(
        ctx: Any,
        inputs: Tensor,
        weight_OI: Tensor | PackedWeight,
        bias_O: Tensor | None,
        down_RI: Tensor | None,
        up_OR: Tensor | None,
        dtype: torch.dtype,
    ) -> Tensor:
        inputs_NI = inputs.reshape(-1, inputs.shape[-1]).to(dtype)
        layer = LinearWeights.cast((weight_OI, bias_O, down_RI, up_OR), dtype)
        out_NO, inner_NR = layer.forward(inputs_NI)
        _, needs_weight, _, needs_down, _ = ctx.needs_input_grad[:5]
        # The weight is kept as it is stored: a cast copy of every matrix would cost the model again.
        (weight,) = keep_weights(ctx, (weight_OI,))
        ctx.save_for_backward(
            inputs_NI if needs_weight or needs_down else None, inner_NR, weight, layer.down_RI, layer.up_OR
        )
        ctx.shape, ctx.inputs_dtype, ctx.dtype = inputs.shape, inputs.dtype, dtype
        return out_NO.view(*inputs.shape[:-1], out_NO.shape[-1])

    @staticmethod
    @without_autocast
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        inputs_NI, inner_NR, weight, down_RI, up_OR = ctx.saved_tensors
        (weight_OI,) = kept_weights(ctx, (weight,))
        layer = LinearWeights.cast((weight_OI, None, down_RI, up_OR), ctx.dtype)
        grad_NO = grad.reshape(-1, grad.shape[-1]).to(ctx.dtype)
        grad_inputs, *rest = layer.backward(grad_NO, inputs_NI, inner_NR, ctx.needs_input_grad[:5])
        if grad_inputs is not None:
            grad_inputs = grad_inputs.view(ctx.shape).to(ctx.inputs_dtype)
        return grad_inputs, *rest, None
