"""From recipe to plan: all faults at once, derived values with their reasons, and who set what."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from luthier.core.errors import ModelError, RecipeError
from luthier.core.hashing import hash_bytes
from luthier.plan import resolve as resolve_module
from luthier.plan.hardware import Hardware, detect_hardware
from luthier.plan.lock import lock_facts
from luthier.plan.record import plan_record
from luthier.plan.resolve import resolve
from tests.plan.bases import made_plan, read_recipe

Made = Callable[..., Any]
NOT_HELD_OUT = {"train": [{"path": "rows.jsonl"}], "eval": {}}
PROCESSOR = Hardware("cpu", "a processor", 2, 1 << 30, has_native_bfloat16=False)


@pytest.fixture
def base(make_tiny_llama: Made) -> Any:
    return make_tiny_llama(max_position_embeddings=4096)


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    def set_(native: bool) -> None:
        made = replace(PROCESSOR, has_native_bfloat16=native)
        monkeypatch.setattr(resolve_module, "detect_hardware", lambda: made)

    return set_


def test_faults_of_recipe_base_and_method_are_reported_at_once(make_tiny_llama: Made, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        made_plan(
            tmp_path,
            make_tiny_llama(),
            data={"train": [{"path": "absent.jsonl"}], "max_length": 257},
            train={"eval_steps": 3},
            method={"name": "lora", "target_modules": ["query"]},
        )
    paths = [fault.path for fault in caught.value.faults]
    assert paths == ["data.train[0].path", "train.eval_steps", "data.max_length", "method.target_modules"]


def test_a_missing_base_does_not_hide_the_other_faults(tmp_path: Path) -> None:
    def missing(name: str) -> Path:
        raise ModelError(f"no {name}", cure="look")

    with pytest.raises(RecipeError) as caught:
        resolve(read_recipe(tmp_path, train={"eval_steps": 3}), locate_base=missing)
    assert [(f.path, f.cure) for f in caught.value.faults][1] == ("model.base", "look")
    assert len(caught.value.faults) == 2


def test_a_base_beside_the_recipe_comes_first(base: Any, tmp_path: Path) -> None:
    assert made_plan(tmp_path, base).base.folder == tmp_path / "base"


@pytest.mark.parametrize(("native", "dtype"), [(True, "bfloat16"), (False, "float32")])
def test_the_type_follows_the_processor(
    native: bool, dtype: str, base: Any, tmp_path: Path, processor: Callable[[bool], None]
) -> None:
    processor(native)
    plan = made_plan(tmp_path, base)
    assert plan.recipe.model.dtype == dtype
    assert plan.origin("model.dtype") == f"derived: {'' if native else 'no '}native bfloat16 on a processor"
    written = made_plan(tmp_path, base, "model.dtype=bfloat16")
    assert written.recipe.model.dtype == "bfloat16" and written.origin("model.dtype") == "--set"
    assert any("emulates bfloat16" in notice for notice in written.notices) == (not native)


# sections, values that are derived from them
DERIVED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"data": NOT_HELD_OUT},
        {"train.eval_strategy": "no", "train.load_best_model_at_end": False},
    ),
    ({"train": {"eval_strategy": "no"}}, {"train.load_best_model_at_end": False}),
    (
        {"objective": {"name": "pretraining"}},
        {"evaluate.metrics": ["perplexity"], "evaluate.num_generations": 0},
    ),
    ({"evaluate": {"num_generations": 0}}, {"evaluate.metrics": ["perplexity"]}),
    (
        {"evaluate": {"num_generations": 0, "metrics": ["perplexity", "byte_perplexity"]}},
        {"evaluate.metrics": ["perplexity", "byte_perplexity"]},
    ),
    ({}, {}),
]


@pytest.mark.parametrize(("sections", "derived"), DERIVED)
def test_values_are_derived_with_a_reason(
    sections: dict[str, Any], derived: dict[str, Any], base: Any, tmp_path: Path
) -> None:
    plan = made_plan(tmp_path, base, "model.dtype=float32", **sections)
    values = plan.values()
    assert {path: values[path] for path in derived} == derived
    always = {"train.memory_budget_gb"}
    assert {path for path in values if plan.origin(path).startswith("derived: ")} == {*derived, *always}


def test_origins_of_every_kind_of_path(base: Any, tmp_path: Path) -> None:
    plan = made_plan(
        tmp_path,
        base,
        "data.train.0.limit=5",
        "gates.1.max=9",
        "seed=3",
        gates=[{"metric": "eval_loss", "max": 3.0}, {"metric": "perplexity", "max": 8.0}],
        method={"name": "lora", "target_modules": ["q_proj"]},
    )
    origins = {
        "seed": "--set",
        "data.train[0].path": "recipe",
        "data.train[0].limit": "--set",
        "gates[0].max": "recipe",
        "gates[1].max": "--set",
        "gates[1].metric": "recipe",
        "method.target_modules": "recipe",
        "method.r": "default",
        "data.max_length": "default",
        "train.learning_rate": "default",
        "data.eval.split": "default",
    }
    assert {path: plan.origin(path) for path in origins} == origins
    assert set(origins) <= set(plan.values())
    assert plan.values()["data.train[0].limit"] == 5 and plan.values()["gates[1].max"] == 9


def test_the_record_holds_every_value_and_its_origin(base: Any, tmp_path: Path) -> None:
    plan = made_plan(tmp_path, base, "seed=3")
    record = json.loads(json.dumps(plan_record(plan)))
    assert record["values"]["seed"] == {"value": 3, "from": "--set"}
    assert record["values"]["data.train[0].path"] == {"value": "rows.jsonl", "from": "recipe"}
    assert record["values"].keys() == plan.values().keys()
    assert record["overrides"] == ["seed=3"]
    assert record["trainable_parameters"] == plan.trainable.num_trainable > 0
    assert record["total_parameters"] > record["base"]["parameters"] == plan.base.num_parameters


def test_the_lock_names_recipe_versions_and_machine(base: Any, tmp_path: Path) -> None:
    import torch

    plan = made_plan(tmp_path, base, "seed=3")
    lock = lock_facts(plan, {"base": "b"})
    text = (tmp_path / "recipe.yaml").read_bytes()
    assert lock["hashes"] == {"recipe": hash_bytes(text), "base": "b"}
    assert lock["packages"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert lock["seed"] == 3 and lock["hardware"]["cores"] == plan.hardware.num_cores


def test_what_a_step_takes(base: Any, tmp_path: Path) -> None:
    plan = made_plan(
        tmp_path,
        base,
        train={"per_device_train_batch_size": 3, "gradient_accumulation_steps": 5},
        data={"train": [{"path": "rows.jsonl"}], "max_length": 4000},
    )
    assert plan.rows_per_step == 15 and plan.micro_batch_tokens == 4000
    assert made_plan(tmp_path, None, "data.max_length=64").micro_batch_tokens == 2048


def test_notices(base: Any, tmp_path: Path) -> None:
    assert made_plan(tmp_path, base, "model.dtype=float32").notices == ()
    (notice,) = made_plan(tmp_path, base, "model.dtype=float32", data=NOT_HELD_OUT).notices
    assert "no rows are held out" in notice
    (notice,) = made_plan(tmp_path, base, "model.dtype=float32", "model.trust_remote_code=true").notices
    assert "will run on this machine" in notice


def test_this_machine_is_described() -> None:
    import os

    found = detect_hardware()
    assert found.num_cores == len(os.sched_getaffinity(0)) and found.memory_bytes > 1 << 28
    flags = Path("/proc/cpuinfo").read_text()
    expected = any(f" {flag}" in flags for flag in ("avx512_bf16", "amx_bf16"))
    assert found.device != "cpu" or found.has_native_bfloat16 == expected
