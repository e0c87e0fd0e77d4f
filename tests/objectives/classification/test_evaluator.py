"""Judging a classifier: its tables tell what was taken for what, and the baseline never looks at the text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import metrics
from sklearn.dummy import DummyClassifier

from luthier.data.classification.classes import Classes
from luthier.data.example import Example
from luthier.data.sample import Sample
from luthier.evaluate.statistics import Resampling, sums_intervals
from luthier.objectives.classification.evaluator import ClassificationEvaluator, Judgement, decide

CLASSES = Classes(("cold", "hot", "warm"), (6, 3, 1), 10, (1.0, 1.0, 1.0))
TRUE = np.array([0, 0, 1, 2, 1, 0])
SPREAD = np.array(
    [[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.1, 0.8, 0.1], [0.2, 0.7, 0.1], [0.05, 0.9, 0.05], [0.6, 0.3, 0.1]]
)


def _rows(labels: Any = TRUE) -> list[Example]:
    ids = np.arange(3, dtype=np.int32)
    return [
        Example(ids, np.atleast_1d(n).astype(np.int32), "a.csv", i, target="row")
        for i, n in enumerate(labels, 1)
    ]


def _samples() -> list[Sample]:
    return [Sample("a.csv", n, text=f"text {n}", labels=("x",)) for n in range(1, len(TRUE) + 1)]


def _evaluator(problem: Any = "single_label") -> ClassificationEvaluator:
    none: Any = None
    return ClassificationEvaluator(none, CLASSES, problem)


def _said() -> Judgement:
    return Judgement(SPREAD, decide(SPREAD, "single_label"), -np.log(SPREAD[np.arange(6), TRUE]))


def _intervals(figures: Any, statistic: Any) -> Any:
    return sums_intervals(figures, statistic, Resampling(200, 0.95, 0))


def test_baseline_says_the_most_frequent_class_of_training() -> None:
    """scikit-learn's DummyClassifier(strategy="prior") is the reference."""
    labels = np.repeat([0, 1, 2], CLASSES.counts)
    dummy = DummyClassifier(strategy="prior").fit(np.zeros((10, 1)), labels)
    said = _evaluator().baseline(_rows(), _samples())
    expected = dummy.predict_proba(np.zeros((6, 1)))
    assert said.probabilities_NC == pytest.approx(expected)
    assert said.said_NC.argmax(axis=1).tolist() == dummy.predict(np.zeros((6, 1))).tolist()
    assert said.losses_N.mean() == pytest.approx(metrics.log_loss(TRUE, expected, labels=[0, 1, 2]))


def test_baseline_of_several_labels() -> None:
    hot = np.array([[1, 0, 0], [1, 1, 0]])
    said = _evaluator("multi_label").baseline(_rows(hot), _samples()[:2])
    assert said.said_NC.tolist() == [[True, False, False]] * 2
    p = np.array([0.6, 0.3, 0.1])
    expected = [-(np.log(np.where(line, p, 1 - p))).mean() for line in hot]
    assert said.losses_N == pytest.approx(expected)


def test_tables_tell_each_class_and_each_confusion() -> None:
    tables, facts = _evaluator().details(_said(), _rows(), _samples(), _intervals)
    per_class, confusion, errors = tables
    assert (
        facts["confusion_matrix"]
        == metrics.confusion_matrix(TRUE, SPREAD.argmax(1), labels=[0, 1, 2]).tolist()
    )
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        TRUE, SPREAD.argmax(1), labels=[0, 1, 2], zero_division=np.nan
    )
    for number, entry in enumerate(facts["classes"]):
        assert entry["rows"] == support[number]
        for name, values in (("precision", precision), ("recall", recall), ("f1", f1)):
            assert entry[name][0] == pytest.approx(values[number], nan_ok=True)
            assert np.isnan(values[number]) or entry[name][1] <= values[number] <= entry[name][2]
    assert per_class.rows[2][1] == "–", "warm is never said, so it has no precision"
    assert per_class.rows[1][1].startswith("0.50 (")
    assert confusion.columns == ("True class", *CLASSES.labels) and confusion.rows[0] == ["cold", 2, 1, 0]
    assert [line[:4] for line in errors.rows] == [
        ["a.csv, row 4", "text 4", "warm", "hot"], ["a.csv, row 2", "text 2", "cold", "hot"],
    ]  # fmt: skip
    assert errors.rows[0][4] == "70%"


def test_many_classes_show_the_most_frequent_confusions_only() -> None:
    names = tuple(f"c{n:02d}" for n in range(30))
    classes = Classes(names, (1,) * 30, 30, (1.0,) * 30)
    true = np.array([0, 0, 0, 5, 6])
    said = np.eye(30, dtype=bool)[[1, 1, 0, 2, 6]]
    none: Any = None
    evaluator = ClassificationEvaluator(none, classes, "single_label")
    judged = Judgement(said.astype(float), said, np.ones(5))
    tables, facts = evaluator.details(judged, _rows(true), _samples()[:5], _intervals)
    assert tables[1].rows == [["c00", "c01", 2, 3], ["c05", "c02", 1, 1]]
    assert len(facts["confusion_matrix"]) == 30


def test_a_threshold_decides_between_several_labels() -> None:
    spread = np.array([[0.4, 0.7], [0.2, 0.3]])
    assert decide(spread, "multi_label").tolist() == [[False, True], [False, False]]
    assert decide(spread, "multi_label", 0.3).tolist() == [[True, True], [False, True]]
