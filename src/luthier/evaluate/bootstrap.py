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
_NO_LIMITS = (-math.inf, math.inf)
_ROUNDING = 1e-12
_NO_SPREAD = 1e-7
"""Of a figure's scale: a standard deviation below it is rounding, since it is a root of a difference of squares."""


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


def row_counts(
    num_rows: int, how: Resampling, *, stream: int = 0, most_rows: int | None = None
) -> Iterator[Values]:
    """Yield how often each row is drawn in a resample, in blocks [resamples, rows].

    Args:
        num_rows: That are drawn from, and that are drawn.
        how: Number of resamples and seed.
        stream: Of random numbers: several sets of rows are drawn apart.
        most_rows: Of the largest set that is drawn beside this one, so that all have blocks of one size.
    """
    generator = np.random.default_rng([how.seed, stream] if stream else how.seed)
    for size in _blocks(most_rows or num_rows, how):
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


def coin_signs(num_rows: int, how: Resampling) -> Iterator[Values]:
    """Yield -1 or 1 for each row, of equal chance, in blocks [permutations, rows]."""
    generator = np.random.default_rng(how.seed)
    for size in _blocks(num_rows, how):
        heads = generator.integers(0, 2, size=(size, num_rows), dtype=np.int8)
        yield (2 * heads - 1).astype(np.float64)


def are_few(num_rows: int, confidence: float) -> bool:
    """Whether rows are so few that the truth lies beyond all of them more often than the confidence allows.

    All rows are on one side of the population's median with a chance of 2 / 2^rows, so that no interval between the
    worst and the best row, such as that of any resampling, covers 95 % before there are 6 rows.
    """
    return bool(2.0 ** (1 - num_rows) > 1.0 - confidence)


def jackknife_error(figures_NK: Values, statistic: OfSums) -> Values:
    """Return the standard error of a function of sums by leaving out each row once; infinite for one row.

    Args:
        figures_NK: Figures of each row.
        statistic: From their sums [N, K] to figures [N] or [N, M].

    Returns:
        Of each figure, shape [] or [M]; NaN where a figure does not exist without some row.
    """
    num_rows = len(figures_NK)
    if num_rows < 2:
        return np.full(statistic(figures_NK).shape[1:], np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        without_one = statistic((figures_NK.sum(axis=0) - figures_NK) * (num_rows / (num_rows - 1)))
        spread = without_one - without_one.mean(axis=0)
        return np.asarray(np.sqrt((num_rows - 1) / num_rows * (spread**2).sum(axis=0)))


def ends_of_few(value: float, error: float, num_rows: int, confidence: float) -> tuple[float, float]:
    """Return the ends of Student's interval, which few rows have instead of a resampled one.

    It has no limits where rows do not tell how they differ: there is only one, or all say the same by chance.
    """
    if num_rows < 2 or not math.isfinite(error) or error <= _ROUNDING * max(abs(value), 1.0):
        return _NO_LIMITS
    reach = error * float(stdtrit(num_rows - 1, 0.5 + confidence / 2.0))
    return value - reach, value + reach


def percentiles(drawn: Values, confidence: float, num_rows: int) -> tuple[float, float]:
    """Return the ends of the expanded percentile interval.

    Draws themselves are taken, the outer ones: between an infinite draw and its neighbour nothing can be interpolated.
    One row says nothing about how rows differ, so that its interval has no limits.
    """
    if num_rows < 2:
        return _NO_LIMITS
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
    """Return the ends of the studentised bootstrap interval of a smooth figure that is a mean of what rows have.

    The distance of each draw from the estimate is told in its own standard error, by the delta method; the quantiles of
    these distances times the estimate's standard error, by the jackknife, are the interval. It ends where the worst and
    the best row are, beyond which no mean is (of few rows it may be: see `are_few`).

    Args:
        figures_NK: Figures of each row.
        statistic: From their sums to the figure; the scale of the sums must not matter, as in ratios.
        how: Draws, coverage and seed.

    Returns:
        None where the figure or its error does not exist in every draw, or where so few rows differ from the others
        that resamples without them, which know of no error, decide an end.
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
            scale = (np.abs(slope_SK) * np.sqrt(means[:, width:][:, upper[0] == upper[1]])).sum(axis=1)
            variance[variance * (num_rows - 1) <= (_NO_SPREAD * scale) ** 2] = 0.0
            away[np.abs(away) <= _ROUNDING * scale] = 0.0
            distances.append(away / np.sqrt(variance))
    error = float(jackknife_error(figures_NK, statistic))
    drawn = np.concatenate(distances)
    drawn[np.isnan(drawn)] = 0.0  # the same row over and over: neither away from the estimate nor uncertain
    if not math.isfinite(error):
        return None
    tail = (1.0 - how.confidence) / 2.0
    low, high = np.quantile(drawn, tail, method="lower"), np.quantile(drawn, 1.0 - tail, method="higher")
    if not (math.isfinite(low) and math.isfinite(high)):
        return None
    of_rows = statistic(figures_NK)
    known = np.append(of_rows[np.isfinite(of_rows)], value)
    least, most = float(known.min()), float(known.max())
    # Rounding must not part the estimate from its ends.
    return max(min(float(value - high * error), value), least), min(
        max(float(value - low * error), value), most
    )


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
