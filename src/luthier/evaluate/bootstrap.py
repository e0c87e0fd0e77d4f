"""Resampled rows, and the intervals that follow from them: expanded percentiles, and the studentised bootstrap.

Which one is used where was decided by the coverage that they were seen to have (docs/evaluation.md): percentiles for
differences of scores, which are bounded and often 0, and studentised ones for means, and for comparisons of figures
that are positive on every row, such as losses, whose skew makes percentiles cover too little.

References: B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap, 1993, chapters 12 (studentised, called
bootstrap-t) and 13 (percentiles); T. Hesterberg, What Teachers Should Know About the Bootstrap, 2015, section 4.1
(expanded percentiles); P. Hall, The Bootstrap and Edgeworth Expansion, 1992 (studentised intervals answer for skew); A.
Agresti and Y. Min, Simple Improved Confidence Intervals for Comparing Matched Proportions, 2005 (unseen rows).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

Values = NDArray[np.float64]
OfSums = Callable[[Values], Values]
"""From sums over rows, shape [S, K], to a figure [S]."""

_CELLS = 250 * 5000
"""Of a block of resamples by rows, so that memory does not grow with either."""
_STEP = 1e-5
_UNSEEN_WEIGHT = 0.25


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


def row_counts(num_rows: int, how: Resampling) -> Iterator[Values]:
    """Yield how often each row is drawn in a resample, in blocks [resamples, rows]."""
    generator = np.random.default_rng(how.seed)
    for size in _blocks(num_rows, how):
        drawn = generator.integers(0, num_rows, size=(size, num_rows))
        drawn += np.arange(size)[:, None] * num_rows
        counts = np.bincount(drawn.ravel(), minlength=size * num_rows)
        yield counts.reshape(size, num_rows).astype(np.float64)


def row_counts_with_unseen(num_rows: int, num_unseen: int, how: Resampling) -> Iterator[Values]:
    """Yield likewise [resamples, rows + unseen], where a quarter of a row stands for each that might have been seen."""
    generator = np.random.default_rng(how.seed)
    weights = np.concatenate([np.ones(num_rows), np.full(num_unseen, _UNSEEN_WEIGHT)])
    for size in _blocks(num_rows + num_unseen, how):
        yield generator.multinomial(num_rows, weights / weights.sum(), size=size).astype(np.float64)


def percentiles(drawn: Values, confidence: float, num_rows: int) -> tuple[float, float]:
    """Return the ends of the expanded percentile interval.

    Draws themselves are taken, the outer ones: between an infinite draw and its neighbour nothing can be interpolated.
    One row says nothing about how rows differ, so that its interval has no limits.
    """
    if num_rows < 2:
        return -math.inf, math.inf
    tail = expanded_tail(confidence, num_rows)
    low = np.quantile(drawn, tail, method="lower")
    return float(low), float(np.quantile(drawn, 1.0 - tail, method="higher"))


def expanded_tail(confidence: float, num_rows: int) -> float:
    """Return the share of draws beyond each end: less than half of what the confidence leaves, as Student's t asks.

    Plain percentiles are too short by the factor of t over the normal quantile, and by n / (n - 1) in the variance.
    """
    if num_rows < 2:
        return 0.0
    quantile = float(stdtrit(num_rows - 1, 0.5 + confidence / 2.0))
    return float(ndtr(-math.sqrt(num_rows / (num_rows - 1)) * quantile))


def studentised(figures_NK: Values, statistic: OfSums, how: Resampling) -> tuple[float, float] | None:
    """Return the ends of the studentised bootstrap interval of a smooth figure.

    The distance of each draw from the estimate is told in its own standard error, by the delta method; the quantiles of
    these distances times the estimate's standard error, by the jackknife, are the interval.

    Args:
        figures_NK: Figures of each row.
        statistic: From their sums to the figure; the scale of the sums must not matter, as in ratios.
        how: Draws, coverage and seed.

    Returns:
        None where the figure or its error does not exist in every draw.
    """
    num_rows, width = figures_NK.shape
    if num_rows < 2:
        return None
    upper = np.triu_indices(width)
    with_products = np.concatenate([figures_NK, figures_NK[:, upper[0]] * figures_NK[:, upper[1]]], axis=1)
    value = float(statistic(figures_NK.mean(axis=0)[None])[0])
    distances = []
    with np.errstate(divide="ignore", invalid="ignore"):
        for counts in row_counts(num_rows, how):
            means = counts @ with_products / num_rows
            means_SK = means[:, :width]
            covariance = np.empty((len(means), width, width))
            covariance[:, upper[0], upper[1]] = covariance[:, upper[1], upper[0]] = means[:, width:]
            covariance -= means_SK[:, :, None] * means_SK[:, None, :]
            slope_SK = _gradient(statistic, means_SK)
            variance = np.einsum("si,sij,sj->s", slope_SK, covariance, slope_SK) / (num_rows - 1)
            away = statistic(means_SK) - value
            distances.append(away / np.sqrt(np.maximum(variance, 0.0)))
        without_one = statistic((figures_NK.sum(axis=0) - figures_NK) / (num_rows - 1))
    spread = without_one - without_one.mean()
    error = math.sqrt((num_rows - 1) / num_rows * float(spread @ spread))
    drawn = np.concatenate(distances)
    drawn[np.isnan(drawn)] = 0.0  # the same row over and over: neither away from the estimate nor uncertain
    if not math.isfinite(error):
        return None
    tail = (1.0 - how.confidence) / 2.0
    low, high = np.quantile(drawn, tail, method="lower"), np.quantile(drawn, 1.0 - tail, method="higher")
    if not error:
        return value, value
    return float(value - high * error), float(value - low * error)


def _gradient(statistic: OfSums, means_SK: Values) -> Values:
    slope_SK = np.empty_like(means_SK)
    for column in range(means_SK.shape[1]):
        step = _STEP * np.maximum(np.abs(means_SK[:, column]), 1e-12)
        above, below = means_SK.copy(), means_SK.copy()
        above[:, column] += step
        below[:, column] -= step
        slope_SK[:, column] = (statistic(above) - statistic(below)) / (2 * step)
    return slope_SK


def _blocks(num_columns: int, how: Resampling) -> Iterator[int]:
    most = max(1, _CELLS // num_columns)
    for start in range(0, how.samples, most):
        yield min(most, how.samples - start)
