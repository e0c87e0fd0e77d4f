"""What the plan refuses and counts of new tokens and of trainings that come first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from luthier.core.errors import RecipeError
from luthier.plan.checks import check_against_base, check_recipe
from luthier.plan.resolve import resolve
from luthier.plan.trainable import count_trainable
from luthier.plan.vocabulary import with_vocabulary
from luthier.recipe.method_sections import FullMethod, LoraMethod
from tests.plan.bases import made_base, made_plan, read_recipe

AUTO = {"add_tokens": "auto"}


def faults(folder: Path, vocabulary: Any, **sections: Any) -> dict[str, str]:
    loaded = read_recipe(folder, vocabulary=vocabulary, **sections)
    return {f.path: f.problem for f in check_recipe(loaded.recipe, loaded.origins.keys(), folder)}


@pytest.mark.parametrize(
    ("vocabulary", "path", "words"),
    [
        ({}, "vocabulary", "adds nothing"),
        ({**AUTO, "new_vocab_size": 500}, "vocabulary.add_tokens", "no effect"),
        (
            {"add_tokens": ["term"], "min_frequency": 3},
            "vocabulary.min_frequency",
            "without add_tokens: auto",
        ),
        ({"add_tokens": []}, "vocabulary.add_tokens", "empty"),
        ({"add_tokens": [" "]}, "vocabulary.add_tokens[0]", "blank"),
        ({"add_tokens": ["<x>"], "add_special_tokens": ["<x>"]}, "vocabulary.add_tokens[0]", "too"),
        ({"add_tokens": "absent.txt"}, "vocabulary.add_tokens", "no file at"),
        ({"add_special_tokens": ["<x> "]}, "vocabulary.add_special_tokens[0]", "blanks around"),
    ],
)
def test_what_cannot_take_effect_is_refused(tmp_path: Path, vocabulary: Any, path: str, words: str) -> None:
    assert words in faults(tmp_path, vocabulary)[path]
    assert faults(tmp_path, AUTO) == {}


def test_methods_that_train_no_embedding_are_refused(tmp_path: Path) -> None:
    assert "trains no row" in faults(tmp_path, AUTO, method={"name": "ia3"})["vocabulary"]
    for method in ({"name": "full"}, {"name": "lora", "use_dora": True}):
        assert faults(tmp_path, AUTO, method=method) == {}


def test_the_base_must_have_a_tokenizer_file_and_a_head_without_bias(tmp_path: Path) -> None:
    recipe = read_recipe(tmp_path, vocabulary=AUTO).recipe
    base = replace(made_base(), folder=tmp_path)
    assert "tokenizer.json" in next(check_against_base(recipe, base)).problem
    (tmp_path / "tokenizer.json").write_text("{}")
    assert list(check_against_base(recipe, base)) == []
    biased = replace(base, shapes={**base.shapes, "lm_head.weight": (97, 32), "lm_head.bias": (97,)})
    assert "bias" in next(check_against_base(recipe, biased)).problem


def test_freezing_the_embedding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    base = replace(made_base(), folder=tmp_path)
    for method, is_refused in (
        ({"name": "freeze", "trainable_layers": 1}, True),
        ({"name": "freeze", "trainable_patterns": ["*embed_tokens*"]}, False),
    ):
        recipe = read_recipe(tmp_path, vocabulary=AUTO, method=method).recipe
        assert bool([f for f in check_against_base(recipe, base) if f.path == "vocabulary"]) == is_refused


@pytest.mark.parametrize("is_tied", [True, False])
def test_new_rows_are_counted_once_for_tied_and_twice_for_untied_heads(is_tied: bool) -> None:
    base = made_base()
    if not is_tied:
        base = replace(base, shapes={**base.shapes, "lm_head.weight": (97, 32)})
    width = 32 if is_tied else 64
    lora, _ = count_trainable(LoraMethod(), base)
    grown = with_vocabulary(lora, "lora", base, num_filled=10, num_rows=107)
    assert grown.num_trainable - lora.num_trainable == 10 * width
    assert grown.num_total - lora.num_total == 2 * 10 * width  # in the base and beside it
    full, _ = count_trainable(FullMethod(name="full"), base)
    grown = with_vocabulary(full, "full", base, num_filled=10, num_rows=107)
    assert grown.num_trainable - full.num_trainable == grown.num_total - full.num_total == 10 * width


def test_a_training_that_comes_first_is_planned_with_the_rest(tmp_path: Path, make_tiny_llama: Any) -> None:
    phase = {"name": "first", "objective": {"name": "sft"}, "data": {"train": [{"path": "rows.jsonl"}]}}
    plan = made_plan(
        tmp_path, make_tiny_llama(), before=[{**phase, "method": {"name": "full"}}], train={"max_steps": 7}
    )
    (first,) = plan.before
    assert first.recipe.name == "made.first"
    assert (first.recipe.method.name, plan.recipe.method.name) == ("full", "lora")
    assert first.recipe.train.max_steps == 7
    assert any("made.first" in notice for notice in plan.notices)


def test_faults_of_a_phase_are_told_with_the_others(tmp_path: Path, make_tiny_llama: Any) -> None:
    make_tiny_llama().save_pretrained(tmp_path / "base")
    phase = {
        "name": "first",
        "objective": {"name": "pretraining"},
        "data": {"train": [{"path": "absent.jsonl"}]},
    }
    loaded = read_recipe(tmp_path, before=[phase], train={"warmup_steps": 1, "warmup_ratio": 0.1})
    with pytest.raises(RecipeError) as error:
        resolve(loaded, locate_base=Path)
    paths = {fault.path for fault in error.value.faults}
    assert {"before[0].data.train[0].path", "train.warmup_ratio"} <= paths


def test_loss_on_has_no_effect_beside_expanded_turns(tmp_path: Path) -> None:
    objective = {"name": "sft", "expand_turns": True}
    assert faults(tmp_path, AUTO, objective=objective) == {}
    assert (
        "no effect" in faults(tmp_path, AUTO, objective={**objective, "loss_on": "all"})["objective.loss_on"]
    )
