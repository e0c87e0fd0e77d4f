"""Several heads over one trunk: one set of layers, files that bare transformers and PEFT load, and loading back."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import AutoPeftModelForSequenceClassification, AutoPeftModelForTokenClassification
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
)

from luthier.core.errors import ModelError
from luthier.core.files import read_json
from luthier.methods.build import build_method
from luthier.methods.contract import trained_parameters
from luthier.models.heads import TaskHead, head_of, save_head_config, saved_head
from luthier.models.load import ResultRecord, load_model, load_trained, weights_hash
from luthier.models.multi_head import MultiHead, MultiHeadModel, task_model
from luthier.models.multi_head_files import finish_folder
from luthier.recipe.method_sections import FreezeMethod, FullMethod, LoraMethod
from tests.models.tiny_chat import make_chat_llama, make_chat_tokenizer
from tests.models.tiny_encoder import save_tiny_encoder

INTENT = TaskHead("SEQ_CLS", ("pay", "ask", "other"), "single_label_classification")
ENTITIES = TaskHead("TOKEN_CLS", ("O", "B-person"))
HEADS = MultiHead(heads={"intent": INTENT, "entities": ENTITIES})
TOKENS = torch.tensor([[2, 5, 9, 11, 3]])
METHODS = {
    "full": FullMethod(name="full"),
    "lora": LoraMethod(name="lora", r=2, lora_alpha=4),
    "freeze": FreezeMethod(name="freeze", trainable_layers=1),
}


@pytest.fixture(params=["bert", "roberta", "llama"])
def base(request: Any, tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    if request.param == "llama":
        make_chat_llama().save_pretrained(folder)
        make_chat_tokenizer().save_pretrained(folder)
        return folder
    return save_tiny_encoder(folder, family=request.param)


def made(base: Path, heads: MultiHead = HEADS) -> Any:
    model = load_model(base, dtype=torch.float32, head=heads, new_head_seed=3)
    model.config.get_text_config().pad_token_id = 0
    return model


def logits(model: Any) -> dict[str, torch.Tensor]:
    model.eval()
    with torch.no_grad():
        return {name: task_model(model, name)(input_ids=TOKENS).logits for name in HEADS.heads}


def trained(base: Path, method: str) -> tuple[Any, Any]:
    """A model whose trained weights have all moved, and the method."""
    how = build_method(METHODS[method])
    model = how.apply(made(base))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in trained_parameters(model).values():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return model, how


def saved(model: Any, how: Any, method: str, base: Path, folder: Path) -> Path:
    folder.mkdir()
    how.save(model, folder, torch.float32)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    hashes = {"base_hash": weights_hash(base), "template_hash": "", "tokenizer_hash": ""}
    tasks = [{"name": name, "objective": {"name": name}} for name in HEADS.heads]
    record = ResultRecord(str(base), method=method, dtype="float32", objective={"tasks": tasks}, **hashes)
    finish_folder(model, folder, record)
    save_head_config(model, folder)
    record.save(folder)
    return folder


def test_the_first_heads_weights_are_those_of_a_single_task(base: Path) -> None:
    alone = load_model(base, dtype=torch.float32, head=INTENT, new_head_seed=3)
    alone.config.get_text_config().pad_token_id = 0
    with torch.no_grad():
        assert torch.equal(logits(made(base))["intent"], alone.eval()(input_ids=TOKENS).logits)


def test_each_weight_has_one_name_and_heads_belong_to_tasks(base: Path) -> None:
    model = made(base)
    names = [name for name, _ in model.named_parameters()]
    assert (
        len({id(p) for p in model.parameters()}) == len(names) == len(model.state_dict().keys() & set(names))
    )
    assert all(name.startswith(("trunk.", "tasks.intent.", "tasks.entities.")) for name in names)
    head = head_of(model)
    assert any(head.holds(name) for name in names if name.startswith("tasks.intent."))
    assert not head.holds("trunk.embeddings.word_embeddings.weight")


@pytest.mark.parametrize("method", METHODS)
def test_a_method_trains_the_trunk_for_all_tasks_and_every_head(base: Path, method: str) -> None:
    before = logits(made(base))
    model = build_method(METHODS[method]).apply(made(base))
    for name, found in logits(model).items():
        torch.testing.assert_close(found, before[name], atol=1e-6, rtol=0)
    names = trained_parameters(model).keys()
    assert all(any(f"tasks.{task}." in name for name in names) for task in HEADS.heads)
    assert any("trunk." in name and "pooler" not in name for name in names)
    moved = logits(trained(base, method)[0])
    assert all((moved[name] - before[name]).abs().max() > 1e-3 for name in before)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_saved_loads_back(base: Path, method: str, tmp_path: Path) -> None:
    model, how = trained(base, method)
    folder = saved(model, how, method, base, tmp_path / "result")
    assert saved_head(folder) == HEADS
    again, text_folder = load_trained(folder, dtype=torch.float32)
    expected, found = logits(model), logits(again)
    assert text_folder == folder
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    alone, _ = load_trained(folder / "tasks" / "entities", dtype=torch.float32)
    alone.config.get_text_config().pad_token_id = 0
    with torch.no_grad():
        torch.testing.assert_close(alone(input_ids=TOKENS).logits, expected["entities"], atol=1e-5, rtol=0)


def test_bare_transformers_loads_each_task_and_the_trunk(base: Path, tmp_path: Path) -> None:
    model, how = trained(base, "full")
    folder = saved(model, how, "full", base, tmp_path / "result")
    expected = logits(model)
    for task, kind in (
        ("intent", AutoModelForSequenceClassification),
        ("entities", AutoModelForTokenClassification),
    ):
        own = folder / "tasks" / task
        bare, report = kind.from_pretrained(own, output_loading_info=True)
        assert not report["missing_keys"]
        with torch.no_grad():
            assert torch.equal(bare.eval()(input_ids=TOKENS).logits, expected[task])
        assert tuple(bare.config.id2label.values()) == HEADS.heads[task].labels
        assert len(AutoTokenizer.from_pretrained(own)) == len(AutoTokenizer.from_pretrained(base))
        assert (own / "trunk.safetensors").samefile(folder / "model.safetensors")
    _, report = AutoModel.from_pretrained(folder, output_loading_info=True)
    assert all(
        name.startswith("pooler.") for name in report["missing_keys"]
    )  # where no head reads it, there is none


def test_bare_peft_loads_each_task(base: Path, tmp_path: Path) -> None:
    model, how = trained(base, "lora")
    folder = saved(model, how, "lora", base, tmp_path / "result")
    expected = logits(model)
    kinds = {
        "intent": AutoPeftModelForSequenceClassification,
        "entities": AutoPeftModelForTokenClassification,
    }
    for task, kind in kinds.items():
        own = folder / "tasks" / task
        labels = len(HEADS.heads[task].labels)
        settings = read_json(own / "adapter_config.json")
        assert settings["base_model_name_or_path"] == str(base)
        bare = kind.from_pretrained(own, num_labels=labels)
        bare.config.get_text_config().pad_token_id = 0
        with torch.no_grad():
            torch.testing.assert_close(
                bare.eval()(input_ids=TOKENS).logits, expected[task], atol=1e-5, rtol=0
            )


def test_a_merged_model_computes_the_same(base: Path) -> None:
    model, how = trained(base, "lora")
    expected = logits(copy.deepcopy(model))
    merged = how.merge(model)
    assert isinstance(merged, MultiHeadModel)
    for name, found in logits(merged).items():
        torch.testing.assert_close(found, expected[name], atol=1e-5, rtol=1e-5)


def test_a_weight_that_is_missing_is_told(base: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    model, how = trained(base, "full")
    folder = saved(model, how, "full", base, tmp_path / "result")
    path = folder / "tasks" / "entities" / "head.safetensors"
    weights = load_file(path)
    weights.pop(sorted(weights)[0])
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(ModelError):
        load_trained(folder, dtype=torch.float32)
    (folder / "multitask.json").write_text("[]")
    with pytest.raises(ModelError, match="multitask.json"):
        saved_head(folder)
