"""Confidence intervals and paired tests for metrics measured on the same rows.

References: P. Koehn, Statistical Significance Tests for Machine Translation Evaluation, 2004 (paired resampling of
rows); B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 15 (permutation tests); the
intervals themselves: `luthier.evaluate.bootstrap`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from luthier.data.annotation.rates import wilson_interval
from luthier.evaluate.bootstrap import (
    Resampling,
    Values,
    are_few,
    coin_signs,
    ends_of_few,
    expanded_tail,
    jackknife_error,
    percentiles,
    row_counts,
    row_counts_with_unseen,
    studentised,
)

Statistic = Callable[[Values, Values], Values]
"""From sums over resampled rows, base and tuned, to the figure of interest; element by element."""

_EVERY_OUTCOME = np.array([(1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0)])
"""Of a row on which two models are right or wrong."""


@dataclass(frozen=True)
class Interval:
    """An estimate and its confidence interval."""

    value: float
    low: float
    high: float

    def shown(self, form: str) -> str:
        """Return the estimate with its ends for people, each number in a format such as ``.1%``."""
        return f"{self.value:{form}} ({self.low:{form}} to {self.high:{form}})"


def ratio_interval(totals: Values, counts: Values, how: Resampling) -> Interval:
    """Return the interval of ``sum(totals) / sum(counts)``: Wilson's of a share of rows, else by resampling rows.

    Args:
        totals: Per row, e.g. summed loss, shape [rows].
        counts: Per row, e.g. tokens, shape [rows].
        how: Draws and coverage.
    """
    value, num_rows = float(totals.sum() / counts.sum()), len(counts)
    if _is_share(totals, counts) or (value in (0.0, 1.0) and np.array_equal(totals, value * counts)):
        return Interval(value, *wilson_interval(value * num_rows, num_rows, how.confidence))
    return _resampled(value, np.stack([totals, counts], axis=1), _ratio, how, is_mean=True)


def paired_interval(
    base: Values, tuned: Values, counts: Values, statistic: Statistic, how: Resampling
) -> Interval:
    """Return the interval of a comparison of two models, resampling the rows of both together.

    Args:
        base: Per row, of the base, shape [rows].
        tuned: Per row, of the tuned model, shape [rows].
        counts: Per row, what both are divided by, shape [rows].
        statistic: From the two ratios to the figure.
        how: Draws and coverage.
    """
    figures_NK = np.stack([base, tuned, counts], axis=1)
    num_rows = len(counts)

    def compared(sums: Values) -> Values:
        return statistic(sums[..., 0] / sums[..., 2], sums[..., 1] / sums[..., 2])

    value = float(compared(figures_NK.sum(axis=0)[None])[0])
    is_share = _is_share(base, counts) and _is_share(tuned, counts)
    if not is_share:
        is_mean = bool((base > 0).all() and (tuned > 0).all())
        return _resampled(value, figures_NK, compared, how, is_mean=is_mean)
    figures_NK = np.concatenate([figures_NK, np.insert(_EVERY_OUTCOME, 2, 1.0, axis=1)])
    draws = row_counts_with_unseen(num_rows, len(_EVERY_OUTCOME), how)
    drawn = [compared(counts_SN @ figures_NK) for counts_SN in draws]
    return Interval(value, *percentiles(np.concatenate(drawn), how.confidence, num_rows))


def _ratio(sums: Values) -> Values:
    with np.errstate(invalid="ignore"):  # nothing by nothing: no answer has two words
        found: Values = sums[..., 0] / sums[..., 1]
    return found


def _is_share(totals: Values, counts: Values) -> bool:
    """Whether every row is either counted or not."""
    return bool((counts == 1).all() and np.isin(totals, (0.0, 1.0)).all())


def _resampled(
    value: float,
    figures_NK: Values,
    statistic: Callable[[Values], Values],
    how: Resampling,
    *,
    is_mean: bool,
    drawn: Values | None = None,
) -> Interval:
    """Return the interval of a function of sums over rows: Student's of few rows, else studentised or percentiles.

    Args:
        value: Of all rows.
        figures_NK: Figures of each row.
        statistic: From their sums [..., K] to the figure [...].
        how: Draws, coverage and seed.
        is_mean: Whether it is a smooth, weighted mean of what the rows have, which the studentised bootstrap covers.
        drawn: The figure of each resample, if that is known.
    """
    num_rows = len(figures_NK)
    if are_few(num_rows, how.confidence):
        error = float(jackknife_error(figures_NK, statistic))
        return Interval(value, *ends_of_few(value, error, num_rows, how.confidence))
    ends = studentised(figures_NK, statistic, how) if is_mean else None
    if ends is not None:
        return Interval(value, *ends)
    if drawn is None:
        drawn = np.concatenate([statistic(counts_SN @ figures_NK) for counts_SN in row_counts(num_rows, how)])
    return Interval(value, *percentiles(drawn, how.confidence, num_rows))


@dataclass(frozen=True)
class Compared:
    """One metric of two models on the same rows.

    Args:
        base: Of the one that is compared with.
        tuned: Of the other.
        improvement: Relative, positive is better; None where the base's metric is 0.
        p_value: Two-sided, of a paired permutation test.
    """

    base: Interval
    tuned: Interval
    improvement: Interval | None
    p_value: float


def compare_sums(
    base_NK: Values,
    tuned_NK: Values,
    statistic: Callable[[Values], Values],
    how: Resampling,
    *,
    lower_is_better: bool,
) -> Compared:
    """Compare a metric that is any function of sums over rows, such as macro F1, by resampling rows.

    Args:
        base_NK: Figures of each row, of one model, shape [rows, K].
        tuned_NK: Likewise of the other.
        statistic: From sums, shape [..., K], to the metric, shape [...].
        how: Draws, coverage and seed.
        lower_is_better: Direction of the metric.
    """
    sign = 1.0 if lower_is_better else -1.0
    both_NK = np.concatenate([base_NK, tuned_NK], axis=1)
    width = base_NK.shape[1]

    def measured(sums: Values) -> tuple[Values, Values]:
        return statistic(sums[..., :width]), statistic(sums[..., width:])

    num_rows = len(base_NK)
    draws = row_counts(num_rows, how)
    drawn_NK, is_share = both_NK, width == 2 and all(_is_share(*one.T) for one in (base_NK, tuned_NK))
    if is_share:
        unseen = np.insert(_EVERY_OUTCOME, (1, 2), 1.0, axis=1)
        drawn_NK, draws = np.concatenate([both_NK, unseen]), row_counts_with_unseen(num_rows, 4, how)
    base_S, tuned_S = (
        np.concatenate(values)
        for values in zip(*(measured(counts @ drawn_NK) for counts in draws), strict=True)
    )
    base, tuned = (float(value) for value in measured(both_NK.sum(axis=0)))

    def gains(before: Values, after: Values) -> Values:
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = sign * (before - after) / np.abs(before)
        return np.asarray(np.nan_to_num(relative, nan=0.0, posinf=np.inf, neginf=-np.inf))

    improvement = None
    if base:
        value, drawn = sign * (base - tuned) / abs(base), gains(base_S, tuned_S)
        if is_share:
            improvement = Interval(value, *percentiles(drawn, how.confidence, num_rows))
        else:
            # With other counts the gain is no mean of the rows' gains.
            is_mean = width == 2 and np.array_equal(base_NK[:, 1], tuned_NK[:, 1]) and (both_NK > 0).all()
            improvement = _resampled(
                value, both_NK, lambda sums: gains(*measured(sums)), how, is_mean=bool(is_mean), drawn=drawn
            )
    return Compared(
        _metric_interval(base, base_S, base_NK, statistic, how),
        _metric_interval(tuned, tuned_S, tuned_NK, statistic, how),
        improvement,
        _swap_p_value(base_NK, tuned_NK, statistic, abs(base - tuned), how),
    )


def sums_intervals(
    figures_NK: Values, statistic: Callable[[Values], Values], how: Resampling
) -> tuple[Values, Values, Values]:
    """Return values, lower and upper ends [M] of figures that are functions of sums over rows.

    A draw in which a figure does not exist (NaN), such as the recall of a class that was not drawn, is left out.

    Args:
        figures_NK: Figures of each row.
        statistic: From sums [..., K] to [..., M].
        how: Draws, coverage and seed.
    """
    if are_few(len(figures_NK), how.confidence):
        value_M, error_M = statistic(figures_NK.sum(axis=0)), jackknife_error(figures_NK, statistic)
        ends_M2 = [_ends_of_few(v, e, len(figures_NK), how) for v, e in zip(value_M, error_M, strict=True)]
        return value_M, *np.array(ends_M2, dtype=np.float64).reshape(-1, 2).T
    drawn_SM = np.concatenate([statistic(counts @ figures_NK) for counts in row_counts(len(figures_NK), how)])
    tail = expanded_tail(how.confidence, len(figures_NK))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all draws of a figure may be NaN
        low, high = (np.nanquantile(drawn_SM, q, axis=0) for q in (tail, 1.0 - tail))
    return statistic(figures_NK.sum(axis=0)), low, high


def _ends_of_few(value: float, error: float, num_rows: int, how: Resampling) -> tuple[float, float]:
    if np.isnan(value):
        return value, value
    if value in (0.0, 1.0) and not 0.0 < error < np.inf:
        known = 1 if error else num_rows  # without the only row that has it the figure does not exist
        return wilson_interval(value * known, known, how.confidence)
    return ends_of_few(value, error, num_rows, how.confidence)


def _swap_p_value(
    base_NK: Values,
    tuned_NK: Values,
    statistic: Callable[[Values], Values],
    observed: float,
    how: Resampling,
) -> float:
    """Return the p-value of the paired permutation test that swaps the two models' figures of each row by a coin."""
    total_K, difference_NK = base_NK.sum(axis=0) + tuned_NK.sum(axis=0), base_NK - tuned_NK
    at_least = 0
    for signs in coin_signs(len(base_NK), how):
        swung = signs @ difference_NK
        found = np.abs(statistic((total_K + swung) / 2) - statistic((total_K - swung) / 2))
        at_least += int((found >= observed - 1e-12 * max(observed, 1.0)).sum())
    return (at_least + 1) / (how.samples + 1)


def paired_p_value(base: Values, tuned: Values, how: Resampling) -> float:
    """Return the two-sided p-value of a paired sign-flip permutation test.

    Under the null hypothesis base and tuned model are exchangeable on every row, so the sign of each
    difference is a coin's. The observed arrangement counts as one of the permutations: p is never 0.

    Args:
        base: Per row, shape [rows].
        tuned: Per row, shape [rows].
        how: Permutations that are drawn, and their seed.
    """
    differences = base - tuned
    # Rounding must not turn an equal sum into a smaller one, and it grows with the terms, not with their sum.
    observed = abs(differences.sum()) - 1e-12 * np.abs(differences).sum()
    at_least = 0
    for signs in coin_signs(len(differences), how):
        at_least += int((np.abs(signs @ differences) >= observed).sum())
    return (at_least + 1) / (how.samples + 1)


def _metric_interval(
    value: float,
    drawn: Values,
    figures_NK: Values,
    statistic: Callable[[Values], Values],
    how: Resampling,
) -> Interval:
    """Return the interval of a metric; one that is 0 or 1 on every row is not certain, however it is resampled."""
    num_rows = len(figures_NK)
    is_ratio = figures_NK.shape[1] == 2 and value == _ratio(figures_NK.sum(axis=0))
    if is_ratio and _is_share(*figures_NK.T):
        return Interval(value, *wilson_interval(value * num_rows, num_rows, how.confidence))
    low, high = percentiles(drawn, how.confidence, num_rows)
    if low == high and value in (0.0, 1.0):
        return Interval(value, *wilson_interval(value * num_rows, num_rows, how.confidence))
    is_mean = is_ratio and bool((figures_NK > 0).all())
    return _resampled(value, figures_NK, statistic, how, is_mean=is_mean, drawn=drawn)
