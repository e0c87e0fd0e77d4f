"""The fast path over a base in 4 bits equals plain transformers and PEFT over the same values, dense."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from luthier.kernels.accelerate import accelerate
from luthier.models.quantized import FourBit, is_packed, quantize_in_place, unpack
from tests.kernels.families import (
    FAMILIES,
    Inputs,
    packed,
    padded,
    rows_of,
    run,
    tiny_model,
    with_lora,
    worst_difference,
)

pytest.importorskip("bitsandbytes")

LENGTHS = (67, 5, 54)  # more rows than any matrix of the model has
BATCHES = [packed(rows_of(LENGTHS)), padded(rows_of(LENGTHS))]


def _pair(family: str, settings: FourBit, **lora: Any) -> tuple[Any, Any]:
    """Return a plain model over the dense values, and one in 4 bits, both under the same LoRA."""
    model = tiny_model(family)
    quantize_in_place(model, settings)
    plain = copy.deepcopy(model)
    unpack(plain)
    return with_lora(plain.train(), **lora), with_lora(model.train(), **lora)


def _assert_equal(plain: Any, fast: Any, batches: list[Inputs], **changes: Any) -> None:
    for inputs in batches:
        expected_loss, expected = run(plain, inputs, **changes)
        loss, found = run(fast, inputs, **changes)
        assert abs(loss - expected_loss) <= 1e-5 * abs(expected_loss)
        difference, name = worst_difference(found, expected)
        assert difference <= 1e-5, f"{name}: {difference:.2e}"
        assert all(gradient is not None and gradient.any() for gradient in found.values())


@pytest.mark.parametrize("family", FAMILIES)
def test_training_step_equals_plain(family: str) -> None:
    plain, fast = _pair(family, FourBit())
    report = accelerate(fast)
    assert not [part for part in report.report if part.num_plain], str(report)
    assert any(is_packed(module) for module in fast.modules())
    _assert_equal(plain, fast, BATCHES)


@pytest.mark.parametrize("settings", [FourBit("fp4", True), FourBit("nf4", False)], ids=str)
def test_other_settings_equal_plain(settings: FourBit) -> None:
    plain, fast = _pair("llama", settings)
    accelerate(fast)
    _assert_equal(plain, fast, BATCHES)


@pytest.mark.parametrize(
    "changes",
    [
        {"target_modules": ["q_proj", "down_proj"]},
        {"target_modules": ["v_proj"]},
        {"use_rslora": True, "adapters": 2},
        {"use_dora": True},
        {"modules_to_save": ["lm_head"]},
    ],
    ids=str,
)
def test_lora_variants_equal_plain(changes: dict[str, Any]) -> None:
    plain, fast = _pair("qwen2", FourBit(), **changes)
    accelerate(fast)
    _assert_equal(plain, fast, BATCHES)


def test_dropout_equals_plain_under_the_same_seed() -> None:
    plain, fast = _pair("llama", FourBit(), lora_dropout=0.3)
    accelerate(fast)
    _assert_equal(plain, fast, BATCHES[:1], seed=11)


def test_gradient_checkpointing_equals_plain() -> None:
    plain, fast = _pair("llama", FourBit())
    fast.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    accelerate(fast)
    _assert_equal(plain, fast, BATCHES)


def test_all_gradients_are_alive_after_an_evaluation() -> None:
    """The forward of bitsandbytes repacks the matrices there: the gradients of some layers are zero from then on."""
    model = with_lora(_quantized(torch.bfloat16))
    accelerate(model)
    before = run(model, BATCHES[0])[1]
    frozen = {name: p.detach().clone() for name, p in model.named_parameters() if not p.requires_grad}
    model.eval()
    with torch.no_grad():
        model(**BATCHES[1].given())
        model(input_ids=torch.tensor([[5]]))
    model.train()
    after = run(model, BATCHES[0])[1]
    alive = [name for name, gradient in after.items() if gradient is not None and gradient.any()]
    assert len(alive) == len(after) == 2 * 7 * 2
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(torch.equal(frozen[n], p) for n, p in model.named_parameters() if not p.requires_grad)


def _quantized(dtype: torch.dtype) -> Any:
    model = tiny_model("llama").to(dtype)
    quantize_in_place(model, FourBit())
    return model


def test_no_dense_matrix_is_kept_for_the_backward_pass() -> None:
    model = with_lora(_quantized(torch.float32))
    accelerate(model)
    kept: set[tuple[int, ...]] = set()
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.add(tuple(t.shape)) or t, lambda t: t):
        model(**BATCHES[0].given()).loss.backward()
    assert kept
    assert not kept & {(96, 64), (64, 96), (64, 64), (32, 64)}


def test_adapters_can_be_switched_off() -> None:
    plain, fast = _pair("llama", FourBit())
    accelerate(fast)
    with torch.no_grad(), plain.disable_adapter(), fast.disable_adapter():
        expected = plain.eval()(**BATCHES[1].given()).logits
        assert torch.allclose(fast.eval()(**BATCHES[1].given()).logits, expected, atol=1e-5)


def test_undo_brings_the_own_forward_back() -> None:
    plain, fast = _pair("llama", FourBit())
    accelerate(fast).undo()
    _assert_equal(plain, fast, BATCHES)
