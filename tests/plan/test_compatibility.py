"""The table of what goes with what: the plan refuses by it, with a reason and a cure, and derives what follows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from luthier.core.errors import Fault, RecipeError
from luthier.plan.checks import check_recipe
from luthier.plan.compatibility import TRAITS, check_method_against_base, merge_refusal
from luthier.plan.freezing import schedule_faults
from luthier.plan.trainable import count_trainable
from luthier.recipe import method_sections as sections
from tests.plan.bases import made_base, made_plan, read_recipe

ROOT = Path(__file__).resolve().parents[2]


def _faults(folder: Path, *overrides: str) -> list[Fault]:
    loaded = read_recipe(folder, *overrides)
    return list(check_recipe(loaded.recipe, loaded.origins.keys(), loaded.folder))


@pytest.mark.parametrize(
    ("overrides", "path", "words"),
    [
        (("method={name: prefix}", "train.packing=true"), "train.packing", "a prefix is a cache of keys"),
        (
            ("method={name: prefix}", "train.gradient_checkpointing=true"),
            "train.gradient_checkpointing",
            "drops cached",
        ),
        (
            ("method={name: prompt}", "objective={name: pretraining}"),
            "method.name",
            "makes no sense with objective",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(
    overrides: tuple[str, ...], path: str, words: str, tmp_path: Path
) -> None:
    (fault,) = _faults(tmp_path, *overrides)
    assert fault.path == path and words in fault.problem and fault.cure


def test_packing_follows_where_it_was_not_asked_for(tmp_path: Path, make_tiny_llama: Any) -> None:
    plan = made_plan(tmp_path, make_tiny_llama(), "method={name: prefix}", "data.max_length=64")
    assert plan.recipe.train.packing is False and plan.origin("train.packing").startswith("derived")
    assert any("cannot be merged" in notice for notice in plan.notices)
    assert made_plan(
        tmp_path, make_tiny_llama(), "method={name: prompt}", "data.max_length=64"
    ).recipe.train.packing


def test_virtual_tokens_need_positions(tmp_path: Path) -> None:
    recipe = read_recipe(tmp_path, "method={name: prompt}", "data.max_length=2040").recipe
    (fault,) = check_method_against_base(recipe, made_base())
    assert fault.path == "data.max_length" and fault.cure == "max_length: 2028"
    recipe = read_recipe(tmp_path, "method={name: prompt}", "data.max_length=2028").recipe
    assert list(check_method_against_base(recipe, made_base())) == []


@pytest.mark.parametrize(
    ("section", "path", "words"),
    [
        (
            sections.LoraMethod(exclude_modules=["query"]),
            "method.exclude_modules",
            "matches none of the adapted",
        ),
        (sections.LoraMethod(layers_to_transform=[0, 2]), "method.layers_to_transform", "no layer 2"),
        (sections.LoraMethod(rank_pattern={"query": 2}), "method.rank_pattern", "matches none"),
        (sections.LoraMethod(alpha_pattern={"(": 2}), "method.alpha_pattern", "matches none"),
        (sections.LoraMethod(rank_pattern={"k_proj": 17}), "method.r", "rank 17 exceeds"),
        (
            sections.LoraMethod(init_lora_weights="pissa", use_dora=True),
            "method.use_dora",
            "does not go with pissa",
        ),
        (
            sections.LoraMethod(init_lora_weights="pissa", lora_dropout=0.1),
            "method.lora_dropout",
            "does not go",
        ),
        (sections.AdaLoraMethod(name="adalora", target_r=12), "method.target_r", "is not below init_r"),
        (sections.AdaLoraMethod(name="adalora", init_r=17), "method.init_r", "rank 17 exceeds"),
        (
            sections.Ia3Method(name="ia3", target_modules=["query"]),
            "method.target_modules",
            "matches no linear",
        ),
        (
            sections.Ia3Method(name="ia3", feedforward_modules=["q_proj"]),
            "method.feedforward_modules",
            "none of the",
        ),
        (
            sections.BottleneckMethod(name="bottleneck", bottleneck_size=32),
            "method.bottleneck_size",
            "no bottleneck",
        ),
        (
            sections.BottleneckMethod(name="bottleneck", bottleneck_size=3, reduction_factor=4),
            "method.reduction_factor",
            "has no effect",
        ),
        (
            sections.PromptMethod(name="prompt", prompt_tuning_init="TEXT"),
            "method.prompt_tuning_init_text",
            "required",
        ),
        (
            sections.PromptMethod(name="prompt", prompt_tuning_init_text="a"),
            "method.prompt_tuning_init_text",
            "no effect",
        ),
        (
            sections.PromptMethod(name="prompt", num_virtual_tokens=2048),
            "method.num_virtual_tokens",
            "leave no room",
        ),
        (
            sections.PTuningMethod(name="p_tuning", encoder_num_layers=1),
            "method.encoder_num_layers",
            "no effect",
        ),
        (sections.PTuningMethod(name="p_tuning", encoder_dropout=0.1), "method.encoder_dropout", "no effect"),
        (
            sections.PrefixMethod(name="prefix", encoder_hidden_size=8),
            "method.encoder_hidden_size",
            "no effect",
        ),
        (
            sections.PrefixMethod(name="prefix", prefix_projection=True, prefix_init_text="a"),
            "method.prefix_init_text",
            "no effect",
        ),
        (sections.FreezeMethod(name="freeze", head_only=True), "method.head_only", "no head of its own"),
        (
            sections.FreezeMethod(name="freeze", head_only=True, trainable_layers=1),
            "method",
            "takes either trainable_layers or head_only",
        ),
    ],
)
def test_a_section_that_cannot_take_effect_is_a_fault(section: Any, path: str, words: str) -> None:
    _, (fault,) = count_trainable(section, made_base())
    assert fault.path == path and words in fault.problem


def test_a_schedule_longer_than_the_recipe_is_refused(tmp_path: Path, make_tiny_llama: Any) -> None:
    """Two layers and the tied embedding: three groups."""
    section = sections.FreezeMethod(name="freeze", unfreeze_every=1)
    train = read_recipe(tmp_path, "train.num_train_epochs=2").recipe.train
    (fault,) = schedule_faults(section, made_base(), train)
    assert "last of 3 groups would thaw after 2 epochs, training takes 2 epochs" in fault.problem
    assert schedule_faults(section, made_base(), train.model_copy(update={"num_train_epochs": 3.0})) == []
    with pytest.raises(RecipeError, match="last of 3 groups"):
        made_plan(
            tmp_path, make_tiny_llama(), "method={name: freeze, unfreeze_every: 3}", "data.max_length=64"
        )


def test_only_what_is_no_weight_cannot_be_merged() -> None:
    assert {name for name in TRAITS if merge_refusal(name)} == {"bottleneck", "prefix", "prompt", "p_tuning"}
    assert merge_refusal("of another program") is None


def test_the_page_is_that_of_the_code() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "compatibility_page.py"), "--check"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_a_rate_that_suits_adapters_only_is_told(tmp_path: Path, make_tiny_llama: Any) -> None:
    def told(*overrides: str) -> bool:
        plan = made_plan(tmp_path, make_tiny_llama(), "data.max_length=64", *overrides)
        return any("makes it forget" in notice for notice in plan.notices)

    assert told("method={name: full}", "train.learning_rate=1.0e-3")
    assert not told("method={name: full}", "train.learning_rate=5.0e-5")
    assert not told("method={name: lora}", "train.learning_rate=1.0e-3")
