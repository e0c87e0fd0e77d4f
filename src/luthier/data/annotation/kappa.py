"""Agreement beyond chance of two raters (Cohen) and of many (Fleiss, Randolph)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
Weights = Literal["none", "linear", "quadratic"]


@dataclass(frozen=True)
class CohenKappa:
    """Cohen's kappa with its large-sample errors; NaN where both raters know one label only.

    Args:
        value: 1 for perfect agreement, 0 for that of chance.
        standard_error: Of the estimate.
        null_standard_error: If the raters were independent.
    """

    value: float
    standard_error: float
    null_standard_error: float

    @property
    def z(self) -> float:
        """Distance from chance in standard errors."""
        return self.value / self.null_standard_error if self.null_standard_error else math.nan

    @property
    def p_value(self) -> float:
        """Two-sided, against independent raters."""
        return math.erfc(abs(self.z) / math.sqrt(2))


def label_distances(positions_L: ArrayLike, weights: Weights) -> FloatArray:
    """Return how far labels lie apart, from 0 to 1.

    Args:
        positions_L: Of the labels on their scale.
        weights: ``none``: all different labels are equally far.
    """
    positions = np.asarray(positions_L, dtype=np.float64)
    if weights == "none":
        return 1.0 - np.eye(len(positions))
    distances_LL = np.abs(positions[:, None] - positions[None, :])
    if weights == "quadratic":
        distances_LL = distances_LL**2
    largest = max(float(distances_LL.max()), np.finfo(float).tiny)
    scaled_LL: FloatArray = distances_LL / largest
    return scaled_LL


def cohen_kappa(confusion_LL: ArrayLike, distances_LL: FloatArray | None = None) -> CohenKappa:
    """Return the agreement of two raters.

    Args:
        confusion_LL: How often the first rater gave the label of the line and the second that of the column.
        distances_LL: From `label_distances`; by default all different labels are equally far.

    Reference: Fleiss, Cohen and Everitt (1969), Large sample standard errors of kappa and weighted kappa.
    """
    confusion = np.asarray(confusion_LL, dtype=np.float64)
    total = confusion.sum()
    distances = label_distances(range(len(confusion)), "none") if distances_LL is None else distances_LL
    if not total:
        return CohenKappa(math.nan, math.nan, math.nan)
    weights_LL = 1.0 - distances
    shares_LL = confusion / total
    first_L, second_L = shares_LL.sum(axis=1), shares_LL.sum(axis=0)
    by_chance_LL = np.outer(first_L, second_L)
    observed, expected = float((weights_LL * shares_LL).sum()), float((weights_LL * by_chance_LL).sum())
    if math.isclose(expected, 1.0):
        return CohenKappa(math.nan, math.nan, math.nan)
    mean_LL = (weights_LL @ second_L)[:, None] + (first_L @ weights_LL)[None, :]
    spread = (shares_LL * (weights_LL * (1 - expected) - mean_LL * (1 - observed)) ** 2).sum()
    variance = (spread - (observed * expected - 2 * expected + observed) ** 2) / (1 - expected) ** 4
    null_variance = ((by_chance_LL * (weights_LL - mean_LL) ** 2).sum() - expected**2) / (1 - expected) ** 2
    return CohenKappa(
        value=(observed - expected) / (1 - expected),
        standard_error=math.sqrt(max(variance, 0.0) / total),
        null_standard_error=math.sqrt(max(null_variance, 0.0) / total),
    )


def fleiss_kappa(counts_NL: ArrayLike, weights_N: ArrayLike | None = None) -> float:
    """Return the agreement of the same number of raters on every row; NaN where one label only is used.

    Args:
        counts_NL: How many raters gave each label.
        weights_N: How often each row counts.

    Raises:
        ValueError: Rows differ in their number of raters, or it is below two.

    Reference: Fleiss (1971), Measuring nominal scale agreement among many raters.
    """
    counts, weights = _checked(counts_NL, weights_N)
    shares_L = weights @ counts / (weights @ counts).sum()
    return _beyond(observed_agreement(counts, weights), float((shares_L**2).sum()))


def randolph_kappa(counts_NL: ArrayLike, weights_N: ArrayLike | None = None) -> float:
    """Return the agreement of many raters where chance means that all labels are equally likely.

    Reference: Randolph (2005), Free-marginal multirater kappa.
    """
    counts, weights = _checked(counts_NL, weights_N)
    return _beyond(observed_agreement(counts, weights), 1.0 / counts.shape[1])


def observed_agreement(counts_NL: ArrayLike, weights_N: ArrayLike | None = None) -> float:
    """Return the share of pairs of raters that agree, averaged over the rows.

    Args:
        counts_NL: How many raters gave each label; at least two a row.
        weights_N: How often each row counts.
    """
    counts = np.asarray(counts_NL, dtype=np.float64)
    weights = np.ones(len(counts)) if weights_N is None else np.asarray(weights_N, dtype=np.float64)
    raters_N = counts.sum(axis=1)
    agreeing_N = ((counts**2).sum(axis=1) - raters_N) / (raters_N * (raters_N - 1))
    return float(weights @ agreeing_N / weights.sum())


def _checked(counts_NL: ArrayLike, weights_N: ArrayLike | None) -> tuple[FloatArray, FloatArray]:
    counts = np.asarray(counts_NL, dtype=np.float64)
    if counts.ndim != 2 or not len(counts):
        raise ValueError("counts of labels need rows and labels")
    raters_N = counts.sum(axis=1)
    if not np.allclose(raters_N, raters_N[0]) or raters_N[0] < 2:
        raise ValueError("every row needs the same number of raters, two at least")
    return counts, np.ones(len(counts)) if weights_N is None else np.asarray(weights_N, dtype=np.float64)


def _beyond(observed: float, expected: float) -> float:
    return math.nan if math.isclose(expected, 1.0) else (observed - expected) / (1 - expected)
