"""Judging a classifier: its metrics, each class, what is taken for what; the most frequent class is the baseline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from luthier.data.classification.classes import Classes, Problem
from luthier.data.example import Example
from luthier.data.sample import Sample
from luthier.objectives.classification.figures import (
    Hot,
    class_figures,
    class_scores,
    classification_measures,
)
from luthier.objectives.contract import Intervals, Measure, Table, Values
from luthier.objectives.headed import run_rows

if TYPE_CHECKING:
    from luthier.objectives.classification.objective import Classification

# Shapes: N rows, C classes.

_WHOLE_MATRIX = 20
"""Classes up to which the page shows the whole confusion matrix."""
_LISTED = 20
_SHOWN_CHARACTERS = 200
_SMALLEST = 1e-7


@dataclass(frozen=True)
class Judgement:
    """What a classifier says about rows.

    Args:
        probabilities_NC: Of each class.
        said_NC: The classes that it decides for.
        losses_N: Plain loss of each row.
    """

    probabilities_NC: Values
    said_NC: Hot
    losses_N: Values


def probabilities(logits_BC: torch.Tensor, problem: Problem) -> Values:
    """Return the probability of each class, float64."""
    logits_BC = logits_BC.double()
    spread = logits_BC.softmax(dim=1) if problem == "single_label" else logits_BC.sigmoid()
    return np.asarray(spread.cpu().numpy())


def decide(probabilities_NC: Values, problem: Problem, threshold: float = 0.5) -> Hot:
    """Return the most probable class of each row; or all whose probability reaches the threshold."""
    if problem == "multi_label":
        return probabilities_NC >= threshold
    said_NC = np.zeros(probabilities_NC.shape, dtype=bool)
    said_NC[np.arange(len(said_NC)), probabilities_NC.argmax(axis=1)] = True
    return said_NC


class ClassificationEvaluator:
    """Measures a classifier.

    Args:
        objective: Collates and computes losses.
        classes: Of the training rows.
        problem: Whether a row has exactly one class.
    """

    def __init__(self, objective: Classification, classes: Classes, problem: Problem) -> None:
        self._objective = objective
        self._classes = classes
        self._problem: Problem = problem

    def predict(
        self,
        model: Any,
        rows: Sequence[Example],
        samples: Sequence[Sample],
        *,
        dtype: torch.dtype,
        on_progress: Callable[[int], None] = lambda done: None,
    ) -> Judgement:
        """Return probabilities, decisions and losses of a model."""
        spread_NC = np.zeros((len(rows), len(self._classes.labels)))
        losses_N = np.zeros(len(rows))
        for numbers, batch, outputs in run_rows(
            model, self._objective, rows, dtype=dtype, on_progress=on_progress
        ):
            spread_NC[numbers] = probabilities(outputs.logits, self._problem)
            losses_N[numbers] = self._objective.plain_losses(outputs.logits, batch.labels).double().numpy()
        return Judgement(spread_NC, decide(spread_NC, self._problem), losses_N)

    def baseline(self, rows: Sequence[Example], samples: Sequence[Sample]) -> Judgement:
        """Return what one says who knows how frequent the classes are in training, and never reads a text."""
        share_C = np.asarray(self._classes.counts) / self._classes.num_rows
        spread_NC = np.tile(share_C, (len(rows), 1))
        true_NC, safe_NC = self.true_classes(rows), np.clip(spread_NC, _SMALLEST, 1.0 - _SMALLEST)
        if self._problem == "single_label":
            losses_N = -np.log(safe_NC[true_NC])
        else:
            losses_N = -np.log(np.where(true_NC, safe_NC, 1.0 - safe_NC)).mean(axis=1)
        return Judgement(spread_NC, decide(spread_NC, self._problem), losses_N)

    def measures(
        self, predictions: Judgement, rows: Sequence[Example], samples: Sequence[Sample]
    ) -> list[Measure]:
        """Return loss, accuracy, F1 and correlation."""
        return classification_measures(
            predictions.losses_N,
            predictions.probabilities_NC,
            self.true_classes(rows),
            predictions.said_NC,
            is_single=self._problem == "single_label",
        )

    def details(
        self,
        predictions: Judgement,
        rows: Sequence[Example],
        samples: Sequence[Sample],
        intervals: Intervals,
    ) -> tuple[list[Table], dict[str, Any]]:
        """Return each class's scores, the confusions, and the rows that are wrong with the most confidence."""
        true_NC = self.true_classes(rows)
        per_class, scores = self._per_class(true_NC, predictions.said_NC, intervals)
        tables = [per_class]
        facts: dict[str, Any] = {
            "labels": list(self._classes.labels),
            "training_rows": list(self._classes.counts),
            "classes": scores,
        }
        if self._problem == "single_label":
            matrix_CC = true_NC.astype(np.int64).T @ predictions.said_NC.astype(np.int64)
            tables.append(self._confusions(matrix_CC))
            facts["confusion_matrix"] = matrix_CC.tolist()
        tables.append(self._errors(predictions, true_NC, samples))
        return tables, facts

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, in the order of the model's outputs."""
        return self._classes.labels

    def true_classes(self, rows: Sequence[Example]) -> Hot:
        """Return the classes that rows have."""
        labels = np.stack([row.labels for row in rows])
        if self._problem == "multi_label":
            return labels > 0
        true_NC = np.zeros((len(rows), len(self._classes.labels)), dtype=bool)
        true_NC[np.arange(len(rows)), labels[:, 0]] = True
        return true_NC

    def _per_class(
        self, true_NC: Hot, said_NC: Hot, intervals: Intervals
    ) -> tuple[Table, list[dict[str, Any]]]:
        names = ("precision", "recall", "f1")
        ends = [np.split(end, 3) for end in intervals(class_figures(true_NC, said_NC), class_scores)]
        rows, facts = [], []
        for number, label in enumerate(self._classes.labels):
            scores = {
                name: tuple(float(end[place][number]) for end in ends) for place, name in enumerate(names)
            }
            support = int(true_NC[:, number].sum())
            facts.append({"label": label, "rows": support, **scores})
            rows.append(
                [
                    label,
                    *(_with_interval(*scores[name]) for name in names),
                    support,
                    self._classes.counts[number],
                ]
            )
        columns = ("Class", "Precision", "Recall", "F1", "Held-out rows", "Training rows")
        note = "–: no row is, or is said to be, of the class."
        return Table("Each class", columns, rows, note), facts

    def _confusions(self, matrix_CC: np.ndarray[Any, Any]) -> Table:
        labels = self._classes.labels
        if len(labels) <= _WHOLE_MATRIX:
            lines = [[label, *line] for label, line in zip(labels, matrix_CC.tolist(), strict=True)]
            return Table(
                "Confusion matrix", ("True class", *labels), lines, "Columns are the predicted classes."
            )
        wrong_CC = matrix_CC - np.diag(np.diag(matrix_CC))
        order = np.argsort(-wrong_CC, axis=None, kind="stable")[:_LISTED]
        pairs = [divmod(int(place), len(labels)) for place in order]
        lines = [
            [labels[true], labels[said], int(wrong_CC[true, said]), int(matrix_CC[true].sum())]
            for true, said in pairs
            if wrong_CC[true, said]
        ]
        columns = ("True class", "Said to be", "Rows", "of")
        return Table("Most frequent confusions", columns, lines, "The whole matrix is in report.json.")

    def _errors(self, found: Judgement, true_NC: Hot, samples: Sequence[Sample]) -> Table:
        """Return the wrong rows whose true labels are least probable."""
        wrong = np.flatnonzero((found.said_NC != true_NC).any(axis=1))
        worst = wrong[np.argsort(-found.losses_N[wrong], kind="stable")][:_LISTED]
        lines = []
        for number in worst:
            sample = samples[number]
            text = f"{sample.text} | {sample.text_pair}" if sample.text_pair else str(sample.text)
            said = found.said_NC[number]
            sure = float(found.probabilities_NC[number][said].max()) if said.any() else None
            lines.append(
                [sample.place, text[:_SHOWN_CHARACTERS], self._names(true_NC[number]), self._names(said),
                 "–" if sure is None else f"{sure:.0%}"]
            )  # fmt: skip
        columns = ("Row", "Text", "True", "Said", "Probability")
        return Table("Errors with the largest loss", columns, lines, "Wrong labels often stand among these.")

    def _names(self, hot_C: Hot) -> str:
        return ", ".join(self._classes.labels[number] for number in np.flatnonzero(hot_C)) or "none"


def _with_interval(value: float, low: float, high: float) -> str:
    return "–" if np.isnan(value) else f"{value:.2f} ({low:.2f} to {high:.2f})"
