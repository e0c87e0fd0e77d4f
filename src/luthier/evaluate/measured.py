"""Measures of a model on any rows, whether it predicts text or has a task's head; and rows to measure it on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from luthier.data.example import Example
from luthier.data.sample import Sample
from luthier.evaluate.clusters import Placed, clusters_of, figures_by_cluster
from luthier.evaluate.examination import HeldOut, Subject
from luthier.evaluate.loss import row_losses
from luthier.objectives.contract import Measure, Objective, Values

LOSS = "eval_loss"
_GOLDEN = 0.6180339887


def measures_of(model: Any, subject: Subject, held_out: HeldOut) -> list[Measure]:
    """Return the measures of a model on some rows, the loss first, without dropout and gradient.

    Rows that share a source are one line of the figures: one draw of every interval that is made of them.

    Args:
        model: As it is served.
        subject: Knows the objective and the type of the computation.
        held_out: The rows, at least one.
    """
    evaluator = subject.objective.evaluator
    if evaluator is not None:
        said = evaluator.predict(
            model, held_out.rows, held_out.samples, dtype=subject.dtype, on_progress=lambda done: None
        )
        measures = evaluator.measures(said, held_out.rows, held_out.samples)
        return [_by_source(each, each.samples or held_out.samples, held_out.samples) for each in measures]
    measure = loss_measure(model, subject.objective, held_out.rows, subject.dtype)
    return [_by_source(measure, held_out.rows, held_out.samples)]


def _by_source(measure: Measure, items: Sequence[Placed], samples: Sequence[Sample]) -> Measure:
    shared = clusters_of(items, samples)
    if shared is None:
        return measure
    return replace(measure, figures_NK=figures_by_cluster(measure.figures_NK, shared), samples=None)


def loss_measure(model: Any, objective: Objective, rows: Sequence[Example], dtype: torch.dtype) -> Measure:
    """Return the loss per supervised token of a language model, as figures of each row: nats, tokens."""
    losses = row_losses(model, objective, rows, dtype=dtype)
    figures_N2 = np.stack([losses.sums, losses.counts.astype(np.float64)], axis=1)
    return Measure(LOSS, "Loss per token (nats)", figures_N2, ratio, lower_is_better=True)


def ratio(sums: Values) -> Values:
    """Return first over second of sums [..., 2]."""
    return np.asarray(sums[..., 0] / sums[..., 1])


def spread(held_out: HeldOut, most: int, *, by_sample: bool) -> HeldOut:
    """Return at most so many rows, spread evenly.

    Args:
        held_out: All rows.
        most: How many.
        by_sample: Count samples and keep all examples of each, as tasks with a head need it; else count examples,
            which stand for themselves.
    """
    if by_sample:
        samples = held_out.samples
        return of_samples(held_out, [samples[number] for number in spread_numbers(len(samples), most)])
    rows = [held_out.rows[number] for number in spread_numbers(len(held_out.rows), most)]
    return HeldOut(rows, held_out.samples)


def of_samples(held_out: HeldOut, samples: Sequence[Sample]) -> HeldOut:
    """Return some of the samples with the examples that they became."""
    places = {(sample.source, sample.row) for sample in samples}
    return HeldOut([row for row in held_out.rows if (row.source, row.row) in places], samples)


def spread_numbers(total: int, most: int) -> list[int]:
    """Return at most so many numbers below ``total``, spread evenly, growing."""
    if total <= most:
        return list(range(total))
    return sorted(sorted(range(total), key=lambda number: (number * _GOLDEN) % 1.0)[:most])
