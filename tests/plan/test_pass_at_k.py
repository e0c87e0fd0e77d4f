"""Keys of pass@k that cannot take effect, or run code without being allowed to, are refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from luthier.plan.pass_at_k import check_pass_at_k
from luthier.recipe.evaluate_sections.pass_at_k import PassAtKSection
from tests.plan.test_leaks_and_safety import recipe

PYTHON = {"check": "python", "allow_code_execution": True, "rows": "tests.jsonl"}


def faults(objective: str, **section: Any) -> list[tuple[str, str]]:
    written = {f"evaluate.pass_at_k.{key}" for key in section}
    found = check_pass_at_k(recipe(objective, evaluate={"pass_at_k": section}), written)
    return [(fault.path.removeprefix("evaluate.pass_at_k").lstrip("."), fault.problem) for fault in found]


def test_a_model_with_a_head_is_refused() -> None:
    ((path, problem),) = faults("classification")
    assert path == "" and "has a head" in problem


def test_held_out_text_has_no_reference() -> None:
    ((path, problem),) = faults("pretraining")
    assert path == "rows" and "no reference" in problem
    assert not faults("pretraining", rows="asked.jsonl") and not faults("sft")


@pytest.mark.parametrize("key", ["allow_code_execution", "timeout_seconds", "memory_mb"])
def test_limits_of_code_have_no_effect_where_none_is_run(key: str) -> None:
    ((path, problem),) = (
        faults("sft", **{key: 100}) if key != "allow_code_execution" else faults("sft", **{key: True})
    )
    assert path == key and "runs no code" in problem
    assert not faults("sft", **PYTHON, timeout_seconds=3, memory_mb=100)


def test_top_p_has_no_effect_without_chance() -> None:
    ((path, _),) = faults("sft", temperature=0, samples=1, k=[1], top_p=0.5)
    assert path == "top_p"


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"k": [1, 11]}, "pass@11 needs as many answers: samples is 10"),
        ({"k": [1, 1]}, "twice"),
        ({"k": []}, "at least 1"),
        ({"temperature": 0.0}, "the same"),
        ({"check": "python", "rows": "a.jsonl"}, "allow_code_execution: true"),
        ({"check": "python", "allow_code_execution": True}, "needs tests"),
        ({"columns": {"prompt": "question"}}, "no effect on the held-out rows"),
        ({"instruction": "Say"}, "no effect on the held-out rows"),
        ({"rows": "a.jsonl", "columns": {"test": "t"}}, "no field of check exact"),
        ({"stop": [""]}, "empty"),
    ],
)
def test_a_section_that_contradicts_itself_is_refused(section: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        PassAtKSection(**section)
