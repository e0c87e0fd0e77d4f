"""The gated feed-forward block (SwiGLU, GEGLU) with LoRA as one autograd function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from luthier.kernels import compiled
from luthier.kernels.autocast import wanted_dtype, without_autocast
from luthier.kernels.linear import LinearWeights, keep_weights, kept_weights
from luthier.kernels.lora_linear import active_factors, has_dropout, is_plain_call
from luthier.models.quantized import PackedWeight, weight_of

# Shapes: N tokens, D hidden width, F feed-forward width.


@dataclass(frozen=True)
class Activation:
    """An activation and the gradient that torch fuses for it."""

    forward: Callable[[Tensor], Tensor]
    backward_into: Callable[[Tensor, Tensor], Tensor]
    is_silu: bool = False

    def gated(self, gate: Tensor, up: Tensor) -> Tensor:
        """Return ``activation(gate) * up``."""
        if self.is_silu and compiled.fits(gate, up):
            return compiled.swiglu(gate, up)
        return self.forward(gate).mul_(up)

    def gated_backward(self, grad: Tensor, gate: Tensor, up: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return ``activation(gate) * up`` and the gradients of gate and up; ``grad`` is used up."""
        if self.is_silu and compiled.fits(grad, gate, up):
            return compiled.swiglu_backward(grad, gate, up)
        bent = self.forward(gate)
        product = bent * up
        grad_gate = self.backward_into(grad * up, gate)
        return product, grad_gate, grad.mul_(bent)


def _silu_backward_into(grad: Tensor, inputs: Tensor) -> Tensor:
    return torch.ops.aten.silu_backward.grad_input(grad, inputs, grad_input=grad)


def _gelu_backward_into(approximate: str) -> Callable[[Tensor, Tensor], Tensor]:
    def backward(grad: Tensor, inputs: Tensor) -> Tensor:
        return torch.ops.aten.gelu_backward.grad_input(grad, inputs, approximate=approximate, grad_input=grad)

    return backward


_ACTIVATIONS = (
    Activation(nn.functional.silu, _silu_backward_into, is_silu=True),
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


def _tensors(layer: Any) -> tuple[Tensor | PackedWeight | None, ...] | None:
    """Return a layer's weight, bias, down and up; None where the layer must run by itself."""
    if not hasattr(layer, "lora_A"):
        return weight_of(layer), layer.bias, None, None
    if is_plain_call(layer, {}) or has_dropout(layer):
        return None
    down, up, extra_bias = active_factors(layer)
    if extra_bias is not None:
        return None
    return weight_of(layer.base_layer), layer.base_layer.bias, down, up


class _GatedMLP(torch.autograd.Function):
    @staticmethod
    @without_autocast
    def forward(
        ctx: Any,
        inputs: Tensor,
        activation: Activation,
        dtype: torch.dtype,
        *tensors: Tensor | PackedWeight | None,
    ) -> Tensor:
        inputs_ND = inputs.reshape(-1, inputs.shape[-1]).to(dtype)
        gate, up, down = (LinearWeights.cast(tensors[i : i + 4], dtype) for i in (0, 4, 8))
        gate_NF, gate_inner = gate.forward(inputs_ND)
        up_NF, up_inner = up.forward(inputs_ND)
        product_NF = activation.gated(gate_NF, up_NF)
        out_ND, down_inner = down.forward(product_NF)
        factors = [factor for layer in (gate, up, down) for factor in (layer.down_RI, layer.up_OR)]
        ctx.save_for_backward(
            inputs_ND,
            gate_NF,
            up_NF,
            gate_inner,
            up_inner,
            down_inner,
            *keep_weights(ctx, (tensors[0], tensors[4], tensors[8])),
            *factors,
        )
        ctx.activation, ctx.dtype = activation, dtype
        ctx.shape, ctx.inputs_dtype = inputs.shape, inputs.dtype
        return out_ND.view(*inputs.shape[:-1], out_ND.shape[-1])

    @staticmethod
    @without_autocast
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        inputs_ND, gate_NF, up_NF, gate_inner, up_inner, down_inner, *kept = ctx.saved_tensors
        weights, factors = kept_weights(ctx, kept[:3]), kept[3:]
        gate, up, down = (
            LinearWeights.cast((weights[i], None, factors[2 * i], factors[2 * i + 1]), ctx.dtype)
            for i in range(3)
        )
        needs_inputs, _, _, *needs = ctx.needs_input_grad
        grad_ND = grad.reshape(-1, grad.shape[-1]).to(ctx.dtype)
        grad_NF, _, grad_bias, _, grad_down_OR = down.backward(
            grad_ND, None, down_inner, (True, False, needs[9], False, needs[11])
        )
        assert grad_NF is not None
        product_NF, grad_gate_NF, grad_up_NF = ctx.activation.gated_backward(grad_NF, gate_NF, up_NF)
        # The product is the input of `down`: it is made again here, so what needs it waits until now.
        _, grad_weight, _, grad_down_RI, _ = down.backward(
            grad_ND, product_NF, None, (False, needs[8], False, needs[10], False)
        )
        down_grads = (grad_weight, grad_bias, grad_down_RI, grad_down_OR)
        grad_inputs, *gate_grads = gate.backward(
            grad_gate_NF, inputs_ND, gate_inner, (needs_inputs, *needs[0:4])
        )
        grad_inputs, *up_grads = up.backward(
            grad_up_NF, inputs_ND, up_inner, (needs_inputs, *needs[4:8]), grad_inputs
        )
        if grad_inputs is not None:
            grad_inputs = grad_inputs.view(ctx.shape).to(ctx.inputs_dtype)
        return grad_inputs, None, None, *gate_grads, *up_grads, *down_grads
