"""What the plan refuses of fitting and generalization, each with a cure, and what it lets pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from luthier.core.errors import RecipeError
from luthier.pipeline.run import make_plan
from luthier.recipe.load import load
from tests.tiny_job import write_recipe

_RAW = "objective={name: pretraining}"
_HEAD = "objective={name: classification}"
_G = "evaluate.generalization"


def faults(recipe: Path, *overrides: str) -> list[Any]:
    try:
        make_plan(load(recipe, ["evaluate={}", *overrides]))
    except RecipeError as error:
        return list(error.faults)
    return []


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recipe(tmp_path_factory.mktemp("job"))


@pytest.mark.parametrize(
    ("overrides", "path", "words"),
    [
        ((_RAW, f"{_G}={{shots: [0, 1]}}"), f"{_G}.shots", "has no effect"),
        ((_HEAD, f"{_G}={{ability: [english]}}"), f"{_G}.ability", "predicts no text"),
        ((_HEAD, f"{_G}={{}}"), _G, "examines nothing"),
        ((f"{_G}={{by: topic}}",), f"{_G}.by", "no attribute of a source"),
        (
            (f"{_G}={{sets: [{{name: a, path: rows.json, schema: text}}]}}",),
            f"{_G}.sets[0].schema",
            "does not fit",
        ),
        ((f"{_G}={{sets: [{{name: a, path: none.json}}]}}",), _G, "no file at"),
        ((f"{_G}={{ability: [klingon]}}",), f"{_G}.ability", "neither shipped nor a file"),
        (
            (
                f"{_G}={{sets: [{{name: a, path: rows.json}}]}}",
                "gates=[{metric: generalization.score.a, min: 0}]",
            ),
            "gates[0].metric",
            "of tasks with a head",
        ),
        (
            (f"{_G}={{shots: [1]}}", "gates=[{metric: generalization.shot_answers.1, min: 0}]"),
            "gates[0].metric",
            "shot_answers is 0",
        ),
        (
            ("evaluate.fitting={}", "train.eval_strategy='no'", "gates=[{metric: fitting.rise, max: 1}]"),
            "gates[0].metric",
            "undefined",
        ),
        (
            (_HEAD, "evaluate.fitting={}", "gates=[{metric: fitting.excess_gap, max: 1}]"),
            "gates[0].metric",
            "has no head of its own",
        ),
        (
            ("evaluate.fitting={}", "gates=[{metric: fitting.gap.f1, max: 1}]"),
            "gates[0].metric",
            "with a head",
        ),
        (("evaluate.fitting={}", "gates=[{metric: fitting.gab, max: 1}]"), "gates[0].metric", "fitting.ga"),
    ],
)
def test_what_cannot_take_effect_is_refused(
    recipe: Path, overrides: tuple[str, ...], path: str, words: str
) -> None:
    found = [fault for fault in faults(recipe, *overrides) if fault.path == path]
    assert any(words in f"{fault.problem} {fault.cure}" for fault in found), faults(recipe, *overrides)


def test_what_takes_effect_passes(recipe: Path) -> None:
    asked = f"{_G}={{sets: [{{name: a, path: rows.json}}], shots: [0, 1], shot_answers: 2}}"
    gates = "gates=[{metric: generalization.drop.a, max: 1}, {metric: fitting.gap_ratio, max: 1}]"
    assert faults(recipe, "evaluate.fitting={}", asked, gates) == []
