"""Judging several tasks: each by its own evaluator, metrics named ``TASK.METRIC``, and the loss of all together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from luthier.data.example import Example
from luthier.data.sample import Sample
from luthier.models.multi_head import task_model
from luthier.objectives.contract import Intervals, Measure, Table, TaskEvaluator, Values


@dataclass(frozen=True)
class _Own:
    """What belongs to a task: its rows, and the samples that they came from."""

    rows: list[Example]
    samples: list[Sample]


class MultiTaskEvaluator:
    """Measures each task of a model with several heads.

    Args:
        evaluators: Of each task, by name.
    """

    def __init__(self, evaluators: Mapping[str, TaskEvaluator]) -> None:
        self._evaluators = evaluators

    def predict(
        self,
        model: Any,
        rows: Sequence[Example],
        samples: Sequence[Sample],
        *,
        dtype: torch.dtype,
        on_progress: Callable[[int], None] = lambda done: None,
    ) -> dict[str, Any]:
        """Return what each head says about the rows of its task."""
        said, before = {}, 0
        for name, own in self._divide(rows, samples).items():

            def tell(done: int, before: int = before) -> None:
                on_progress(before + done)

            said[name] = self._evaluators[name].predict(
                task_model(model, name), own.rows, own.samples, dtype=dtype, on_progress=tell
            )
            before += len(own.rows)
        return said

    def baseline(self, rows: Sequence[Example], samples: Sequence[Sample]) -> dict[str, Any]:
        """Return what the baseline of each task says."""
        return {
            name: self._evaluators[name].baseline(own.rows, own.samples)
            for name, own in self._divide(rows, samples).items()
        }

    def measures(
        self, predictions: Mapping[str, Any], rows: Sequence[Example], samples: Sequence[Sample]
    ) -> list[Measure]:
        """Return the loss of all tasks, each by its rows, and then the metrics of each task."""
        divided = self._divide(rows, samples)
        found = {
            name: [
                replace(measure, samples=own.samples)
                for measure in self._evaluators[name].measures(predictions[name], own.rows, own.samples)
            ]
            for name, own in divided.items()
        }
        counts = [len(own.rows) for own in divided.values()]
        losses = [measures[0] for measures in found.values()]
        named = [
            replace(measure, name=f"{name}.{measure.name}", title=f"{name}: {measure.title}")
            for name, measures in found.items()
            for measure in measures
        ]
        return [_together(losses, counts), *named]

    def details(
        self,
        predictions: Mapping[str, Any],
        rows: Sequence[Example],
        samples: Sequence[Sample],
        intervals: Intervals,
    ) -> tuple[list[Table], dict[str, Any]]:
        """Return the tables and facts of each task."""
        tables: list[Table] = []
        facts = {}
        for name, own in self._divide(rows, samples).items():
            told, facts[name] = self._evaluators[name].details(
                predictions[name], own.rows, own.samples, intervals
            )
            tables += [replace(table, title=f"{name}: {table.title}") for table in told]
        return tables, facts

    def _divide(self, rows: Sequence[Example], samples: Sequence[Sample]) -> dict[str, _Own]:
        divided = {name: _Own([], []) for name in self._evaluators}
        for row in rows:
            divided[str(row.task)].rows.append(row)
        for sample in samples:
            divided[str(sample.task)].samples.append(sample)
        return divided


def _together(losses: Sequence[Measure], counts: Sequence[int]) -> Measure:
    """Return the mean of the tasks' losses by their encoded rows: the held-out loss of the loop.

    Each task's figures stand in columns of their own, so that a resample of rows changes each task's mean.
    """
    widths = [loss.figures_NK.shape[1] for loss in losses]
    figures_NK = np.zeros((sum(len(loss.figures_NK) for loss in losses), sum(widths)))
    first_row = first_column = 0
    for loss, width in zip(losses, widths, strict=True):
        last_row, last_column = first_row + len(loss.figures_NK), first_column + width
        figures_NK[first_row:last_row, first_column:last_column] = loss.figures_NK
        first_row, first_column = last_row, last_column
    shares = np.asarray(counts) / sum(counts)

    def statistic(sums: Values) -> Values:
        parts = np.split(sums, np.cumsum(widths)[:-1], axis=-1)
        with np.errstate(invalid="ignore"):
            means = np.stack([loss.statistic(part) for loss, part in zip(losses, parts, strict=True)])
        # A resample may hold no row of a small task: the others then share its part.
        weights = np.where(np.isnan(means), 0.0, shares.reshape(-1, *([1] * (means.ndim - 1))))
        return np.asarray((np.nan_to_num(means) * weights).sum(axis=0) / weights.sum(axis=0))

    return Measure(
        "eval_loss",
        "Loss, all tasks by their rows (nats)",
        figures_NK,
        statistic,
        lower_is_better=True,
        samples=[sample for loss in losses for sample in loss.samples or ()],
    )
