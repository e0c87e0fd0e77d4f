"""Confidence intervals and paired tests for metrics measured on the same rows.

References: B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap, 1993, chapters 13 (percentile
intervals) and 15 (permutation tests); P. Koehn, Statistical Significance Tests for Machine Translation
Evaluation, 2004 (paired resampling of rows).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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


def ratio_interval(totals: Values, counts: Values, how: Resampling) -> Interval:
    """Return the interval of ``sum(totals) / sum(counts)`` by resampling rows.

    Args:
        totals: Per row, e.g. summed loss, shape [rows].
        counts: Per row, e.g. tokens, shape [rows].
        how: Draws and coverage.
    """
    drawn = [t / c for t, c in _resampled(np.stack([totals, counts]), how)]
    return _interval(float(totals.sum() / counts.sum()), np.concatenate(drawn), how.confidence)


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
    return _interval(float(statistic(*both)[0]), np.concatenate(drawn), how.confidence)


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


def _interval(value: float, drawn: Values, confidence: float) -> Interval:
    tail = (1.0 - confidence) / 2.0
    # Draws themselves, the outer ones: between an infinite draw and its neighbour nothing can be interpolated.
    low = np.quantile(drawn, tail, method="lower")
    high = np.quantile(drawn, 1.0 - tail, method="higher")
    return Interval(value, float(low), float(high))
