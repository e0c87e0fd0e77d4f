"""The Objective contract: what is minimised, which head that needs, and how its predictions are judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from luthier.data.collate import Batch
from luthier.data.encode import Encoder
from luthier.data.example import Example
from luthier.data.sample import Sample
from luthier.methods.contract import StepHooks
from luthier.models.heads import TaskHead

Values = NDArray[np.float64]
Intervals = Callable[[Values, Callable[[Values], Values]], tuple[Values, Values, Values]]
"""Bootstrap intervals of several figures at once, such as the F1 of each class."""


class Loss(NamedTuple):
    """A loss before normalisation.

    Args:
        total: Sum over the supervised items of the batch, each times its weight; a scalar tensor with gradient.
        num_items: Supervised items in the batch: tokens, or rows where the label belongs to the whole row.
        metrics: Further sums to report, by name.
    """

    total: torch.Tensor
    num_items: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Measure:
    """One metric as figures of each row, so that intervals, paired tests and gates work for any metric.

    The metric of any set of rows is ``statistic`` of the sum of their figures: accuracy has (correct, 1), micro F1
    (true positives, false positives, false negatives), macro F1 those three for each class.

    Args:
        name: As recipes and gates call it, e.g. ``f1_macro``.
        title: For people.
        figures_NK: A line per held-out row, float64.
        statistic: From sums [..., K] to the metric [...].
        lower_is_better: Direction.
        is_distance: Whether it sums distances from 0, which chance makes larger in small samples and larger still in
            resamples of them: intervals are mirrored at the value, and nothing is told relative to another model's.
        samples: What the lines stand for, one a line; None where those are all that was measured, in their order.
    """

    name: str
    title: str
    figures_NK: Values
    statistic: Callable[[Values], Values]
    lower_is_better: bool = False
    is_distance: bool = False
    samples: Sequence[Sample] | None = None


@dataclass(frozen=True)
class Table:
    """A table of the report, e.g. precision and recall of each class.

    Args:
        title: Its heading.
        columns: Names of the columns.
        rows: Texts and numbers, a list per line.
        note: A sentence below it.
    """

    title: str
    columns: tuple[str, ...]
    rows: list[list[Any]]
    note: str = ""


class TaskEvaluator(Protocol):
    """Judges what a model with a task's head says about held-out rows.

    A base whose head is random says nothing, so the comparison is with a baseline that never looks at the input,
    such as the most frequent class. Predictions are the evaluator's own; it alone reads them.
    """

    def predict(
        self,
        model: Any,
        rows: Sequence[Example],
        samples: Sequence[Sample],
        *,
        dtype: torch.dtype,
        on_progress: Callable[[int], None],
    ) -> Any:
        """Return what the model says, without dropout and without gradient.

        Args:
            model: With the task's head.
            rows: Held-out rows, encoded; one sample may have made several.
            samples: The samples they came from, in the same order.
            dtype: Type of the computation.
            on_progress: Told how many encoded rows are done.
        """

    def baseline(self, rows: Sequence[Example], samples: Sequence[Sample]) -> Any:
        """Return what the baseline says about the same rows."""

    def measures(
        self, predictions: Any, rows: Sequence[Example], samples: Sequence[Sample]
    ) -> Sequence[Measure]:
        """Return the metrics; ``eval_loss`` (sums of losses, items) first."""

    def details(
        self, predictions: Any, rows: Sequence[Example], samples: Sequence[Sample], intervals: Intervals
    ) -> tuple[Sequence[Table], dict[str, Any]]:
        """Return the tables of the report, and what ``report.json`` holds besides under ``task``.

        Args:
            predictions: From `predict`.
            rows: As for `predict`.
            samples: As for `predict`.
            intervals: From figures [N, K] and a statistic [..., K] -> [..., M] to values, lower and upper ends [M].
        """


class Objective(Protocol):
    """Turns rows into batches and batches into a loss.

    In evaluation mode the loss is the plain one: smoothing, focusing and the like act in training only.
    The loop divides the sum of the totals by the weight of all items of the whole optimizer step (their number,
    where every row weighs 1), over all micro-batches, so that accumulation equals a larger batch exactly.
    """

    @property
    def encoder(self) -> Encoder:
        """Turns rows into examples; a `LearningEncoder` where it must see all training rows first."""

    @property
    def head(self) -> TaskHead | None:
        """The head that the base gets, known once the data is prepared; None where it predicts the next token."""

    @property
    def evaluator(self) -> TaskEvaluator | None:
        """Judges predictions; None where losses and generated answers are compared with the base's."""

    def collate(self, examples: Sequence[Example]) -> Batch:
        """Return one micro-batch."""

    def loss(self, model: Any, batch: Batch) -> Loss:
        """Return the batch's loss."""

    def item_losses(self, model: Any, batch: Batch) -> torch.Tensor:
        """Return the loss of each supervised item of the batch, row after row, shape [items]."""


@runtime_checkable
class HookedObjective(Protocol):
    """An objective that trains weights of its own beside the model's, which are no part of the result."""

    @property
    def hooks(self) -> StepHooks | None:
        """What it does around each step of the loop; None for nothing."""
