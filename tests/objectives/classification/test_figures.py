"""Metrics from sums over rows are those of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn import metrics

from luthier.objectives.classification.figures import classification_measures

ROWS, CLASSES = 300, 7


def _hot(numbers: np.ndarray) -> np.ndarray:
    return np.eye(CLASSES, dtype=bool)[numbers]


def _single(seed: int, used: int = CLASSES) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    true = generator.integers(0, used, ROWS)
    said = np.where(generator.random(ROWS) < 0.6, true, generator.integers(0, used, ROWS))
    return true, said


def _found(true_NC: np.ndarray, said_NC: np.ndarray, *, is_single: bool) -> dict[str, float]:
    losses = np.linspace(0.0, 2.0, len(true_NC))
    sure_NC = np.where(said_NC, 0.75, 0.25 / (CLASSES - 1))
    measures = classification_measures(losses, sure_NC, true_NC, said_NC, is_single=is_single)
    assert measures[0].name == "eval_loss" and measures[0].lower_is_better
    return {m.name: float(m.statistic(m.figures_NK.sum(axis=0))) for m in measures}


F1: dict[str, str] = {"f1_macro": "macro", "f1_micro": "micro", "f1_weighted": "weighted"}


@pytest.mark.parametrize("used", [CLASSES, 4])
def test_of_one_class_a_row(used: int) -> None:
    true, said = _single(1, used)
    found = _found(_hot(true), _hot(said), is_single=True)
    assert found["eval_loss"] == pytest.approx(1.0)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(true, said))
    assert found["mcc"] == pytest.approx(metrics.matthews_corrcoef(true, said))
    for name, average in F1.items():
        assert found[name] == pytest.approx(metrics.f1_score(true, said, average=average, zero_division=0))
    for name, score in (("precision_macro", metrics.precision_score), ("recall_macro", metrics.recall_score)):
        assert found[name] == pytest.approx(score(true, said, average="macro", zero_division=0))
    assert found["calibration_error"] == pytest.approx(abs(0.75 - found["accuracy"]))


def test_of_several_classes_a_row() -> None:
    generator = np.random.default_rng(2)
    true_NC = generator.random((ROWS, CLASSES)) < 0.3
    said_NC = np.where(generator.random((ROWS, CLASSES)) < 0.8, true_NC, ~true_NC)
    found = _found(true_NC, said_NC, is_single=False)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(true_NC, said_NC))
    for name, average in F1.items():
        assert found[name] == pytest.approx(metrics.f1_score(true_NC, said_NC, average=average))
    assert found["mcc"] == pytest.approx(metrics.matthews_corrcoef(true_NC.ravel(), said_NC.ravel()))


def test_saying_always_the_same_has_no_correlation() -> None:
    true, _ = _single(3)
    found = _found(_hot(true), _hot(np.zeros_like(true)), is_single=True)
    assert found["mcc"] == 0.0 and 0.0 < found["f1_macro"] < found["accuracy"]


@pytest.mark.parametrize("name", ["f1_macro", "f1_micro", "f1_weighted", "recall_macro", "accuracy", "mcc"])
def test_many_sums_at_once_are_the_same_as_one_by_one(name: str) -> None:
    true, said = _single(4)
    sure_NC = np.full((ROWS, CLASSES), 1 / CLASSES)
    measures = classification_measures(np.ones(ROWS), sure_NC, _hot(true), _hot(said), is_single=True)
    measure = next(m for m in measures if m.name == name)
    sums = np.stack([measure.figures_NK[start::3].sum(axis=0) for start in range(3)])
    statistic: Callable[[np.ndarray], np.ndarray] = measure.statistic
    assert statistic(sums) == pytest.approx([float(statistic(line)) for line in sums])
