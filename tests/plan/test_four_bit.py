"""A base in 4 bits in the plan: what is refused, and memory as bitsandbytes really takes it."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from luthier.core.errors import Fault
from luthier.core.files import read_json, write_json
from luthier.plan.base_facts import read_base_facts
from luthier.plan.checks import check_against_base, check_recipe
from luthier.plan.four_bit import bits_per_weight, bytes_saved
from luthier.plan.memory import memory_need
from luthier.recipe.schema import ModelSection
from tests.plan.bases import made_base, made_plan, read_recipe

PACKED = {"base": "base", "load_in_4bit": True}


def _faults(folder: Path, **sections: Any) -> list[Fault]:
    loaded = read_recipe(folder, **sections)
    return [f for f in check_recipe(loaded.recipe, loaded.origins.keys(), folder) if "4bit" in f.path + f.problem or
            f.path == "method.init_lora_weights"]  # fmt: skip


def test_what_cannot_take_effect_is_refused(tmp_path: Path) -> None:
    for key, value in (("bnb_4bit_quant_type", "fp4"), ("bnb_4bit_use_double_quant", False)):
        (fault,) = _faults(tmp_path, model={"base": "base", key: value})
        assert fault.path == f"model.{key}" and "without load_in_4bit" in fault.problem
        assert _faults(tmp_path, model={**PACKED, key: value}) == []
    for method in ({"name": "full"}, {"name": "freeze", "trainable_layers": 1}):
        (fault,) = _faults(tmp_path, model=PACKED, method=method)
        assert fault.path == "model.load_in_4bit" and f"method {method['name']}" in fault.problem
    (fault,) = _faults(tmp_path, model=PACKED, method={"name": "lora", "init_lora_weights": "pissa"})
    assert "pissa" in fault.problem


@pytest.mark.parametrize("method", ["lora", "adalora", "ia3", "bottleneck", "prompt", "prefix", "p_tuning"])
def test_methods_beside_frozen_weights_are_taken(tmp_path: Path, method: str) -> None:
    assert _faults(tmp_path, model=PACKED, method={"name": method}) == []


def test_without_bitsandbytes_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "bitsandbytes" else find(name)
    )
    (fault,) = [f for f in _faults(tmp_path, model=PACKED)]
    assert fault.cure == "pip install 'luthier[qlora]'"


def test_a_base_that_is_quantized_or_has_no_layer_is_refused(tmp_path: Path, make_tiny_llama: Any) -> None:
    recipe = read_recipe(tmp_path, model=PACKED).recipe
    make_tiny_llama().save_pretrained(tmp_path / "base")
    base = read_base_facts(tmp_path / "base")
    assert [f for f in check_against_base(recipe, base) if "4bit" in f.path] == []
    bare = replace(made_base(), shapes={"model.embed_tokens.weight": (97, 32)})
    (fault,) = [f for f in check_against_base(recipe, bare) if "4bit" in f.path]
    assert "no linear layer" in fault.problem
    config = read_json(tmp_path / "base" / "config.json")
    write_json(tmp_path / "base" / "config.json", {**config, "quantization_config": {"load_in_8bit": True}})
    (fault,) = [f for f in check_against_base(recipe, base) if "4bit" in f.path]
    assert "quantized already" in fault.problem


def test_a_row_that_may_not_fit_is_told_that_4_bits_help(tmp_path: Path, make_tiny_llama: Any) -> None:
    base = make_tiny_llama(hidden_size=128, num_hidden_layers=6)
    tight = "train.memory_budget_gb=0.001"
    (notice,) = made_plan(tmp_path, base, tight).notices
    assert "model.load_in_4bit: true" in notice
    (notice,) = made_plan(tmp_path, base, tight, model=PACKED).notices
    assert "load_in_4bit" not in notice


def test_bits_are_those_of_the_paper() -> None:
    """Double quantization takes 0.127 bits a weight for the scales in place of 0.5 (arXiv:2305.14314, section 3)."""
    double = ModelSection(base="b", load_in_4bit=True)
    assert bits_per_weight(double) == pytest.approx(4.127, abs=5e-4)
    assert bits_per_weight(double.model_copy(update={"bnb_4bit_use_double_quant": False})) == 4.5


@pytest.mark.parametrize("use_double_quant", [True, False])
def test_the_saving_is_what_the_loaded_model_takes_less(
    tmp_path: Path, make_tiny_llama: Any, use_double_quant: bool
) -> None:
    pytest.importorskip("bitsandbytes")
    import torch

    from luthier.models.load import load_model
    from luthier.models.quantized import FourBit

    base = make_tiny_llama(hidden_size=256, intermediate_size=512, num_hidden_layers=12)
    plan = made_plan(
        tmp_path, base, "model.dtype=float32", model={**PACKED, "bnb_4bit_use_double_quant": use_double_quant}
    )
    model: Any = load_model(tmp_path / "base", dtype=torch.float32, four_bit=FourBit("nf4", use_double_quant))
    taken = 0
    for parameter in model.parameters():
        taken += parameter.numel() * parameter.element_size()
        if state := getattr(parameter, "quant_state", None):
            scales = [state.absmax, *([state.state2.absmax] if state.nested else [])]
            taken += sum(tensor.numel() * tensor.element_size() for tensor in scales)
    dense = 3 * 256 * 512 * 4
    expected = plan.base.num_parameters * 4 - bytes_saved(plan.recipe.model, plan.base)
    assert expected == pytest.approx(taken + dense, rel=0.02)
    whole = made_plan(tmp_path, base, "model.dtype=float32", model={"base": "base"})
    saved = whole.memory_need.fixed_bytes - plan.memory_need.fixed_bytes
    assert saved == bytes_saved(plan.recipe.model, plan.base) > 0.7 * 4 * 12 * 5 * 256 * 256
    assert (
        memory_need(plan.recipe, plan.base, plan.trainable).bytes_per_token
        == whole.memory_need.bytes_per_token
    )
