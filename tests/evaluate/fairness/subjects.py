"""Subjects of the examination: a classifier that says what a test wants, over rows with groups."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from luthier.data.classification.classes import Classes
from luthier.data.example import Example
from luthier.data.sample import Sample
from luthier.evaluate.examination import HeldOut, Subject
from luthier.evaluate.statistics import Resampling
from luthier.objectives.classification.evaluator import ClassificationEvaluator, Judgement

LABELS = ("bad", "good")
HOW = Resampling(1000, 0.95, 1)


class SaysAsTold(ClassificationEvaluator):
    """Says of each row what the test wrote into it."""

    def __init__(self, said: Sequence[int]) -> None:
        none: Any = None
        super().__init__(none, Classes(LABELS, (5, 5), 10, (1.0, 1.0)), "single_label")
        self._said = np.asarray(said)

    def predict(self, model: Any, rows: Any, samples: Any, **options: Any) -> Judgement:
        said_NC = self._said[:, None] == np.arange(2)
        return Judgement(said_NC.astype(np.float64), said_NC, np.zeros(len(said_NC)))


def classifier_subject(
    true: Sequence[int],
    said: Sequence[int],
    attributes: Sequence[dict[str, str]],
    trained: Sequence[dict[str, str]] | None = None,
) -> Subject:
    """Return a subject of rows whose class is true, said to be another one, and with attributes."""
    ids = np.arange(3, dtype=np.int32)
    rows = [
        Example(ids, np.array([label], dtype=np.int32), "a.csv", number, target="row")
        for number, label in enumerate(true, 1)
    ]
    samples = [
        Sample("a.csv", number, text="a text", labels=(LABELS[label],), attributes=own)
        for number, (label, own) in enumerate(zip(true, attributes, strict=True), 1)
    ]
    before = [
        Sample("b.csv", number, text="x", attributes=own) for number, own in enumerate(trained or (), 1)
    ]
    objective: Any = SimpleNamespace(evaluator=SaysAsTold(said), head=object())
    return Subject(
        load=lambda: None,
        load_base=None,
        objective=objective,
        tokenizer=None,
        template=None,
        held_out=HeldOut(rows, samples),
        trained=None if trained is None else HeldOut([], before),
        history=[],
        dtype=torch.float32,
        how=HOW,
    )
