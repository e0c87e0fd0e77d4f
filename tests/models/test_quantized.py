"""A base in 4 bits: values as bitsandbytes has them, the trap of its evaluation avoided, memory while loading."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from luthier.core.errors import MissingDependencyError, ModelError
from luthier.models.load import load_model
from luthier.models.quantized import (
    FourBit,
    PackedWeight,
    dense_dtype,
    is_packed,
    matrix_shape,
    quantize_in_place,
    unpack,
    weight_of,
)

pytest.importorskip("bitsandbytes")

TOKENS = torch.randint(3, 97, (2, 12), generator=torch.Generator().manual_seed(0))
SETTINGS = [FourBit(kind, double) for kind in ("nf4", "fp4") for double in (True, False)]


@pytest.fixture
def base(tmp_path: Path, make_tiny_llama: Callable[..., Any]) -> Path:
    folder = tmp_path / "base"
    make_tiny_llama(1, tie_word_embeddings=False, attention_bias=True).save_pretrained(folder)
    return folder


@torch.no_grad()
def _logits(model: Any) -> torch.Tensor:
    return model.eval()(input_ids=TOKENS).logits.float()


def _dense_twin(base: Path, settings: FourBit, dtype: torch.dtype = torch.float32) -> Any:
    """Return the model whose matrices are those that bitsandbytes itself gets out of 4 bits."""
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    model = load_model(base, dtype=dtype)
    for name, module in model.named_modules():
        if type(module) is nn.Linear and ".layers." in name:
            packed, state = quantize_4bit(
                module.weight.data,
                quant_type=settings.quant_type,
                compress_statistics=settings.use_double_quant,
            )
            module.weight.data = dequantize_4bit(packed, state)
    return model


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_loaded_in_4_bits_computes_with_the_values_of_bitsandbytes(base: Path, settings: FourBit) -> None:
    model = load_model(base, dtype=torch.float32, four_bit=settings)
    expected = _dense_twin(base, settings)
    assert torch.allclose(_logits(model), _logits(expected), atol=1e-6)
    assert not torch.allclose(_logits(model), _logits(load_model(base, dtype=torch.float32)), atol=1e-3)


def test_the_settings_differ(base: Path) -> None:
    logits = [_logits(load_model(base, dtype=torch.float32, four_bit=settings)) for settings in SETTINGS]
    assert all(not torch.equal(a, b) for n, a in enumerate(logits) for b in logits[:n])


def test_layers_are_packed_and_all_else_keeps_its_type(base: Path) -> None:
    model = load_model(base, dtype=torch.bfloat16, four_bit=FourBit())
    packed = {name for name, module in model.named_modules() if is_packed(module)}
    plain = {n for n, m in load_model(base, dtype=torch.bfloat16).named_modules() if type(m) is nn.Linear}
    assert packed == plain - {"lm_head"}
    assert {p.dtype for p in model.parameters()} == {torch.uint8, torch.bfloat16}
    gate = model.model.layers[0].mlp.gate_proj
    assert matrix_shape(gate) == (48, 32)
    assert dense_dtype(gate) == torch.bfloat16
    assert not model.training


def test_nothing_of_transformers_quantizer_stays(base: Path) -> None:
    """Else a result's configuration would say that plain weights are in 4 bits, and `.float()` would be refused."""
    model = load_model(base, dtype=torch.float32, four_bit=FourBit())
    assert "quantization_config" not in model.config.to_dict()
    assert model.float() is model


def test_generation_settings_are_those_of_the_folder(base: Path) -> None:
    plain, packed = (
        load_model(base, dtype=torch.float32, four_bit=four_bit) for four_bit in (None, FourBit())
    )
    assert packed.generation_config.to_dict() == plain.generation_config.to_dict()
    assert packed.config.to_dict() == plain.config.to_dict()
    assert packed.name_or_path == plain.name_or_path == str(base)


def test_an_evaluation_leaves_the_matrices_alone(base: Path) -> None:
    """The forward of bitsandbytes repacks them in evaluation mode where the processor multiplies bfloat16."""
    model = load_model(base, dtype=torch.bfloat16, four_bit=FourBit())
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    first = _logits(model)
    model(input_ids=TOKENS[:, :1])
    assert all(torch.equal(before[name], p) for name, p in model.named_parameters())
    assert torch.equal(_logits(model), first)


def test_gradients_of_the_inputs_are_those_of_the_dense_matrices(base: Path) -> None:
    def gradient(model: Any) -> torch.Tensor:
        inputs = model.get_input_embeddings()(TOKENS).detach().requires_grad_()
        model(inputs_embeds=inputs, labels=TOKENS).loss.backward()
        return inputs.grad

    model = load_model(base, dtype=torch.float32, four_bit=FourBit())
    _logits(model)
    assert torch.allclose(gradient(model), gradient(_dense_twin(base, FourBit())), atol=1e-7)


def test_backward_keeps_no_dense_matrix(base: Path) -> None:
    model = load_model(base, dtype=torch.float32, four_bit=FourBit())
    layer = model.model.layers[0].mlp.gate_proj
    kept: list[tuple[int, ...]] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(tuple(t.shape)) or t, lambda t: t):
        layer(torch.randn(3, 32, requires_grad=True)).sum().backward()
    assert kept == []


def test_unpacked_is_an_ordinary_model_with_the_same_values(base: Path) -> None:
    model = load_model(base, dtype=torch.float32, four_bit=FourBit())
    expected = _logits(model)
    unpack(model)
    assert torch.equal(_logits(model), expected)
    assert not any(is_packed(module) for module in model.modules())
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert {n for n, _ in model.named_parameters()} == {
        n for n, _ in load_model(base, dtype=torch.float32).named_parameters()
    }


def test_quantized_in_place_equals_loaded_in_4_bits(base: Path) -> None:
    model = load_model(base, dtype=torch.float32)
    quantize_in_place(model, FourBit("fp4", False))
    loaded = load_model(base, dtype=torch.float32, four_bit=FourBit("fp4", False))
    assert torch.equal(_logits(model), _logits(loaded))


def test_a_deep_copy_is_a_model_of_its_own(base: Path) -> None:
    model = load_model(base, dtype=torch.float32, four_bit=FourBit())
    twin = copy.deepcopy(model)
    assert torch.equal(_logits(twin), _logits(model))


def test_a_missing_weight_is_named(base: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(base / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks 1 weights.*layers\.1\.mlp\.up_proj"):
        load_model(base, dtype=torch.float32, four_bit=FourBit())


def test_shards_are_read_too(base: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sharded"
    load_model(base, dtype=torch.float32).save_pretrained(folder, max_shard_size="20KB")
    assert len(list(folder.glob("*.safetensors"))) > 1
    sharded = load_model(folder, dtype=torch.float32, four_bit=FourBit())
    assert torch.equal(_logits(sharded), _logits(load_model(base, dtype=torch.float32, four_bit=FourBit())))


def test_without_bitsandbytes_the_extra_is_named(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    original = importlib.import_module

    def absent(name: str, *args: Any) -> Any:
        if name == "bitsandbytes":
            raise ModuleNotFoundError("No module named 'bitsandbytes'", name="bitsandbytes")
        return original(name, *args)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(MissingDependencyError, match=r"4 bits.*\n?.*") as caught:
        load_model(base, dtype=torch.float32, four_bit=FourBit())
    assert "luthier[qlora]" in str(caught.value)


def test_a_plain_layer_is_not_packed() -> None:
    layer = nn.Linear(4, 3)
    assert weight_of(layer) is layer.weight
    assert not isinstance(weight_of(layer), PackedWeight)
    assert matrix_shape(layer) == (3, 4)
