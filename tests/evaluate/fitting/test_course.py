"""Shapes of courses that are known, and SageMaker Debugger's rules where it has one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from luthier.evaluate.fitting.course import PATIENCE, Course
from luthier.recipe.evaluate_sections.fitting import FittingSection
from tests.conftest import SHARED_VECTORS


def course(*held_out: float, training: tuple[float, ...] = ()) -> Course:
    """A course with held-out losses at steps 10, 20 …, and training losses at 1, 2 … in turn."""
    return Course(
        [(float(step), loss) for step, loss in enumerate(training, start=1)],
        [(10.0 * step, loss) for step, loss in enumerate(held_out, start=1)],
    )


def test_losses_are_taken_out_of_a_history_whatever_else_is_in_it() -> None:
    history: list[dict[str, Any]] = [
        {"kind": "mixture", "step": 1},
        {"kind": "evaluation", "step": 4, "eval_loss": 2.0, "is_best": True},
        {"kind": "train_step", "step": 2, "loss": 3.0},
        {"kind": "train_step", "step": 1, "loss": 4.0},
    ]
    found = Course.of(history)
    assert found.training == [(1.0, 4.0), (2.0, 3.0)]
    assert found.held_out == [(4.0, 2.0)]
    assert found.last_step == 4


def test_a_valley_has_one_turn_and_its_bottom_is_the_best() -> None:
    valley = course(3.0, 2.0, 1.0, 1.5, 2.5)
    assert valley.best == (30.0, 1.0)
    assert valley.turns(0.01) == 1
    assert valley.distance == pytest.approx(0.4)
    assert valley.rise_at(50) == pytest.approx(1.5)
    assert valley.rise_at(30) == 0.0
    assert valley.rise_at(35) is None


def test_small_moves_are_no_turns_and_large_ones_are() -> None:
    assert course(3.0, 2.0, 2.001, 1.99, 1.995, 1.5).turns(0.01) == 0
    assert course(3.0, 2.0, 2.5, 1.9, 2.4, 2.0).turns(0.01) == 4
    assert course(2.0).turns(0.01) == 0
    # A slow rise of small moves is a turn once it adds up.
    assert course(2.0, 1.0, 1.006, 1.012, 1.018).turns(0.01) == 1


def test_the_drop_of_the_last_quarter_is_interpolated_between_evaluations() -> None:
    # At 0.75 * 40 = step 30 the loss was 2.0; it ended at 1.0.
    assert course(4.0, 3.0, 2.0, 1.0).late_drop == pytest.approx(1.0)
    # 0.75 * 20 = step 15, half way between 3 and 2.
    assert course(3.0, 2.0).late_drop == pytest.approx(0.25)
    assert course(2.0, 3.0).late_drop == pytest.approx(-0.5 / 3.0)
    assert course(2.0).late_drop is None and course().late_drop is None


def test_a_training_loss_that_does_not_fall_is_stalled() -> None:
    assert course(training=tuple(3.0 + 0.2 * (-1) ** n for n in range(60))).is_stalled
    assert not course(training=tuple(3.0 - 0.02 * n for n in range(60))).is_stalled
    assert not course(training=(3.0, 3.0)).is_stalled  # too short to tell


def test_nothing_is_said_of_an_empty_course() -> None:
    nothing = Course([], [])
    assert nothing.best is None and nothing.distance is None and nothing.rise_at(0) is None
    assert nothing.last_step == 0 and nothing.evaluations_since_gain(0.01) == 0 and not nothing.is_stalled


def rule(name: str) -> dict[str, Any]:
    path = Path(SHARED_VECTORS) / "24_training_diagnosis_sagemaker_rules.json"
    if not path.is_file():
        pytest.skip(f"known answers are not at {path}")
    records = json.loads(path.read_text())["records"]
    found: dict[str, Any] = next(r["expected"] for r in records if r["input"]["rule"] == name)
    return found


def test_limits_are_those_of_sagemakers_rules() -> None:
    overtraining = rule("Overtraining")
    assert FittingSection().max_gap_ratio == rule("Overfit")["ratio_threshold"]
    assert FittingSection().min_progress == overtraining["delta"]
    assert overtraining["patience_validation"] == PATIENCE


def test_overtraining_counts_evaluations_without_gain() -> None:
    delta, patience = rule("Overtraining")["delta"], rule("Overtraining")["patience_validation"]
    assert course(*[2.0, 1.0, *[0.995] * patience]).evaluations_since_gain(delta) == patience
    assert course(*[2.0, 1.0, *[0.985] * patience]).evaluations_since_gain(delta) == patience - 1
