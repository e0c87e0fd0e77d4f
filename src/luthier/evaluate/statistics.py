"""Confidence intervals and paired tests for metrics measured on the same rows.

References: B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap, 1993, chapters 13 (percentile
intervals) and 15 (permutation tests); P. Koehn, Statistical Significance Tests for Machine Translation
Evaluation, 2004 (paired resampling of rows).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

from luthier.data.annotation.rates import wilson_interval

Values = NDArray[np.float64]
Statistic = Callable[[Values, Values], Values]
"""From sums over resampled rows, base and tuned, to the figure of interest; element by element."""

_BLOCK = 250


@dataclass(frozen=True)
class Resampling:
    """How intervals are made.

    Args:
        samples: Resamples, or permutations.
        confidence: Coverage of the intervals, e.g. 0.95.
        seed: Of the draws.
    """

    samples: int
    confidence: float
    seed: int


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
    """Return the interval of ``sum(totals) / sum(counts)`` by resampling rows.

    Args:
        totals: Per row, e.g. summed loss, shape [rows].
        counts: Per row, e.g. tokens, shape [rows].
        how: Draws and coverage.
    """
    drawn = [t / c for t, c in _resampled(np.stack([totals, counts]), how)]
    return _metric_interval(
        float(totals.sum() / counts.sum()), np.concatenate(drawn), how.confidence, len(counts)
    )


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
    drawn = [statistic(b / c, t / c) for b, t, c in _resampled(np.stack([base, tuned, counts]), how)]
    both = np.array([base.sum()]) / counts.sum(), np.array([tuned.sum()]) / counts.sum()
    return _interval(float(statistic(*both)[0]), np.concatenate(drawn), how.confidence, len(counts))


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

    drawn = [measured(counts @ both_NK) for counts in _row_counts(len(base_NK), how)]
    base_S, tuned_S = (np.concatenate(values) for values in zip(*drawn, strict=True))
    base, tuned = (float(value) for value in measured(both_NK.sum(axis=0)))
    improvement = None
    if base:
        with np.errstate(divide="ignore", invalid="ignore"):
            gains = np.nan_to_num(
                sign * (base_S - tuned_S) / np.abs(base_S), nan=0.0, posinf=np.inf, neginf=-np.inf
            )
        improvement = _interval(sign * (base - tuned) / abs(base), gains, how.confidence, len(base_NK))
    return Compared(
        _metric_interval(base, base_S, how.confidence, len(base_NK)),
        _metric_interval(tuned, tuned_S, how.confidence, len(base_NK)),
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
    drawn_SM = np.concatenate(
        [statistic(counts @ figures_NK) for counts in _row_counts(len(figures_NK), how)]
    )
    tail = _tail(how.confidence, len(figures_NK))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all draws of a figure may be NaN
        low, high = (np.nanquantile(drawn_SM, q, axis=0) for q in (tail, 1.0 - tail))
    return statistic(figures_NK.sum(axis=0)), low, high


def _row_counts(num_rows: int, how: Resampling) -> Iterator[Values]:
    """Yield how often each row is drawn in a resample, in blocks [resamples, rows]."""
    generator = np.random.default_rng(how.seed)
    for start in range(0, how.samples, _BLOCK):
        size = min(_BLOCK, how.samples - start)
        yield generator.multinomial(num_rows, np.full(num_rows, 1.0 / num_rows), size=size).astype(np.float64)


def _swap_p_value(
    base_NK: Values,
    tuned_NK: Values,
    statistic: Callable[[Values], Values],
    observed: float,
    how: Resampling,
) -> float:
    """Return the p-value of the paired permutation test that swaps the two models' figures of each row by a coin."""
    generator = np.random.default_rng(how.seed)
    total_K, difference_NK = base_NK.sum(axis=0) + tuned_NK.sum(axis=0), base_NK - tuned_NK
    at_least = 0
    for start in range(0, how.samples, _BLOCK):
        signs = generator.choice([-1.0, 1.0], size=(min(_BLOCK, how.samples - start), len(base_NK)))
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
    generator = np.random.default_rng(how.seed)
    at_least = 0
    for start in range(0, how.samples, _BLOCK):
        signs = generator.choice([-1.0, 1.0], size=(min(_BLOCK, how.samples - start), len(differences)))
        at_least += int((np.abs(signs @ differences) >= observed).sum())
    return (at_least + 1) / (how.samples + 1)


def _resampled(rows_MN: Values, how: Resampling) -> list[Values]:
    """Return sums over resampled rows in blocks, so that memory does not grow with the samples."""
    generator = np.random.default_rng(how.seed)
    num_rows = rows_MN.shape[1]
    blocks = []
    for start in range(0, how.samples, _BLOCK):
        chosen = generator.integers(0, num_rows, size=(min(_BLOCK, how.samples - start), num_rows))
        blocks.append(rows_MN[:, chosen].sum(axis=2))
    return blocks


def _interval(value: float, drawn: Values, confidence: float, num_rows: int) -> Interval:
    tail = _tail(confidence, num_rows)
    # Draws themselves, the outer ones: between an infinite draw and its neighbour nothing can be interpolated.
    low = np.quantile(drawn, tail, method="lower")
    high = np.quantile(drawn, 1.0 - tail, method="higher")
    return Interval(value, float(low), float(high))


def _metric_interval(value: float, drawn: Values, confidence: float, num_rows: int) -> Interval:
    """Return the interval of a metric; one that is 0 or 1 on every row is not certain, however it is resampled."""
    found = _interval(value, drawn, confidence, num_rows)
    if found.low == found.high and value in (0.0, 1.0):
        return Interval(value, *wilson_interval(value * num_rows, num_rows, confidence))
    return found


def _tail(confidence: float, num_rows: int) -> float:
    """Return the share of draws beyond each end: less than half of what the confidence leaves, as Student's t asks.

    Plain percentiles are too short by the factor of t over the normal quantile, and by n / (n - 1) in the variance.

    Reference:
        T. Hesterberg, What Teachers Should Know About the Bootstrap, 2015, section 4.1: expanded percentile interval.
    """
    if num_rows < 2:
        return 0.0
    quantile = float(stdtrit(num_rows - 1, 0.5 + confidence / 2.0))
    return float(ndtr(-math.sqrt(num_rows / (num_rows - 1)) * quantile))
