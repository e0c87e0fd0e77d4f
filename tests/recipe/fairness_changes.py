"""Changes of the keys of `evaluate.fairness`: what is changed, what both recipes have, and the files that they read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_P = "evaluate.fairness."
_CLASSIFIER = (
    "objective={name: classification}",
    "data.train=[{path: fair.jsonl, schema: classification, attributes: [kind, size]}]",
)
_GROUPS = (*_CLASSIFIER, "evaluate={fairness: {groups: [kind, size], positive: warm, min_group_rows: 2}}")
_SMALL = (*_CLASSIFIER, "evaluate={fairness: {groups: [kind], positive: warm, min_group_rows: 100}}")
_SWAPS = (*_CLASSIFIER, "evaluate={fairness: {swaps: [gender_en]}}")
_TEMPLATES = ("evaluate={num_generations: 0, fairness: {templates: [gender_en]}}",)
_PAIRS = ("evaluate={num_generations: 0, fairness: {crows_pairs: crows.csv}}",)

_BBQ = {
    "context_condition": "ambig", "question_polarity": "neg", "category": "Age", "context": "the fox and the cow",
    "question": "what is red?", "ans0": "the fox", "ans1": "the cow", "ans2": "it", "label": 2,
    "answer_info": {"ans0": ["fox", "old"], "ans1": ["cow", "nonOld"], "ans2": ["it", "unknown"]},
    "additional_metadata": {"stereotyped_groups": ["old"]},
}  # fmt: skip

FAIRNESS_CHANGES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    f"{_P}groups": ((f"{_P}groups=[kind]",), _GROUPS),
    f"{_P}expected": ((f"{_P}expected={{kind: [a, z]}}",), _GROUPS),
    f"{_P}intersections": ((f"{_P}intersections=true",), _GROUPS),
    f"{_P}positive": ((f"{_P}positive=cold",), _GROUPS),
    f"{_P}compare_with": ((f"{_P}compare_with=overall",), _GROUPS),
    f"{_P}min_group_rows": ((f"{_P}min_group_rows=100",), _GROUPS),
    f"{_P}small_groups": ((f"{_P}small_groups=leave_out",), _SMALL),
    f"{_P}swaps": ((f"{_P}swaps=[race_en]",), _SWAPS),
    f"{_P}swap_words": ((f"{_P}swap_words=[[fox, dog]]",), _SWAPS),
    f"{_P}swap_rows": ((f"{_P}swap_rows=3",), _SWAPS),
    f"{_P}templates": ((f"{_P}templates=[gender_zh]",), _TEMPLATES),
    f"{_P}crows_pairs": ((f"{_P}crows_pairs=crows.csv",), _TEMPLATES),
    f"{_P}bbq": ((f"{_P}bbq=[bbq.jsonl]",), _TEMPLATES),
    f"{_P}max_items": ((f"{_P}max_items=1",), _PAIRS),
}
"""By key: the change, and what is set before it."""

_PENALTY = (
    *_CLASSIFIER,
    "evaluate={}",
    "objective={name: classification, fairness: {by: kind, positive: warm, weight: 50}}",
)
_ADVERSARY = (*_PENALTY, "objective.fairness.method=adversary")
_O = "objective<ClassificationObjective>.fairness."
PENALTY_CHANGES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    f"{_O}method": (("objective.fairness.method=adversary",), _PENALTY),
    f"{_O}adversary_learning_rate": (("objective.fairness.adversary_learning_rate=0.1",), _ADVERSARY),
    f"{_O}by": (("objective.fairness.by=size",), _PENALTY),
    f"{_O}positive": (("objective.fairness.positive=mild",), _PENALTY),
    f"{_O}criterion": (("objective.fairness.criterion=demographic_parity",), _PENALTY),
    f"{_O}weight": (("objective.fairness.weight=1",), _PENALTY),
}
"""Of the objective's penalty, which shows in the weights."""


def fair(report: Callable[..., Any], made: Any, patch: pytest.MonkeyPatch, *overrides: str) -> Any:
    """What the examination found."""
    write_files(Path(made.recipe).parent)
    return report("examinations", made, patch, *overrides)


def fair_weights(weights: Callable[..., Any], made: Any, patch: pytest.MonkeyPatch, *overrides: str) -> Any:
    """The weights that were trained."""
    write_files(Path(made.recipe).parent)
    return weights(made, patch, *overrides)


def write_files(folder: Path) -> None:
    """Write the rows and files of stereotypes beside the recipe."""
    rows = [
        {
            "text": f"{'he' if number % 3 else 'she'} saw the black man and the {animal} {number}",
            "label": ("warm", "cold", "mild")[number % 3],
            "kind": "ab"[number // 2 % 2],
            "size": "xy"[number // 4 % 2],
        }
        for number, animal in enumerate(["fox", "dog"] * 40)
    ]
    (folder / "fair.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    pairs = [
        "sent_more,sent_less,bias_type",
        "the red fox,the blue fox,colour",
        "the cow is,the hen is,animal",
    ]
    (folder / "crows.csv").write_text("\n".join(pairs) + "\n", encoding="utf-8")
    (folder / "bbq.jsonl").write_text(json.dumps(_BBQ) + "\n", encoding="utf-8")
