"""The counts of the plan equal what the methods and PEFT really train, on real tiny models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from luthier.methods.build import build_method
from luthier.methods.contract import trained_parameters
from luthier.plan.base_facts import read_base_facts
from luthier.plan.trainable import count_trainable
from luthier.recipe.method_sections import FreezeMethod, FullMethod, LoraMethod
from tests.plan.bases import made_base

Made = Callable[..., Any]


def gpt_neox(**changes: Any) -> Any:
    """A family whose layers carry other names and biases."""
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    settings = {"vocab_size": 97, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3}
    return GPTNeoXForCausalLM(GPTNeoXConfig(**settings, num_attention_heads=4, **changes))


def qwen2() -> Any:
    """Biases on the attention's projections."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    settings = {"vocab_size": 97, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    return Qwen2ForCausalLM(Qwen2Config(**settings, num_attention_heads=4, num_key_value_heads=2))


METHODS = {
    "full": FullMethod(name="full"),
    "last layer": FreezeMethod(name="freeze", trainable_layers=1),
    "all layers": FreezeMethod(name="freeze", trainable_layers=2),
    "patterns": FreezeMethod(name="freeze", trainable_patterns=["*.mlp.*", "*norm*"]),
    "embedding": FreezeMethod(name="freeze", trainable_patterns=["*embed*"]),
    "all-linear": LoraMethod(r=4),
    "named": LoraMethod(r=2, target_modules=["q_proj", "down_proj"]),
    "one name": LoraMethod(r=2, target_modules="o_proj"),
    "full path": LoraMethod(r=2, target_modules=["model.layers.1.self_attn.q_proj"]),
    "parent and child": LoraMethod(r=2, target_modules=["mlp.up_proj"]),
}
NAMED = {"named", "one name", "full path", "parent and child", "embedding"}


def assert_counts(method: Any, model: Any, folder: Path) -> None:
    model.save_pretrained(folder)
    planned, faults = count_trainable(method, read_base_facts(folder))
    assert faults == []
    applied = build_method(method).apply(model)
    trained = sum(p.numel() for p in trained_parameters(applied).values())
    assert 0 < planned.num_trainable == trained
    assert planned.num_total == sum(p.numel() for p in applied.parameters())
    adapters = [m for m in applied.modules() if hasattr(m, "lora_A")]
    assert planned.num_layers_adapted == len(adapters)


@pytest.mark.parametrize("is_tied", [True, False])
@pytest.mark.parametrize("name", METHODS)
def test_llama(name: str, is_tied: bool, make_tiny_llama: Made, tmp_path: Path) -> None:
    assert_counts(METHODS[name], make_tiny_llama(tie_word_embeddings=is_tied), tmp_path)


@pytest.mark.parametrize("name", [name for name in METHODS if name not in NAMED])
@pytest.mark.parametrize("made", [gpt_neox, qwen2])
def test_families_with_biases_and_other_names(name: str, made: Made, tmp_path: Path) -> None:
    if made is gpt_neox and name == "patterns":
        pytest.skip("covered by Llama: the pattern is the same function")
    assert_counts(METHODS[name], made(), tmp_path)


@pytest.mark.parametrize("pattern", ["lm_head.weight", "*embed_tokens*"])
def test_a_tied_weight_counts_once_under_its_stored_name(
    pattern: str, make_tiny_llama: Made, tmp_path: Path
) -> None:
    method = FreezeMethod(name="freeze", trainable_patterns=[pattern])
    model = make_tiny_llama(tie_word_embeddings=True)
    if pattern == "lm_head.weight":
        model.save_pretrained(tmp_path)
        _, (fault,) = count_trainable(method, read_base_facts(tmp_path))
        assert "matches no weight" in fault.problem
        assert trained_parameters(build_method(method).apply(model)) == {}
    else:
        assert_counts(method, model, tmp_path)


@pytest.mark.parametrize(
    ("method", "path", "words"),
    [
        (FreezeMethod(name="freeze"), "method", "either trainable_layers or trainable_patterns"),
        (
            FreezeMethod(name="freeze", trainable_layers=1, trainable_patterns=["*"]),
            "method",
            "takes either",
        ),
        (
            FreezeMethod(name="freeze", trainable_layers=3),
            "method.trainable_layers",
            "3 layers asked for, the base has 2",
        ),
        (
            FreezeMethod(name="freeze", trainable_patterns=["*", "*.attention.*"]),
            "method.trainable_patterns",
            "'*.attention.*' matches no weight",
        ),
        (LoraMethod(target_modules=["q_proj", "query"]), "method.target_modules", "'query' matches no"),
        (LoraMethod(target_modules=["lm_head"]), "method.target_modules", "'lm_head' matches no"),
        (LoraMethod(target_modules=[]), "method.target_modules", "names no"),
        (LoraMethod(r=17), "method.r", "rank 17 exceeds the smallest side of the adapted matrices, 16"),
    ],
)
def test_a_method_that_cannot_train_is_a_fault(method: Any, path: str, words: str) -> None:
    _, (fault,) = count_trainable(method, made_base())
    assert fault.path == path and words in fault.problem


def test_the_largest_rank_passes() -> None:
    assert count_trainable(LoraMethod(r=16), made_base())[1] == []
    assert count_trainable(LoraMethod(r=32, target_modules=["q_proj"]), made_base())[1] == []
