"""Every adapter method over a base in 4 bits: trains, is evaluated, trains on, is saved, comes back, merges."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from luthier.core.errors import ModelError
from luthier.kernels.accelerate import accelerate
from luthier.methods.build import build_method
from luthier.methods.contract import trained_parameters
from luthier.models.load import ResultRecord, load_model, load_trained, weights_hash
from luthier.models.quantized import FourBit, is_packed
from luthier.plan.compatibility import merge_refusal
from luthier.recipe import method_sections as sections

pytest.importorskip("bitsandbytes")

METHODS = {
    "lora": sections.LoraMethod(r=4),
    "dora": sections.LoraMethod(r=4, use_dora=True),
    "adalora": sections.AdaLoraMethod(name="adalora"),
    "ia3": sections.Ia3Method(name="ia3"),
    "bottleneck": sections.BottleneckMethod(name="bottleneck"),
    "prefix": sections.PrefixMethod(name="prefix", num_virtual_tokens=3),
    "prompt": sections.PromptMethod(name="prompt", num_virtual_tokens=3),
    "p_tuning": sections.PTuningMethod(name="p_tuning", num_virtual_tokens=3),
}
TOKENS = torch.randint(3, 97, (2, 12), generator=torch.Generator().manual_seed(0))


@pytest.fixture(params=METHODS.values(), ids=METHODS.keys())
def section(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def base(tmp_path: Path, make_tiny_llama: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LUTHIER_HOME", str(tmp_path / "home"))
    folder = tmp_path / "base"
    make_tiny_llama(1, initializer_range=0.2).save_pretrained(folder)
    return folder


@torch.no_grad()
def _logits(model: Any) -> torch.Tensor:
    return model.eval()(input_ids=TOKENS, attention_mask=torch.ones_like(TOKENS)).logits.float()


def _step(model: Any, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Do a step; return the gradients."""
    model.train()
    optimizer.zero_grad()
    model(input_ids=TOKENS, attention_mask=torch.ones_like(TOKENS), labels=TOKENS).loss.backward()
    found = {name: p.grad.clone() for name, p in trained_parameters(model).items() if p.grad is not None}
    optimizer.step()
    return found


def test_nothing_is_merged_into_4_bits(base: Path) -> None:
    method = build_method(METHODS["lora"])
    with pytest.raises(ModelError, match="luthier export --merged"):
        method.merge(method.apply(load_model(base, dtype=torch.float32, four_bit=FourBit())))


def test_trains_is_evaluated_and_trains_on(section: Any, base: Path, tmp_path: Path) -> None:
    method = build_method(section)
    torch.manual_seed(0)
    model = method.apply(load_model(base, dtype=torch.float32, four_bit=FourBit()))
    accelerate(model, fused_loss=False)
    trained = trained_parameters(model)
    frozen = {name: p.detach().clone() for name, p in model.named_parameters() if not p.requires_grad}
    assert any(is_packed(module) for module in model.modules())
    optimizer = torch.optim.SGD(trained.values(), lr=0.1)
    for _ in range(3):
        _step(model, optimizer)
        _logits(model)
    gradients = _step(model, optimizer)
    alive = [name for name, gradient in gradients.items() if gradient.any()]
    assert len(alive) == len(trained), sorted(set(trained) - set(alive))
    assert all(torch.equal(frozen[n], p) for n, p in model.named_parameters() if not p.requires_grad)

    folder = tmp_path / "result"
    folder.mkdir()
    method.save(model, folder, torch.float32)
    record = {"method": section.name, "dtype": "float32", "template_hash": "", "tokenizer_hash": ""}
    packing = {"four_bit": vars(FourBit())}
    ResultRecord(base=str(base), base_hash=weights_hash(base), **record, **packing).save(folder)
    expected = _logits(model)
    assert torch.allclose(_logits(load_trained(folder, dtype=torch.float32)[0]), expected, atol=1e-4)
    unpacked = load_trained(folder, dtype=torch.float32, base_form="unpacked")[0]
    assert torch.allclose(_logits(unpacked), expected, atol=1e-4)
    if merge_refusal(section.name) is None:
        original = load_trained(folder, dtype=torch.float32, base_form="original")[0]
        before = _logits(original)
        assert torch.allclose(_logits(method.merge(original)), before, atol=1e-4)
