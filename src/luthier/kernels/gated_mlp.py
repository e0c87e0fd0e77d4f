"""The gated feed-forward block (SwiGLU, GEGLU) with LoRA as one autograd function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from luthier.kernels.autocast import wanted_dtype, without_autocast
from luthier.kernels.linear import LinearWeights
from luthier.kernels.lora_linear import active_factors, has_dropout, is_plain_call

# Shapes: N tokens, D hidden width, F feed-forward width.


@dataclass(frozen=True)
class Activation:
    """An activation and the gradient that torch fuses for it."""

    forward: Callable[[Tensor], Tensor]
    backward_into: Callable[[Tensor, Tensor], Tensor]


def _silu_backward_into(grad: Tensor, inputs: Tensor) -> Tensor:
    return torch.ops.aten.silu_backward.grad_input(grad, inputs, grad_input=grad)


def _gelu_backward_into(approximate: str) -> Callable[[Tensor, Tensor], Tensor]:
    def backward(grad: Tensor, inputs: Tensor) -> Tensor:
        return torch.ops.aten.gelu_backward.grad_input(grad, inputs, approximate=approximate, grad_input=grad)

    return backward


_ACTIVATIONS = (
    Activation(nn.functional.silu, _silu_backward_into),
    Activation(lambda x: nn.functional.gelu(x, approximate="tanh"), _gelu_backward_into("tanh")),
    Activation(nn.functional.gelu, _gelu_backward_into("none")),
)


def activation_of(module: Any) -> Activation | None:
    """Return the activation that the module's ``act_fn`` computes, found by trying; None if it is another."""
    probe = torch.linspace(-6, 6, 241)
    with torch.no_grad():
        expected = module.act_fn(probe)
        for activation in _ACTIVATIONS:
            if torch.allclose(activation.forward(probe), expected, rtol=1e-5, atol=1e-6):
                return activation
    return None


class FusedGatedMLP:
    """Mixin that is put before a model's own class with ``gate_proj``, ``up_proj``, ``down_proj`` and ``act_fn``."""

    luthier_dtype: torch.dtype
    luthier_activation: Activation

    def forward(self, x: Tensor) -> Tensor:
        """Return ``down(act(gate(x)) * up(x))``."""
        module: Any = self
        layers = (module.gate_proj, module.up_proj, module.down_proj)
        tensors = [_tensors(layer) for layer in layers]
        if None in tensors:
            return super().forward(x)  # type: ignore[misc]
        flat = [tensor for of_layer in tensors for tensor in of_layer]  # type: ignore[union-attr]
        return _GatedMLP.apply(x, module.luthier_activation, wanted_dtype(module.luthier_dtype), *flat)


def _tensors(layer: Any) -> tuple[Tensor | None, ...] | None:
    """Return a layer's weight, bias, down and up; None where the layer must run by itself."""
    if not hasattr(layer, "lora_A"):
        return layer.weight, layer.bias, None, None
    if is_plain_call(layer, {}) or has_dropout(layer):
        return None
    down, up, extra_bias = active_factors(layer)
    if extra_bias is not None:
        return None
    return layer.base_layer.weight, layer.base_layer.bias, down, up


class _GatedMLP(torch.autograd.Function):
    @staticmethod
    @without_autocast
    def forward(
        ctx: Any, inputs: Tensor, activation: Activation, dtype: torch.dtype, *tensors: Tensor | None
    ) -> Tensor:
        inputs_ND = inputs.reshape(-1, inputs.shape[-1]).to(dtype)
        gate, up, down = (LinearWeights.cast(tensors[i : i + 4], dtype) for i in (0, 4, 8))
        gate_NF, gate_inner = gate.forward(inputs_ND)
        up_NF, up_inner = up.forward(inputs_ND)
        product_NF = activation.forward(gate_NF).mul_(up_NF)
        out_ND, down_inner = down.forward(product_NF)
        factors = [factor for layer in (gate, up, down) for factor in (layer.down_RI, layer.up_OR)]
        ctx.save_for_backward(
            inputs_ND,
            gate_NF,
            up_NF,
            gate_inner,
            up_inner,
            down_inner,
            tensors[0],
            tensors[4],
            tensors[8],
            *factors,
        )
        ctx.activation, ctx.dtype = activation, dtype
        ctx.shape, ctx.inputs_dtype = inputs.shape, inputs.dtype
        return out_ND.view(*inputs.shape[:-1], out_ND.shape[-1])

    @staticmethod
    @without_autocast
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        inputs_ND, gate_NF, up_NF, gate_inner, up_inner, down_inner, *weights = ctx.saved_tensors
        gate, up, down = (
            LinearWeights.cast((weights[i], None, weights[3 + 2 * i], weights[4 + 2 * i]), ctx.dtype)
            for i in range(3)
        )
        needs_inputs, _, _, *needs = ctx.needs_input_grad
        grad_ND = grad.reshape(-1, grad.shape[-1]).to(ctx.dtype)
        bent_NF = ctx.activation.forward(gate_NF)
        product_NF = bent_NF * up_NF if needs[8] or needs[10] else None
        grad_NF, *down_grads = down.backward(grad_ND, product_NF, down_inner, (True, *needs[8:12]))
        assert grad_NF is not None
        grad_gate_NF = ctx.activation.backward_into(grad_NF * up_NF, gate_NF)
        grad_up_NF = grad_NF.mul_(bent_NF)
        grad_inputs, *gate_grads = gate.backward(
            grad_gate_NF, inputs_ND, gate_inner, (needs_inputs, *needs[0:4])
        )
        grad_inputs, *up_grads = up.backward(
            grad_up_NF, inputs_ND, up_inner, (needs_inputs, *needs[4:8]), grad_inputs
        )
        if grad_inputs is not None:
            grad_inputs = grad_inputs.view(ctx.shape).to(ctx.inputs_dtype)
        return grad_inputs, None, None, *gate_grads, *up_grads, *down_grads
