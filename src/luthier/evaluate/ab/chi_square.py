"""Pearson's chi-square: whether several variants differ in how often each outcome occurs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc


@dataclass(frozen=True)
class ChiSquare:
    """The statistic, its degrees of freedom and p-value."""

    statistic: float
    freedom: int
    p_value: float


def independence(counts_VC: ArrayLike) -> ChiSquare:
    """Return the test of independence of variants and outcomes, without continuity correction.

    Args:
        counts_VC: Units of each variant with each outcome.

    Raises:
        ValueError: A variant has no unit, or there are not two variants and two outcomes that occurred.
    """
    counts = np.asarray(counts_VC, dtype=np.float64)
    counts = counts[:, counts.sum(axis=0) > 0]
    if min(counts.shape) < 2 or (counts.sum(axis=1) == 0).any():
        raise ValueError("two variants with units, and two outcomes that occurred, are needed")
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    return _test(counts, expected, (counts.shape[0] - 1) * (counts.shape[1] - 1))


def goodness_of_fit(counts_V: ArrayLike, shares_V: ArrayLike) -> ChiSquare:
    """Return the test that counts follow given shares.

    Args:
        counts_V: Observed.
        shares_V: Expected; they are scaled to sum to 1.
    """
    counts, shares = np.asarray(counts_V, dtype=np.float64), np.asarray(shares_V, dtype=np.float64)
    return _test(counts, counts.sum() * shares / shares.sum(), len(counts) - 1)


def _test(observed: np.ndarray, expected: np.ndarray, freedom: int) -> ChiSquare:
    statistic = float(((observed - expected) ** 2 / expected).sum())
    return ChiSquare(statistic, freedom, float(chdtrc(freedom, statistic)))
