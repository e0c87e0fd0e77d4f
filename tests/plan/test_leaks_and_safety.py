"""Keys of memorisation and safety that cannot take effect are refused with their path."""

from __future__ import annotations

from typing import Any

import pytest

from luthier.plan.leaks_and_safety import check_memorization, check_safety
from luthier.recipe.schema import Recipe


def recipe(objective: str, **sections: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "tiny",
            "model": {"base": "base"},
            "data": {"train": [{"path": "rows.json"}], "eval": {"split": 0.25}},
            "method": {"name": "full"},
            "objective": {"name": objective},
            **sections,
        }
    )


def canary(**keys: str) -> dict[str, Any]:
    return {"canaries": [{"format": "It is {secret}.", "secret": "4711007", **keys}]}


@pytest.mark.parametrize(
    ("objective", "section", "path"),
    [
        ("classification", {"near": 0.8}, "evaluate.memorization.near"),
        ("classification", canary(), "evaluate.memorization.canaries"),
        ("pretraining", {"prefix_tokens": [0]}, "evaluate.memorization.prefix_tokens"),
        ("pretraining", canary(prompt="What?"), "evaluate.memorization.canaries[0].prompt"),
        ("sft", canary(), "evaluate.memorization.canaries[0].prompt"),
    ],
)
def test_what_cannot_take_effect_is_refused(objective: str, section: dict[str, Any], path: str) -> None:
    written = {f"evaluate.memorization.{key}" for key in section}
    (fault,) = check_memorization(recipe(objective, evaluate={"memorization": section}), written)
    assert fault.path == path and fault.cure


@pytest.mark.parametrize("objective", ["sft", "pretraining", "classification"])
def test_the_section_as_it_is_suits_every_objective(objective: str) -> None:
    assert not list(check_memorization(recipe(objective, evaluate={"memorization": {}}), set()))


def test_a_gate_on_text_of_a_model_with_a_head_is_refused() -> None:
    gates = [{"metric": f"memorization.{name}", "max": 0.6} for name in ("membership_auc", "extracted_share")]
    (fault,) = check_memorization(recipe("classification", evaluate={"memorization": {}}, gates=gates), set())
    assert fault.path == "gates[1].metric" and "writes no text" in fault.problem


@pytest.mark.parametrize(("objective", "count"), [("sft", 0), ("pretraining", 1), ("classification", 1)])
def test_only_chat_models_are_asked(objective: str, count: int) -> None:
    faults = list(check_safety(recipe(objective, evaluate={"safety": {}}), set()))
    assert [fault.path for fault in faults] == ["evaluate.safety"] * count
