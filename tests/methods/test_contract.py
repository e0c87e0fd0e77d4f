"""What every method promises: identity at the start, only declared weights move, what is saved comes back."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from luthier.methods.build import build_method
from luthier.methods.contract import Method, trained_parameters
from luthier.models.load import ResultRecord, load_trained, weights_hash
from luthier.plan.base_facts import layer_of
from luthier.recipe.method_sections import FreezeMethod, FullMethod, LoraMethod

SECTIONS: dict[str, Any] = {
    "full": FullMethod(name="full"),
    "freeze_layers": FreezeMethod(name="freeze", trainable_layers=1),
    "freeze_patterns": FreezeMethod(name="freeze", trainable_patterns=["*.mlp.*", "*norm.weight"]),
    "lora": LoraMethod(),
    "lora_list": LoraMethod(r=4, lora_alpha=4, target_modules=["q_proj", "v_proj"]),
    "lora_one_name": LoraMethod(r=2, target_modules="o_proj"),
}


def _is_declared(section: Any, name: str) -> bool:
    """Whether the recipe's words name this parameter; written apart from the code under test."""
    if section.name == "full":
        return True
    if section.name == "freeze":
        if section.trainable_layers:
            return ".layers.1." in name
        return ".mlp." in name or name.endswith("norm.weight")
    adapted = {
        "all-linear": ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
        "o_proj": ("o_proj",),
    }
    targets = (
        section.target_modules
        if isinstance(section.target_modules, list)
        else adapted[section.target_modules]
    )
    return any(f".{target}.lora_{side}." in name for target in targets for side in "AB")


@pytest.fixture(params=SECTIONS.values(), ids=SECTIONS.keys())
def section(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def base(tmp_path: Path, make_tiny_llama: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LUTHIER_HOME", str(tmp_path / "home"))
    folder = tmp_path / "base"
    make_tiny_llama(1).save_pretrained(folder)
    return folder


TOKENS = torch.randint(3, 97, (2, 12), generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def _logits(model: Any) -> torch.Tensor:
    return model.eval()(input_ids=TOKENS).logits.float()


def _load(base: Path, dtype: torch.dtype) -> Any:
    return load_trained(base, dtype=dtype)[0]


def _train(model: Any) -> None:
    """Take a few large steps, so that every trained weight moves visibly."""
    torch.manual_seed(0)
    optimizer = torch.optim.SGD(trained_parameters(model).values(), lr=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=model.dtype == torch.bfloat16):
            model(input_ids=TOKENS, labels=TOKENS).loss.backward()
        optimizer.step()


def _saved(method: Method, section: Any, model: Any, base: Path, dtype: torch.dtype) -> Path:
    folder = base.parent / "result"
    folder.mkdir()
    method.save(model, folder, dtype)
    name = str(dtype).removeprefix("torch.")
    ResultRecord(str(base), weights_hash(base), section.name, name, "", "").save(folder)
    return folder


class TestContract:
    def test_starts_as_the_base(self, section: Any, base: Path) -> None:
        before = _logits(_load(base, torch.float32))
        after = _logits(build_method(section).apply(_load(base, torch.float32)))
        assert torch.equal(before, after)

    def test_exactly_the_declared_parameters_train_in_float32(self, section: Any, base: Path) -> None:
        model = build_method(section).apply(_load(base, torch.bfloat16))
        names = {name for name, _ in model.named_parameters()}
        declared = {name for name in names if _is_declared(section, name)}
        assert declared
        assert set(trained_parameters(model)) == declared
        types = {name: p.dtype for name, p in model.named_parameters()}
        assert {types[name] for name in declared} == {torch.float32}
        assert all(types[name] == torch.bfloat16 for name in names - declared)

    def test_training_moves_every_declared_parameter_and_no_other(self, section: Any, base: Path) -> None:
        model = build_method(section).apply(_load(base, torch.float32))
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        _train(model)
        moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
        assert moved == {name for name in before if _is_declared(section, name)}

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
    def test_what_is_saved_comes_back(self, section: Any, base: Path, dtype: torch.dtype) -> None:
        method = build_method(section)
        model = method.apply(_load(base, dtype))
        _train(model)
        folder = _saved(method, section, model, base, dtype)
        loaded, _ = load_trained(folder, dtype=dtype)
        assert not loaded.training
        expected = model
        if section.name != "lora":
            expected = _load(base, dtype)
            expected.load_state_dict(model.state_dict())  # rounds to the base's type
        assert torch.equal(_logits(loaded), _logits(expected))
        assert not torch.allclose(_logits(loaded), _logits(_load(base, dtype)), atol=1e-2)

    def test_merged_computes_the_same(self, section: Any, base: Path) -> None:
        method = build_method(section)
        model = method.apply(_load(base, torch.float32))
        _train(model)
        before = _logits(model)
        assert not torch.allclose(before, _logits(_load(base, torch.float32)), atol=1e-2)
        merged = method.merge(model)
        assert torch.allclose(_logits(merged), before, atol=1e-4, rtol=0)
        assert {name for name, _ in merged.named_parameters()} == {
            name for name, _ in _load(base, torch.float32).named_parameters()
        }


def test_merging_into_bfloat16_loses_nothing(base: Path) -> None:
    """A bfloat16 sum would round most of a small update away."""
    method = build_method(SECTIONS["lora"])
    model = method.apply(_load(base, torch.bfloat16))
    _train(model)
    expected = _logits(copy.deepcopy(model).float())
    merged = method.merge(model)
    assert {p.dtype for p in merged.parameters()} == {torch.float32}
    assert torch.allclose(_logits(merged), expected, atol=1e-4, rtol=0)


def test_saving_leaves_the_model_as_it_was(base: Path) -> None:
    method = build_method(SECTIONS["full"])
    model = method.apply(_load(base, torch.float32))
    before = _logits(model)
    _saved(method, SECTIONS["full"], model, base, torch.bfloat16)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert model.config.dtype == torch.float32
    assert torch.equal(_logits(model), before)


def test_saved_configuration_names_the_type(base: Path) -> None:
    from transformers import AutoConfig

    method = build_method(SECTIONS["full"])
    folder = _saved(method, SECTIONS["full"], method.apply(_load(base, torch.float32)), base, torch.bfloat16)
    assert AutoConfig.from_pretrained(folder).dtype == torch.bfloat16


def test_tied_weights_stay_tied(base: Path) -> None:
    model = build_method(SECTIONS["full"]).apply(_load(base, torch.bfloat16))
    assert model.lm_head.weight is model.model.embed_tokens.weight


def test_adapters_are_scaled_by_alpha_over_rank(base: Path) -> None:
    """W + (alpha / r) B A, equation 3 and section 4.1 of arXiv:2106.09685."""
    section = LoraMethod(r=4, lora_alpha=12, target_modules=["q_proj"])
    method = build_method(section)
    model = method.apply(_load(base, torch.float32))
    weights = {name: p.detach().clone() for name, p in model.named_parameters()}
    stem = "base_model.model.model.layers.0.self_attn.q_proj"
    torch.nn.init.normal_(model.get_parameter(f"{stem}.lora_B.default.weight"))
    update = (
        3.0 * model.get_parameter(f"{stem}.lora_B.default.weight") @ weights[f"{stem}.lora_A.default.weight"]
    )
    expected = weights[f"{stem}.base_layer.weight"] + update.detach()
    merged = method.merge(model)
    assert torch.allclose(merged.get_parameter("model.layers.0.self_attn.q_proj.weight"), expected, atol=1e-5)


def test_dropout_is_the_recipes(base: Path) -> None:
    model = build_method(LoraMethod(lora_dropout=0.3)).apply(_load(base, torch.float32))
    rates = {m.p for name, m in model.named_modules() if name.endswith("lora_dropout.default")}
    assert rates == {0.3}


def test_last_layers_are_counted_from_the_top(make_tiny_llama: Callable[..., Any]) -> None:
    model = build_method(FreezeMethod(name="freeze", trainable_layers=2)).apply(
        make_tiny_llama(num_hidden_layers=5)
    )
    assert {layer_of(name) for name in trained_parameters(model)} == {3, 4}
