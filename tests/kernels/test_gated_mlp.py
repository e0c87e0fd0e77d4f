"""The fused gated block equals transformers' own, for every activation and every set of trained tensors."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from transformers.activations import ACT2FN
from transformers.models.llama.configuration_llama import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaMLP

from luthier.kernels.gated_mlp import FusedGatedMLP, activation_of


def _block(activation: str = "silu", *, bias: bool = False) -> Any:
    torch.manual_seed(0)
    return LlamaMLP(
        LlamaConfig(
            hidden_size=12,
            intermediate_size=20,
            num_attention_heads=2,
            hidden_act=activation,
            mlp_bias=bias,
        )
    ).float()


def _fused(block: Any, dtype: torch.dtype = torch.float32) -> Any:
    block.luthier_activation = activation_of(block)
    block.luthier_dtype = dtype
    block.__class__ = type("LlamaMLP", (FusedGatedMLP, LlamaMLP), {})
    return block


@pytest.mark.parametrize("activation", ["silu", "gelu", "gelu_pytorch_tanh", "gelu_new"])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("trained", ["all", "gate_proj", "up_proj", "down_proj", "inputs"])
def test_equals_transformers(activation: str, bias: bool, trained: str) -> None:
    plain, fast = _block(activation, bias=bias), _fused(_block(activation, bias=bias))
    gradients = []
    for block in (plain, fast):
        for name, parameter in block.named_parameters():
            parameter.requires_grad_(trained == "all" or name.startswith(trained))
        x = torch.linspace(-3, 3, 5 * 12).view(1, 5, 12).requires_grad_(trained in ("all", "inputs"))
        out = block(x)
        (out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum().backward()
        gradients.append([out.detach(), x.grad, *(p.grad for p in block.parameters())])
    for found, expected in zip(gradients[1], gradients[0], strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["relu", "tanh", "relu2", "quick_gelu", "mish"])
def test_other_activations_are_refused(name: str) -> None:
    block = nn.Module()
    block.act_fn = ACT2FN[name]
    assert activation_of(block) is None


def test_float32_masters_compute_in_bfloat16() -> None:
    block = _fused(_block(), torch.bfloat16)
    out = block(torch.randn(3, 12, dtype=torch.bfloat16, requires_grad=True))
    assert out.dtype == torch.bfloat16
    out.sum().backward()
    assert {p.grad.dtype for p in block.parameters()} == {torch.float32}


def test_keeps_two_wide_tensors() -> None:
    """Plain torch keeps gate, its activation, up and their product: four of the feed-forward width."""
    block, kept = _fused(_block()), []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: (kept.append(tuple(x.shape)), x)[1], lambda x: x):
        block(torch.randn(7, 12, requires_grad=True))
    assert kept.count((7, 20)) == 2
