"""Krippendorff's alpha: agreement of any number of raters, with missing ratings, on four kinds of scale."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
Level = Literal["nominal", "ordinal", "interval", "ratio"]


def krippendorff_alpha(
    counts_NL: ArrayLike, values_L: ArrayLike, level: Level, weights_N: ArrayLike | None = None
) -> float:
    """Return alpha: 1 for perfect agreement, 0 for that of chance; NaN where one value only is used.

    Rows with fewer than two ratings say nothing about agreement and do not count.

    Args:
        counts_NL: How many raters gave each value.
        values_L: The values: their order matters to ``ordinal``, their size to ``interval`` and ``ratio``.
        level: Scale of the values.
        weights_N: How often each row counts.

    Reference: Krippendorff (2011), Computing Krippendorff's alpha-reliability.
    """
    counts = np.asarray(counts_NL, dtype=np.float64)
    weights = np.ones(len(counts)) if weights_N is None else np.asarray(weights_N, dtype=np.float64)
    raters_N = counts.sum(axis=1)
    is_paired_N = raters_N > 1
    counts, share_N = counts[is_paired_N], weights[is_paired_N] / (raters_N[is_paired_N] - 1)
    coincidences_LL = counts.T @ (counts * share_N[:, None])
    coincidences_LL -= np.diag(share_N @ counts)
    totals_L = coincidences_LL.sum(axis=1)
    total = float(totals_L.sum())
    if total <= 1:
        return math.nan
    distances_LL = _distances(totals_L, np.asarray(values_L, dtype=np.float64), level)
    observed = float((coincidences_LL * distances_LL).sum()) / total
    expected = float(totals_L @ distances_LL @ totals_L) / (total * (total - 1))
    return 1.0 - observed / expected if expected else math.nan


def _distances(totals_L: FloatArray, values_L: FloatArray, level: Level) -> FloatArray:
    """Return the squared difference of each two values."""
    if level == "nominal":
        return 1.0 - np.eye(len(values_L))
    if level == "ordinal":  # how many ratings lie between two values, half of their own included
        middle_L = np.cumsum(totals_L) - totals_L / 2
        return (middle_L[:, None] - middle_L[None, :]) ** 2
    differences_LL = values_L[:, None] - values_L[None, :]
    if level == "interval":
        return differences_LL**2
    sums_LL = values_L[:, None] + values_L[None, :]
    return np.divide(differences_LL, sums_LL, out=np.zeros_like(sums_LL), where=sums_LL != 0) ** 2
