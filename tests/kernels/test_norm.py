"""The fused RMSNorm equals transformers' classes, and only claims the form that it computes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from transformers.models.gemma.modeling_gemma import GemmaRMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from luthier.kernels.norm import rms_norm, rms_norm_form


def _module(kind: Any, dtype: torch.dtype = torch.float32) -> Any:
    module = kind(24, eps=1e-3)
    with torch.no_grad():
        module.weight.copy_(torch.linspace(-0.5, 1.5, 24))
    return module.to(dtype)


@pytest.mark.parametrize(("kind", "offset"), [(LlamaRMSNorm, 0.0), (GemmaRMSNorm, 1.0)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_equals_transformers(kind: Any, offset: float, dtype: torch.dtype) -> None:
    module = _module(kind, dtype)
    assert rms_norm_form(module) == (1e-3, offset)
    values = torch.randn(3, 5, 24, generator=torch.Generator().manual_seed(0)) * 0.1
    ours, theirs = (values.to(dtype).requires_grad_() for _ in range(2))
    weight = module.weight.detach().clone().requires_grad_()
    found, expected = rms_norm(ours, weight, 1e-3, offset=offset), module(theirs)
    assert found.dtype == expected.dtype
    slack = {"rtol": 1e-5, "atol": 1e-6} if dtype == torch.float32 else {"rtol": 2e-2, "atol": 2e-2}
    torch.testing.assert_close(found, expected, **slack)
    scale = torch.linspace(-1, 1, found.numel()).view_as(found)
    (found.float() * scale).sum().backward()
    (expected.float() * scale).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, **{**slack, "atol": 10 * slack["atol"]})
    torch.testing.assert_close(weight.grad, module.weight.grad, **{**slack, "atol": 10 * slack["atol"]})


def test_gradient_by_finite_differences() -> None:
    inputs = torch.randn(2, 6, generator=torch.Generator().manual_seed(0), requires_grad=True)
    weight = torch.linspace(0.5, 1.5, 6, requires_grad=True)
    torch.autograd.gradcheck(
        lambda x, w: rms_norm(x, w, 1e-2, offset=1.0), (inputs, weight), eps=1e-2, atol=1e-2, rtol=1e-2
    )


def test_frozen_weight_gets_no_gradient() -> None:
    inputs, weight = torch.randn(2, 6, requires_grad=True), torch.ones(6)
    rms_norm(inputs, weight, 1e-6).sum().backward()
    assert inputs.grad is not None and weight.grad is None


def test_other_forms_are_refused() -> None:
    class Centred(LlamaRMSNorm):  # type: ignore[misc]
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x - x.mean(-1, keepdim=True))

    assert rms_norm_form(_module(Centred)) is None
    assert rms_norm_form(nn.LayerNorm(24)) is None
    assert rms_norm_form(nn.Linear(24, 24)) is None
