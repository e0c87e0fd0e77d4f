"""PEFT's LoRA over a linear layer, run as one fused function."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from luthier.kernels.autocast import wanted_dtype
from luthier.kernels.linear import fused_linear
from luthier.models.quantized import dense_dtype, is_packed, weight_of


def lora_obstacle(module: Any) -> str | None:
    """Return why a LoRA layer of PEFT over a linear layer cannot be fused, or None if it can."""
    base = module.base_layer
    if type(base) is not nn.Linear and not is_packed(base):
        return f"LoRA over {type(base).__name__}, not over nn.Linear"
    if not base.weight.is_floating_point() and not is_packed(base):
        return f"LoRA over a weight of type {base.weight.dtype}"
    if module.lora_variant:
        return f"the LoRA variant {type(next(iter(module.lora_variant.values()))).__name__}"
    return None


def active_factors(module: Any) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Return A of all active adapters, B times scaling, and the summed extra bias; None where there is none.

    The factors are read anew at each call: nothing is remembered that an optimizer, a merge or a load could make
    stale.
    """
    downs, ups, bias = [], [], None
    for name in module.active_adapters:
        if name not in module.lora_A:
            continue
        scaling = module.scaling[name]
        downs.append(module.lora_A[name].weight)
        ups.append(module.lora_B[name].weight * scaling)
        if module.lora_B[name].bias is not None:
            extra = module.lora_B[name].bias * scaling
            bias = extra if bias is None else bias + extra
    if not downs:
        return None, None, None
    if len(downs) == 1:
        return downs[0], ups[0], bias
    return torch.cat(downs), torch.cat(ups, dim=1), bias


def has_dropout(module: Any) -> bool:
    """Whether any active adapter drops inputs now."""
    return module.training and any(
        getattr(module.lora_dropout[name], "p", 0.0) > 0
        for name in module.active_adapters
        if name in module.lora_dropout
    )


def is_plain_call(module: Any, kwargs: dict[str, Any]) -> bool:
    """Whether PEFT itself must run: adapters off or merged, or chosen row by row."""
    return bool(kwargs) or module.disable_adapters or module.merged or bool(module.lora_variant)


class FusedLoraLinear:
    """Mixin that is put before ``peft.tuners.lora.Linear`` and its like over a matrix in 4 bits."""

    luthier_dtype: torch.dtype

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Run the layer with its active adapters."""
        module: Any = self
        base, dtype = module.base_layer, wanted_dtype(module.luthier_dtype)
        if module.merged != module.disable_adapters and not args and not kwargs:
            # PEFT runs the base layer alone here; its weight may be stored in another type than is computed in.
            return fused_linear(x, weight_of(base), base.bias, dtype=dtype)
        if args or is_plain_call(module, kwargs):
            return super().forward(x.to(dense_dtype(base)), *args, **kwargs).to(dtype)  # type: ignore[misc]
        if has_dropout(module):
            return _with_dropout(module, x, dtype)
        down_RI, up_OR, extra_bias = active_factors(module)
        bias = (
            base.bias if extra_bias is None else extra_bias if base.bias is None else base.bias + extra_bias
        )
        return fused_linear(x, weight_of(base), bias, down_RI, up_OR, dtype=dtype)


def _with_dropout(module: Any, x: Tensor, dtype: torch.dtype) -> Tensor:
    """Each adapter sees its own dropped inputs, so each one is a product of its own."""
    out = fused_linear(x, weight_of(module.base_layer), module.base_layer.bias, dtype=dtype)
    for name in module.active_adapters:
        if name not in module.lora_A:
            continue
        inner = fused_linear(module.lora_dropout[name](x), module.lora_A[name].weight, dtype=dtype)
        up = module.lora_B[name]
        extra = None if up.bias is None else up.bias * module.scaling[name]
        out = out + fused_linear(inner, up.weight * module.scaling[name], extra, dtype=dtype)
    return out
