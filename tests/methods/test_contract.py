"""What every method promises: identity at the start, only declared weights move, what is saved comes back."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from luthier.core.errors import ModelError
from luthier.methods.build import build_method
from luthier.methods.contract import Method, Progress, trained_parameters
from luthier.models.heads import TaskHead, head_of, save_head_config, with_head
from luthier.models.load import ResultRecord, load_model, load_trained, weights_hash
from luthier.plan.base_facts import layer_of, read_base_facts
from luthier.plan.compatibility import TRAITS
from luthier.plan.trainable import count_trainable
from luthier.recipe.method_sections import FreezeMethod, FullMethod, LoraMethod
from luthier.recipe.method_sections import Method as Sections
from tests.methods.families import FAMILIES, HEADS, SECTIONS, SOFT, is_declared, method_of, save_base

Head = TaskHead | None
TOKENS = torch.randint(3, 97, (2, 12), generator=torch.Generator().manual_seed(0))
_STEPS = 4


_BFLOAT16 = {"pissa": 0.1, "adalora": 1e-2}
"""Logits over a bfloat16 base: PiSSA's is another one after saving, AdaLoRA's saved matrices have fewer columns."""

FULLY_TRIED = (("llama", None), ("qwen2", None), ("bert", HEADS["SEQ_CLS"]))
"""Families and heads on which every section is tried; on the others one of every method."""


def _cases() -> list[Any]:
    """Every method on every family and head that the plan lets it train."""
    cases = []
    one_of_each = {section.name: name for name, section in reversed(SECTIONS.items())}.values()
    for family in FAMILIES:
        heads = [*HEADS.values()] if family == "bert" else [None]
        if family == "llama":
            heads += HEADS.values()
        for head in heads:
            for name in SECTIONS if (family, head) in FULLY_TRIED else one_of_each:
                if family == "bert" and TRAITS[SECTIONS[name].name].encoders:
                    continue
                task = head.task if head else "CAUSAL_LM"
                cases.append(pytest.param(name, family, head, id=f"{name}-{family}-{task}"))
    return cases


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base of each family."""
    folder = tmp_path_factory.mktemp("bases")
    for family in FAMILIES:
        save_base(family, folder / family)
    return folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUTHIER_HOME", str(tmp_path / "home"))


@torch.no_grad()
def _outputs(model: Any) -> torch.Tensor:
    """Logits of whatever head there is."""
    outputs = model.eval()(input_ids=TOKENS)
    found = outputs.logits if "logits" in outputs else torch.stack([outputs.start_logits, outputs.end_logits])
    return found.float()


def _load(base: Path, dtype: torch.dtype, head: Head = None) -> Any:
    return load_model(base, dtype=dtype, head=head, new_head_seed=None if head is None else 0)


def _train(method: Method, model: Any) -> None:
    """Take a few steps as the loop does, with every hook, so large that every trained weight moves visibly."""
    torch.manual_seed(0)
    optimizer = torch.optim.Adam(trained_parameters(model).values(), lr=0.02)
    for step in range(_STEPS):
        model.train()
        method.before_step(model, Progress(step, _STEPS, 2))
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=model.dtype == torch.bfloat16):
            outputs = model(input_ids=TOKENS)
        logits = (
            outputs.logits if "logits" in outputs else torch.stack([outputs.start_logits, outputs.end_logits])
        )
        target = (TOKENS[..., None] if logits.shape[1] == TOKENS.shape[1] else TOKENS[:, :1]) % logits.shape[
            -1
        ]
        scores = torch.log_softmax(logits.float(), dim=-1)
        picked = (
            scores.gather(-1, target.expand(*scores.shape[:-1], 1)) if scores.ndim == target.ndim else scores
        )
        (-picked.mean() + scores.square().mean()).backward()
        if (penalty := method.penalty(model)) is not None:
            penalty.backward()
        optimizer.step()
        method.after_step(model, Progress(step + 1, _STEPS, 2))


def _saved(method: Method, section: Any, model: Any, base: Path, folder: Path, dtype: torch.dtype) -> Path:
    folder.mkdir()
    method.save(model, folder, dtype)
    if head_of(model).modules:
        save_head_config(model, folder)
    name = str(dtype).removeprefix("torch.")
    ResultRecord(str(base), weights_hash(base), section.name, name, "", "").save(folder)
    return folder


@pytest.mark.parametrize(("name", "family", "head"), _cases())
class TestContract:
    def test_trains_what_is_declared_and_as_many_as_planned(
        self, name: str, family: str, head: Head, bases: Path
    ) -> None:
        section = SECTIONS[name]
        model = method_of(name).apply(_load(bases / family, torch.bfloat16, head))
        part, declared = head_of(model), is_declared(name)
        trained = trained_parameters(model)
        names = {n for n, _ in model.named_parameters() if declared(n)}
        in_head = {n for n in trained if part.holds(n)}
        assert names and set(trained) == names | in_head
        assert bool(in_head) == (head is not None)
        assert {p.dtype for p in trained.values()} == {torch.float32}
        frozen = {p.dtype for n, p in model.named_parameters() if n not in trained and "ranknum" not in n}
        assert frozen <= {torch.bfloat16}
        planned, faults = count_trainable(section, with_head(read_base_facts(bases / family), head))
        assert faults == []
        assert planned.num_trainable == sum(p.numel() for p in trained.values())
        assert planned.num_total == sum(p.numel() for p in model.parameters())
        if TRAITS[section.name].starts_as_base:
            base = _load(bases / family, torch.bfloat16, head).float()
            tolerance = 1e-2 if name == "pissa" else 1e-6  # what is left of the weights is rounded again
            assert torch.allclose(_outputs(model.float()), _outputs(base), atol=tolerance)

    def test_moves_all_that_is_declared_comes_back_and_merges(
        self, name: str, family: str, head: Head, bases: Path, tmp_path: Path
    ) -> None:
        section, method = SECTIONS[name], method_of(name)
        model = method.apply(_load(bases / family, torch.float32, head))
        declared = set(trained_parameters(model))
        before = {n: p.detach().clone() for n, p in model.named_parameters()}
        start = _outputs(model)
        _train(method, model)
        moved = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
        assert moved <= declared
        # Embeddings of the second text's kind, and a pooler above which nothing reads, had no part in it.
        # AdaLoRA may set a layer's whole diagonal back to zero.
        excused = ("embeddings", "pooler", "lora_E")
        assert not {n for n in declared - moved if not any(part in n for part in excused)}
        trained = _outputs(model)
        assert not torch.allclose(trained, start, atol=1e-4)
        folder = _saved(method, section, model, bases / family, tmp_path / "result", torch.float32)
        loaded, _ = load_trained(folder, dtype=torch.float32)
        assert not loaded.training
        assert torch.allclose(_outputs(loaded), trained, atol=1e-5 if name == "pissa" else 1e-6, rtol=0)
        if TRAITS[section.name].merging is not None:
            with pytest.raises(ModelError, match="cannot be merged"):
                method.merge(model)
            return
        merged = method.merge(model)
        assert torch.allclose(_outputs(merged), trained, atol=1e-4, rtol=0)
        plain = {n for n, _ in _load(bases / family, torch.float32, head).named_parameters()}
        assert {n for n, _ in merged.named_parameters()} == plain


@pytest.mark.parametrize("name", [n for n, s in SECTIONS.items() if s.name not in ("full", "freeze")])
def test_an_adapter_over_a_bfloat16_base_comes_back(name: str, bases: Path, tmp_path: Path) -> None:
    method = method_of(name)
    model = method.apply(_load(bases / "llama", torch.bfloat16))
    _train(method, model)
    folder = _saved(method, SECTIONS[name], model, bases / "llama", tmp_path / "result", torch.bfloat16)
    loaded, _ = load_trained(folder, dtype=torch.bfloat16)
    assert torch.allclose(_outputs(loaded), _outputs(model), atol=_BFLOAT16.get(name, 1e-6))


def test_adalora_is_saved_and_loaded_without_groundless_warnings(
    bases: Path, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    """PEFT misses the ranks among modules, and takes a matrix whose whole rank is gone for a broken shard."""
    method = method_of("adalora")
    model = method.apply(_load(bases / "llama", torch.float32))
    _train(method, model)
    with torch.no_grad():
        next(p for n, p in model.named_parameters() if ".lora_E." in n).zero_()
    folder = _saved(method, SECTIONS["adalora"], model, bases / "llama", tmp_path / "result", torch.float32)
    load_trained(folder, dtype=torch.float32)
    assert not [
        str(w.message) for w in recwarn if "rank_pattern" in str(w.message) or "shape" in str(w.message)
    ]


def test_every_method_of_the_recipe_is_tried() -> None:
    from typing import get_args

    from luthier.recipe.schema import name_of

    members = get_args(get_args(Sections)[0])
    assert {name_of(member) for member in members} == {section.name for section in SECTIONS.values()}
    assert set(TRAITS) == {section.name for section in SECTIONS.values()}
    assert {name for name, traits in TRAITS.items() if not traits.starts_as_base} == set(SOFT)


@pytest.fixture
def base(bases: Path) -> Path:
    return bases / "llama"


def test_merging_into_bfloat16_loses_nothing(base: Path) -> None:
    """A bfloat16 sum would round most of a small update away."""
    method = method_of("lora")
    model = method.apply(_load(base, torch.bfloat16))
    _train(method, model)
    expected = _outputs(copy.deepcopy(model).float())
    merged = method.merge(model)
    assert {p.dtype for p in merged.parameters()} == {torch.float32}
    assert torch.allclose(_outputs(merged), expected, atol=1e-4, rtol=0)


def test_saving_leaves_the_model_as_it_was(base: Path, tmp_path: Path) -> None:
    method = method_of("full")
    model = method.apply(_load(base, torch.float32))
    before = _outputs(model)
    _saved(method, SECTIONS["full"], model, base, tmp_path / "result", torch.bfloat16)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert model.config.dtype == torch.float32
    assert torch.equal(_outputs(model), before)


def test_saved_configuration_names_the_type(base: Path, tmp_path: Path) -> None:
    from transformers import AutoConfig

    method = method_of("full")
    folder = tmp_path / "result"
    folder.mkdir()
    method.save(method.apply(_load(base, torch.float32)), folder, torch.bfloat16)
    assert AutoConfig.from_pretrained(folder).dtype == torch.bfloat16


def test_tied_weights_stay_tied(base: Path) -> None:
    model = build_method(FullMethod(name="full")).apply(_load(base, torch.bfloat16))
    assert model.lm_head.weight is model.model.embed_tokens.weight


def test_last_layers_are_counted_from_the_top(make_tiny_llama: Callable[..., Any]) -> None:
    model = build_method(FreezeMethod(name="freeze", trainable_layers=2)).apply(
        make_tiny_llama(num_hidden_layers=5)
    )
    assert {layer_of(name) for name in trained_parameters(model)} == {3, 4}


def test_an_adapter_of_another_base_is_refused(base: Path, bases: Path, tmp_path: Path) -> None:
    """By its hash where Luthier made it, by its shapes where PEFT did."""
    import json

    method = build_method(LoraMethod(r=2))
    model = method.apply(_load(base, torch.float32))
    folder = _saved(method, LoraMethod(r=2), model, base, tmp_path / "result", torch.float32)
    record = json.loads((folder / "luthier.json").read_text())
    (folder / "luthier.json").write_text(json.dumps({**record, "base": str(bases / "gemma")}))
    with pytest.raises(ModelError, match="was trained on a base with hash"):
        load_trained(folder, dtype=torch.float32)
    (folder / "luthier.json").unlink()
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(
        json.dumps({**config, "base_model_name_or_path": str(bases / "gemma")})
    )
    with pytest.raises(ModelError, match="cannot be loaded over its base"):
        load_trained(folder, dtype=torch.float32)
