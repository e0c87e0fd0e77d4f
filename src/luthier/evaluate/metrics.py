"""Metrics of base and tuned model side by side, with intervals and a paired test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from luthier.core.errors import DataError
from luthier.evaluate.answer_metrics import ANSWER_METRICS, AnswerMetric
from luthier.evaluate.answers import Question, exact_match, rouge_l
from luthier.evaluate.loss import RowLosses
from luthier.evaluate.statistics import (
    Interval,
    Resampling,
    Values,
    compare_sums,
    paired_interval,
    paired_p_value,
    ratio_interval,
)


@dataclass(frozen=True)
class Comparison:
    """One metric of both models.

    Args:
        metric: ``eval_loss``, ``perplexity``, ``exact_match``, ``rouge_l``, or what the recipe calls it.
        lower_is_better: Direction.
        num_rows: Rows it was measured on.
        base: Of the base model, or of what the result is compared with; None where it stands alone.
        tuned: Of the result.
        improvement: Relative, positive is better: 0.1 is 10 % less loss or 10 % more score. None where the base is 0;
            its upper end is infinite where many resamples of the base score 0.
        p_value: Two-sided, of a paired permutation test over the rows; None where it stands alone.
        partner: What the result is compared with: ``base``, ``champion``, or ``baseline`` where the task has a head.
        title: For people; empty for the metrics of language models, which the report knows.
    """

    metric: str
    lower_is_better: bool
    num_rows: int
    base: Interval | None
    tuned: Interval
    improvement: Interval | None
    p_value: float | None
    partner: str = "base"
    title: str = ""


def alone(comparison: Comparison) -> Comparison:
    """Return a metric of a model that is compared with none."""
    return replace(comparison, base=None, improvement=None, p_value=None, partner="")


def compare_losses(base: RowLosses, tuned: RowLosses, how: Resampling) -> list[Comparison]:
    """Return loss and perplexity of both models on the same rows."""
    counts = base.counts.astype(np.float64)
    loss = _compare("eval_loss", base.sums, tuned.sums, counts, how, lower_is_better=True)
    perplexity = _compare(
        "perplexity", base.sums, tuned.sums, counts, how, lower_is_better=True, transform=np.exp
    )
    return [loss, perplexity]


def compare_answers(
    questions: Sequence[Question],
    base: Sequence[str],
    tuned: Sequence[str],
    metrics: Sequence[str],
    how: Resampling,
) -> list[Comparison]:
    """Return the asked answer metrics: ``exact_match``, ``rouge``, and those of `ANSWER_METRICS`."""
    score_of = {"exact_match": ("exact_match", exact_match), "rouge": ("rouge_l", rouge_l)}
    comparisons = []
    for name in (name for name in metrics if name in score_of):
        label, score = score_of[name]
        of_base, of_tuned = (
            np.array(
                [score(answer, question.reference) for answer, question in zip(given, questions, strict=True)]
            )
            for given in (base, tuned)
        )
        counts = np.ones(len(questions))
        comparisons.append(_compare(label, of_base, of_tuned, counts, how, lower_is_better=False))
    references = [question.reference for question in questions]
    for name in (name for name in metrics if name in ANSWER_METRICS):
        comparisons.append(_compare_texts(name, ANSWER_METRICS[name], base, tuned, references, how))
    return comparisons


def compare_byte_perplexity(
    base: RowLosses, tuned: RowLosses, bytes_N: Values, how: Resampling
) -> Comparison:
    """Return the perplexity per byte of both models on the same rows.

    Args:
        base: Losses of one model.
        tuned: Losses of the other.
        bytes_N: Of the predicted text of each row.
        how: Draws and coverage.

    Raises:
        DataError: The predicted tokens spell no text.
    """
    if not bytes_N.sum():
        raise DataError(
            "the held-out rows predict no text", cure="leave byte_perplexity out of evaluate.metrics"
        )
    found = _compare(
        "byte_perplexity", base.sums, tuned.sums, bytes_N, how, lower_is_better=True, transform=np.exp
    )
    return replace(found, title="Perplexity per byte")


def _compare_texts(
    name: str,
    metric: AnswerMetric,
    base: Sequence[str],
    tuned: Sequence[str],
    references: Sequence[str],
    how: Resampling,
) -> Comparison:
    of_base, of_tuned = (
        metric.figures([answer.strip() for answer in answers], references) for answers in (base, tuned)
    )
    found = compare_sums(of_base, of_tuned, metric.statistic, how, lower_is_better=metric.lower_is_better)
    return Comparison(
        metric=name,
        lower_is_better=metric.lower_is_better,
        num_rows=len(references),
        title=metric.title,
        **vars(found),
    )


def _compare(
    metric: str,
    base: Values,
    tuned: Values,
    counts: Values,
    how: Resampling,
    *,
    lower_is_better: bool,
    transform: Callable[[Values], Values] = lambda values: values,
) -> Comparison:
    sign = 1.0 if lower_is_better else -1.0

    def improvement(b: Values, t: Values) -> Values:
        b, t = transform(b), transform(t)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.nan_to_num(sign * (b - t) / b, nan=0.0, posinf=np.inf, neginf=-np.inf))

    has_ratio = bool(base.sum() > 0)
    return Comparison(
        metric=metric,
        lower_is_better=lower_is_better,
        num_rows=len(counts),
        base=_transformed(ratio_interval(base, counts, how), transform),
        tuned=_transformed(ratio_interval(tuned, counts, how), transform),
        improvement=paired_interval(base, tuned, counts, improvement, how) if has_ratio else None,
        p_value=paired_p_value(base, tuned, how),
    )


def _transformed(interval: Interval, transform: Callable[[Values], Values]) -> Interval:
    """Return the interval of a growing function: its ends go through the function."""
    return Interval(
        *(float(transform(np.array(end))) for end in (interval.value, interval.low, interval.high))
    )
