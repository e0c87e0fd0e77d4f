"""A linear layer in 4 bits that unpacks its matrix anew in each pass; bitsandbytes' own forward is never called."""

from __future__ import annotations

import logging
from typing import Any, Self

import torch
from torch import Tensor, nn

# Importing bitsandbytes logs that an optional package for a fast forward, which is never called here, is absent.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)

from bitsandbytes.nn import Linear4bit, Params4bit  # noqa: E402

from luthier.models.quantized import PackedWeight  # noqa: E402


class FourBitLinear(Linear4bit):
    """``bitsandbytes.nn.Linear4bit``, so that PEFT puts its adapters over it, with a forward of its own.

    On processors that multiply bfloat16, the forward of bitsandbytes repacks the matrix at the first evaluation;
    gradients, merging and unpacking then go wrong without a word. Here the matrix stays as it was stored.
    """

    @classmethod
    def of(cls, layer: nn.Linear, quant_type: str, use_double_quant: bool) -> Self:
        """Return a linear layer in 4 bits; the bias is taken over."""
        with torch.device("meta"):
            made = cls(layer.in_features, layer.out_features, bias=False)
        packed = Params4bit(
            layer.weight.detach(), compress_statistics=use_double_quant, quant_type=quant_type, module=made
        )
        made.weight = packed.to(device=layer.weight.device)  # type: ignore[misc]
        made.bias = layer.bias
        return made.train(layer.training)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x @ weight.T + bias``, in the type that autocast asks for or else in that of ``x``."""
        kind = x.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
        with torch.autocast(kind, enabled=False):
            out: Tensor = _Product.apply(x.to(dtype), PackedWeight(self.weight))
            return out if self.bias is None else out + self.bias.to(dtype)


class _Product(torch.autograd.Function):
    """``inputs @ weight.T`` that keeps nothing for the backward pass."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: PackedWeight) -> Tensor:
        ctx.weight, ctx.dtype = weight, inputs.dtype
        return nn.functional.linear(inputs, weight.dense(inputs.dtype))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad.to(ctx.dtype) @ ctx.weight.dense(ctx.dtype), None
