"""PEFT's LoRA layer and its fused form: the same outputs and gradients, adapters read anew at each call."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from peft import LoraConfig
from peft.tuners.lora import Linear as LoraLinear
from torch import nn

from luthier.kernels.lora_linear import FusedLoraLinear, active_factors, has_dropout, lora_obstacle


def _layer(**changes: Any) -> Any:
    torch.manual_seed(0)
    config = LoraConfig(**{"r": 4, "lora_alpha": 12, **changes})
    layer: Any = LoraLinear(nn.Linear(6, 9), "default", config, r=config.r, lora_alpha=config.lora_alpha)
    with torch.no_grad():
        layer.lora_B["default"].weight.normal_()
    return layer


def _fused(layer: Any) -> Any:
    layer.__class__ = type("Linear", (FusedLoraLinear, LoraLinear), {})
    layer.luthier_dtype = torch.float32
    return layer


@pytest.mark.parametrize("changes", [{}, {"use_rslora": True}, {"lora_bias": True}], ids=str)
def test_equals_peft(changes: dict[str, Any]) -> None:
    plain, fast = _layer(**changes), _fused(_layer(**changes))
    x = torch.randn(3, 5, 6)
    torch.testing.assert_close(fast(x), plain(x))
    for layer in (plain, fast):
        layer(x).square().sum().backward()
    for (name, mine), (_, other) in zip(fast.named_parameters(), plain.named_parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad, msg=lambda text, name=name: f"{name}: {text}")


def test_scaling_is_alpha_over_rank_and_over_its_root_in_rslora() -> None:
    """Hu et al., arXiv:2106.09685, section 4.1; Kalajdzievski, arXiv:2312.03732."""
    for changes, scaling in (({}, 12 / 4), ({"use_rslora": True}, 12 / 2)):
        layer = _layer(**changes)
        _, up, _ = active_factors(layer)
        torch.testing.assert_close(up, layer.lora_B["default"].weight * scaling)


def test_factors_are_read_anew_at_each_call() -> None:
    layer, x = _fused(_layer()), torch.randn(2, 6)
    before = layer(x)
    with torch.no_grad():
        layer.lora_B["default"].weight.zero_()
    torch.testing.assert_close(layer(x), layer.base_layer(x))
    assert not torch.allclose(layer(x), before)


def test_merged_and_disabled_run_the_base_layer_in_the_compute_type() -> None:
    plain, fast = _layer(), _fused(_layer())
    fast.luthier_dtype = torch.bfloat16
    x = torch.randn(4, 6)
    for layer in (plain, fast):
        layer.enable_adapters(False)
    found = fast(x.bfloat16())
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), plain(x), rtol=2e-2, atol=2e-2)
    for layer in (plain, fast):
        layer.enable_adapters(True)
        layer.merge()
    torch.testing.assert_close(fast(x.bfloat16()).float(), plain(x), rtol=2e-2, atol=5e-2)
    for layer in (plain, fast):
        layer.enable_adapters(False)
    torch.testing.assert_close(fast(x.bfloat16()).float(), plain(x), rtol=2e-2, atol=2e-2)
    assert not fast.merged, "PEFT takes the adapter out of a merged layer when adapters are switched off"


def test_rows_may_choose_their_adapter() -> None:
    plain, fast = _layer(), _fused(_layer())
    plain.eval(), fast.eval()
    x = torch.randn(2, 3, 6)
    names = ["default", "__base__"]
    torch.testing.assert_close(fast(x, adapter_names=names), plain(x, adapter_names=names))
    assert not torch.allclose(fast(x)[1], plain(x, adapter_names=names)[1])


def test_obstacles() -> None:
    assert lora_obstacle(_layer()) is None
    assert "DoraLinearVariant" in str(lora_obstacle(_layer(use_dora=True)))
    quantized = _layer()
    quantized.base_layer.weight = nn.Parameter(torch.zeros(9, 6, dtype=torch.int8), requires_grad=False)
    assert "int8" in str(lora_obstacle(quantized))


def test_dropout_acts_in_training_only() -> None:
    layer = _fused(_layer(lora_dropout=0.5))
    assert has_dropout(layer)
    x = torch.randn(8, 6)
    assert not torch.equal(layer(x), layer(x))
    layer.eval()
    assert not has_dropout(layer)
    assert torch.equal(layer(x), layer(x))
