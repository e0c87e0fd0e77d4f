"""A classifier under attack: a row is right where the classes that it says are those of the row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from luthier.core.errors import DataError
from luthier.data.example import Example, Rejection
from luthier.data.sample import Sample
from luthier.evaluate.robustness.victim import Verdict
from luthier.models.heads import TaskHead
from luthier.objectives.classification.evaluator import decide, probabilities
from luthier.objectives.classification.objective import Classification
from luthier.objectives.headed import run_rows

# Shapes: B rows, C classes.


class ClassifierVictim:
    """Asks a classifier.

    Args:
        model: With its head, in evaluation mode.
        objective: Encodes and collates rows.
        dtype: Type of the computation.
    """

    def __init__(self, model: Any, objective: Classification, dtype: torch.dtype) -> None:
        head = objective.head
        assert head is not None, "the classes are known once the data is prepared"
        self.model = model
        self.objective = objective
        self.dtype = dtype
        self._head: TaskHead = head
        self._is_single = head.problem_type == "single_label_classification"

    def encode(self, sample: Sample) -> Example | None:
        """Return a row as the model reads it; None where it cannot."""
        try:
            made = self.objective.encoder(sample)
        except DataError:  # of an altered row, `too_long: error` says no more than that it cannot be asked
            return None
        return None if isinstance(made, Rejection) else made[0]

    def ask(self, samples: Sequence[Sample]) -> list[Verdict | None]:
        """Return what the model says about each row."""
        encoded = [self.encode(sample) for sample in samples]
        asked = [number for number, example in enumerate(encoded) if example is not None]
        rows = [example for example in encoded if example is not None]
        verdicts: list[Verdict | None] = [None] * len(samples)
        if not rows:
            return verdicts
        for numbers, batch, outputs in run_rows(self.model, self.objective, rows, dtype=self.dtype):
            for number, verdict in zip(numbers, self.verdicts(outputs.logits, batch.labels), strict=True):
                verdicts[asked[number]] = verdict
        return verdicts

    def verdicts(self, logits_BC: torch.Tensor, labels_BK: torch.Tensor) -> list[Verdict]:
        """Return what logits say.

        Args:
            logits_BC: Of the rows.
            labels_BK: Their classes, [B, 1], or 0 and 1 for each class [B, C].
        """
        problem = "single_label" if self._is_single else "multi_label"
        said_BC = torch.from_numpy(decide(probabilities(logits_BC.detach(), problem), problem))  # type: ignore[arg-type]
        if self._is_single:
            true_BC = torch.zeros_like(said_BC).scatter_(1, labels_BK.cpu(), True)
        else:
            true_BC = labels_BK.cpu() > 0
        right_B = (said_BC == true_BC).all(dim=1).tolist()
        losses_B = self.objective.plain_losses(logits_BC.detach(), labels_BK).double().tolist()
        return [
            Verdict(self._names(said_C), is_right, loss)
            for said_C, is_right, loss in zip(said_BC, right_B, losses_B, strict=True)
        ]

    def _names(self, said_C: torch.Tensor) -> str:
        return ", ".join(self._head.labels[number] for number in said_C.nonzero().flatten().tolist()) or "–"

    def text_of(self, sample: Sample) -> str:
        """Return the text; of a pair the first one."""
        return sample.text or ""

    def with_text(self, sample: Sample, text: str) -> Sample:
        """Return the row with another text."""
        return replace(sample, text=text)

    def wrong_answers(self, sample: Sample) -> Sequence[str]:
        """Return the other classes."""
        return [label for label in self._head.labels if label not in (sample.labels or ())]
