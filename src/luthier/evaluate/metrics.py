"""Metrics of base and tuned model side by side, with intervals and a paired test."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from luthier.core.errors import DataError
from luthier.evaluate.answer_metrics import ANSWER_METRICS
from luthier.evaluate.answers import Question, exact_match, rouge_l
from luthier.evaluate.clusters import figures_by_cluster, sum_by_cluster
from luthier.evaluate.effect_size import EffectSize, paired_d
from luthier.evaluate.loss import RowLosses
from luthier.evaluate.multiple_tests import holm
from luthier.evaluate.statistics import (
    Interval,
    Resampling,
    Values,
    compare_sums,
    paired_interval,
    paired_p_value,
    ratio_interval,
)

Clusters = Sequence[object] | None
"""What each row shares with others, one a row; None where rows stand alone."""


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
        p_adjusted: The same, corrected by Holm for all metrics of the report.
        effect: How large the difference is beside how much it varies from row to row, positive is better; None where
            rows have no value of their own, as with macro F1.
        is_distance: Whether it is one from 0, of which no relative improvement is told.
        signature: How exactly it was computed, as sacrebleu says it; empty for other metrics.
        num_clusters: What was resampled where rows share a source; None where that is the rows.
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
    p_adjusted: float | None = None
    effect: EffectSize | None = None
    num_clusters: int | None = None
    is_distance: bool = False
    signature: str = ""


_OF_LOSSES = ("eval_loss", "perplexity", "byte_perplexity")
"""One test by three names: each grows with the same sums."""


def with_adjusted_tests(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Return the comparisons with p-values that hold for all of them together."""

    def test_of(comparison: Comparison) -> str:
        task, _, kind = comparison.metric.rpartition(".")
        return f"{task}.loss" if kind in _OF_LOSSES else comparison.metric

    p_values = {test_of(each): each.p_value for each in comparisons if each.p_value is not None}
    adjusted = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    return [
        each if each.p_value is None else replace(each, p_adjusted=float(adjusted[test_of(each)]))
        for each in comparisons
    ]


def of_distance(comparison: Comparison) -> Comparison:
    """Return a metric that is a distance from 0, such as the calibration error, with intervals that allow for its bias.

    Resamples are further from 0 than the sample, by about as much as the sample is further than the truth: the interval
    is mirrored at the value (basic bootstrap) and ends at 0. A relative improvement over what is nearly 0 says nothing.

    Reference: A. C. Davison and D. V. Hinkley, Bootstrap Methods and their Application, 1997, section 5.2.1.
    """

    def mirrored(found: Interval) -> Interval:
        value = found.value
        bias = max(0.0, (found.low + found.high) / 2 - value) if math.isfinite(found.low) else 0.0
        # Near 0 the value itself is nearly all bias: without it once more, a perfect model would seldom reach 0.
        low = max(0.0, 2 * value - found.high - bias)
        return Interval(value, low, max(value, 2 * value - found.low))

    base = None if comparison.base is None else mirrored(comparison.base)
    return replace(
        comparison, base=base, tuned=mirrored(comparison.tuned), improvement=None, is_distance=True
    )


def alone(comparison: Comparison) -> Comparison:
    """Return a metric of a model that is compared with none."""
    return replace(comparison, base=None, improvement=None, p_value=None, effect=None, partner="")


def compare_losses(
    base: RowLosses, tuned: RowLosses, how: Resampling, clusters: Clusters = None
) -> list[Comparison]:
    """Return loss and perplexity of both models on the same rows.

    Args:
        base: Losses of one model.
        tuned: Losses of the other.
        how: Draws and coverage.
        clusters: What each row shares with others.
    """
    figures = (base.sums, tuned.sums, base.counts.astype(np.float64))
    loss = _compare("eval_loss", *figures, how, clusters, lower_is_better=True)
    perplexity = _compare("perplexity", *figures, how, clusters, lower_is_better=True, transform=np.exp)
    return [loss, perplexity]


def compare_answers(
    questions: Sequence[Question],
    base: Sequence[str],
    tuned: Sequence[str],
    metrics: Sequence[str],
    how: Resampling,
    clusters: Clusters = None,
    *,
    encoder: str = "minilm",
) -> list[Comparison]:
    """Return the asked answer metrics: ``exact_match``, ``rouge``, and those of `ANSWER_METRICS`.

    Args:
        questions: What was asked.
        base: Answers of one model.
        tuned: Answers of the other.
        metrics: Of the recipe.
        how: Draws and coverage.
        clusters: What each question shares with others.
        encoder: Of bert_score.
    """
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
        comparisons.append(_compare(label, of_base, of_tuned, counts, how, clusters, lower_is_better=False))
    references = [question.reference for question in questions]
    for name in (name for name in metrics if name in ANSWER_METRICS):
        metric = ANSWER_METRICS[name]
        before, after = (
            metric.figures([answer.strip() for answer in given], references, encoder)
            for given in (base, tuned)
        )
        found = compare_figures(
            name,
            metric.title,
            before,
            after,
            metric.statistic,
            how,
            clusters,
            lower_is_better=metric.lower_is_better,
        )
        signature = metric.signature(tuned, references) if metric.signature else ""
        comparisons.append(replace(found, signature=signature))
    return comparisons


def compare_byte_perplexity(
    base: RowLosses, tuned: RowLosses, bytes_N: Values, how: Resampling, clusters: Clusters = None
) -> Comparison:
    """Return the perplexity per byte of both models on the same rows.

    Args:
        base: Losses of one model.
        tuned: Losses of the other.
        bytes_N: Of the predicted text of each row.
        how: Draws and coverage.
        clusters: What each row shares with others.

    Raises:
        DataError: The predicted tokens spell no text.
    """
    if not bytes_N.sum():
        raise DataError(
            "the held-out rows predict no text", cure="leave byte_perplexity out of evaluate.metrics"
        )
    figures = (base.sums, tuned.sums, bytes_N)
    found = _compare("byte_perplexity", *figures, how, clusters, lower_is_better=True, transform=np.exp)
    return replace(found, title="Perplexity per byte")


def compare_figures(
    name: str,
    title: str,
    base_NK: Values,
    tuned_NK: Values,
    statistic: Callable[[Values], Values],
    how: Resampling,
    clusters: Clusters = None,
    *,
    lower_is_better: bool,
) -> Comparison:
    """Return a metric that is a function of sums over rows.

    Args:
        name: As gates call it.
        title: For people.
        base_NK: Figures of each row, of one model.
        tuned_NK: Likewise of the other.
        statistic: From their sums [..., K] to the metric [...].
        how: Draws and coverage.
        clusters: What each row shares with others.
        lower_is_better: Direction.
    """
    num_rows, effect = len(base_NK), None
    if base_NK.shape[1] == 2:  # a ratio of sums, so that each row has a value
        effect = _effect(base_NK.T, tuned_NK.T, lower_is_better=lower_is_better)
    base_NK, tuned_NK = (figures_by_cluster(figures, clusters) for figures in (base_NK, tuned_NK))
    found = compare_sums(base_NK, tuned_NK, statistic, how, lower_is_better=lower_is_better)
    return Comparison(
        metric=name,
        lower_is_better=lower_is_better,
        num_rows=num_rows,
        title=title,
        effect=effect,
        num_clusters=None if clusters is None else len(base_NK),
        **vars(found),
    )


def _compare(
    metric: str,
    base: Values,
    tuned: Values,
    counts: Values,
    how: Resampling,
    clusters: Clusters,
    *,
    lower_is_better: bool,
    transform: Callable[[Values], Values] = lambda values: values,
) -> Comparison:
    sign, num_rows = 1.0 if lower_is_better else -1.0, len(counts)
    effect = _effect((base, counts), (tuned, counts), lower_is_better=lower_is_better)
    if clusters is not None:
        base, tuned, counts = sum_by_cluster(np.stack([base, tuned, counts]), clusters)

    def improvement(b: Values, t: Values) -> Values:
        b, t = transform(b), transform(t)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.nan_to_num(sign * (b - t) / b, nan=0.0, posinf=np.inf, neginf=-np.inf))

    has_ratio = bool(base.sum() > 0)
    return Comparison(
        metric=metric,
        lower_is_better=lower_is_better,
        num_rows=num_rows,
        effect=effect,
        num_clusters=None if clusters is None else len(counts),
        base=_transformed(ratio_interval(base, counts, how), transform),
        tuned=_transformed(ratio_interval(tuned, counts, how), transform),
        improvement=paired_interval(base, tuned, counts, improvement, how) if has_ratio else None,
        p_value=paired_p_value(base, tuned, how),
    )


def _effect(
    base_2N: Sequence[Values] | Values, tuned_2N: Sequence[Values] | Values, *, lower_is_better: bool
) -> EffectSize | None:
    """Return the effect size over rows of (total, count); None for fewer than two rows that have a value."""
    has_value_N = (base_2N[1] > 0) & (tuned_2N[1] > 0)
    if has_value_N.sum() < 2:
        return None
    base, tuned = (total[has_value_N] / count[has_value_N] for total, count in (base_2N, tuned_2N))
    return paired_d(base, tuned) if lower_is_better else paired_d(tuned, base)


def _transformed(interval: Interval, transform: Callable[[Values], Values]) -> Interval:
    """Return the interval of a growing function: its ends go through the function."""
    with np.errstate(over="ignore"):  # the upper end of few rows may be as good as none
        ends = (float(transform(np.array(end))) for end in (interval.value, interval.low, interval.high))
        return Interval(*ends)
