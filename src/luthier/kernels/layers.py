"""Which linear, LoRA, embedding, feed-forward and normalisation modules of a model are replaced, and by what."""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import Tensor, nn

from luthier.kernels.autocast import wanted_dtype
from luthier.kernels.causal_loss import CausalLM
from luthier.kernels.gated_mlp import FusedGatedMLP, activation_of
from luthier.kernels.headed_decoder import HeadedDecoder
from luthier.kernels.linear import fused_linear
from luthier.kernels.lora_linear import FusedLoraLinear, lora_obstacle
from luthier.kernels.norm import FusedRMSNorm, rms_norm_form
from luthier.kernels.packed_encoder import Encoder
from luthier.kernels.patch import Patch
from luthier.models.quantized import dense_dtype, is_packed, weight_of

_PEFT_OVER_4_BITS = "peft.tuners.lora.bnb"
"""Not imported: it needs bitsandbytes, which few models do."""


class FusedLinear:
    """Mixin that is put before ``nn.Linear`` whose weight trains or is stored in another type or in 4 bits."""

    luthier_dtype: torch.dtype

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input @ weight.T + bias`` in the compute type."""
        module: Any = self
        dtype = wanted_dtype(module.luthier_dtype)
        return fused_linear(input, weight_of(module), module.bias, dtype=dtype)


class CastEmbedding:
    """Mixin that is put before an embedding stored in another type than is computed in."""

    luthier_dtype: torch.dtype

    def forward(self, input: Tensor) -> Tensor:
        """Return the rows in the compute type."""
        return super().forward(input).to(self.luthier_dtype)  # type: ignore[misc]


class CastLayerNorm:
    """Mixin that is put before ``nn.LayerNorm`` whose weights have another type than its inputs."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise in the type of the input."""
        module: Any = self
        weight, bias = (None if p is None else p.to(input.dtype) for p in (module.weight, module.bias))
        return nn.functional.layer_norm(input, module.normalized_shape, weight, bias, module.eps)


def patch_linear_layers(parts: CausalLM | HeadedDecoder | Encoder, patch: Patch) -> None:
    """Fuse LoRA layers and trained linear layers; cast what is stored in another type than is computed in."""
    inside_lora = _patch_lora(parts, patch)
    num_fast = 0
    for module in list(parts.base.modules()):
        if id(module) in inside_lora:
            continue
        kind, weight = type(module), getattr(module, "weight", None)
        if is_packed(module):
            patch.mix_in(module, FusedLinear, luthier_dtype=patch.dtype)
            num_fast += 1
            continue
        if not isinstance(weight, Tensor) or not weight.is_floating_point():
            continue
        is_cast = weight.dtype != patch.dtype
        if kind is nn.Linear and (weight.requires_grad or is_cast):
            patch.mix_in(module, FusedLinear, luthier_dtype=patch.dtype)
            num_fast += 1
        elif isinstance(module, nn.Embedding) and is_cast:
            patch.mix_in(module, CastEmbedding, luthier_dtype=patch.dtype)
        elif kind is nn.LayerNorm and is_cast:
            patch.mix_in(module, CastLayerNorm)
    patch.report("trained or cast linear layers", num_fast, [])


def _patch_lora(parts: CausalLM | HeadedDecoder | Encoder, patch: Patch) -> set[int]:
    """Fuse the LoRA layers and return the identities of all modules inside fused ones."""
    if "peft" not in sys.modules:  # then no layer is PEFT's, and its import takes seconds
        patch.report("LoRA layers", 0, [])
        return set()
    from peft.tuners.lora import Linear as LoraLinear
    from peft.tuners.lora import LoraLayer

    num_fast, obstacles = 0, []
    inside: set[int] = set()
    layers: list[Any] = [module for module in parts.base.modules() if isinstance(module, LoraLayer)]
    for module in layers:
        is_linear = type(module) is LoraLinear or type(module).__module__ == _PEFT_OVER_4_BITS
        obstacle = lora_obstacle(module) if is_linear else f"LoRA of {type(module).__name__}"
        if obstacle:
            obstacles.append(obstacle)
            continue
        inside.update(id(child) for child in module.modules())
        patch.mix_in(module, FusedLoraLinear, luthier_dtype=patch.dtype)
        num_fast += 1
    patch.report("LoRA layers", num_fast, obstacles)
    return inside


def patch_feed_forward(parts: CausalLM | HeadedDecoder | Encoder, patch: Patch) -> None:
    """Fuse gated feed-forward blocks; after the linear layers, whose kind decides."""
    num_fast, obstacles = 0, []
    names = ("gate_proj", "up_proj", "down_proj")
    for module in list(parts.trunk.modules()):
        if not all(hasattr(module, name) for name in (*names, "act_fn")):
            continue
        layers = [getattr(module, name) for name in names]
        activation = activation_of(module)
        if activation is None:
            obstacles.append(f"activation {type(module.act_fn).__name__}")
        elif not all(_is_fusable(layer) for layer in layers):
            kinds = ", ".join(sorted({type(layer).__name__ for layer in layers}))
            obstacles.append(f"layers of type {kinds}")
        elif obstacle := _not_gated(module):
            obstacles.append(obstacle)
        else:
            patch.mix_in(module, FusedGatedMLP, luthier_dtype=patch.dtype, luthier_activation=activation)
            num_fast += 1
    patch.report("gated feed-forward", num_fast, obstacles)


def _is_fusable(layer: Any) -> bool:
    if hasattr(layer, "lora_A"):
        return isinstance(layer, FusedLoraLinear)
    return type(layer) is nn.Linear or isinstance(layer, FusedLinear)


def _not_gated(module: Any) -> str | None:
    """Return an obstacle where the block computes something else than ``down(act(gate(x)) * up(x))``."""
    flags = [(child, child.training) for child in module.modules()]
    module.eval()
    gate: Any = getattr(module.gate_proj, "base_layer", module.gate_proj)
    probe = torch.randn(3, gate.in_features, generator=torch.Generator().manual_seed(0)).to(dense_dtype(gate))
    with torch.no_grad():
        found = module(probe)
        expected = module.down_proj(module.act_fn(module.gate_proj(probe)) * module.up_proj(probe))
    for child, was_training in flags:
        child.training = was_training
    is_same = isinstance(found, Tensor) and torch.allclose(found, expected, rtol=1e-2, atol=1e-4)
    return None if is_same else f"{type(module).__name__} computes something else than down(act(gate) * up)"


def patch_norms(parts: CausalLM | HeadedDecoder | Encoder, patch: Patch) -> None:
    """Fuse RMS normalisations that compute the usual form."""
    num_fast, obstacles = 0, []
    for module in list(parts.trunk.modules()):
        if not type(module).__name__.endswith("RMSNorm"):
            continue
        if (form := rms_norm_form(module)) is None:
            obstacles.append(f"{type(module).__name__} computes something else than x / rms(x) * weight")
        else:
            patch.mix_in(module, FusedRMSNorm, luthier_epsilon=form[0], luthier_offset=form[1])
            num_fast += 1
    patch.report("RMSNorm", num_fast, obstacles)
