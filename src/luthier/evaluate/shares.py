"""Intervals of shares that stay honest where nothing, or everything, was found, and where attempts share a source."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from luthier.data.annotation.rates import wilson_interval
from luthier.evaluate.clusters import sum_by_cluster
from luthier.evaluate.statistics import Interval


def share_interval(
    hits_N: NDArray[np.bool_], confidence: float, clusters: Sequence[object] | None = None
) -> Interval:
    """Return a share of attempts with Wilson's interval over as many attempts as they are worth.

    Bootstrap draws of attempts that all failed never succeed, so a percentile interval would claim to know the
    share exactly; Wilson's does not. Attempts of one cluster are worth fewer: their number is divided by the design
    effect, the variance of the share by clusters over that of independent attempts. Where no attempt, or every one,
    succeeds, no effect can be seen, and a cluster counts as one.

    Args:
        hits_N: Whether each attempt succeeded; at least one.
        confidence: Coverage, e.g. 0.95.
        clusters: What attempts share, one an attempt; None where each stands by itself.

    Reference: E. L. Korn and B. I. Graubard, Confidence intervals for proportions with small expected number of
    positive counts estimated from survey data, 1998 (effective size); Wilson (1927).
    """
    size, share = float(len(hits_N)), float(hits_N.mean())
    if clusters is not None:
        size = _effective_size(hits_N, clusters)
    low, high = wilson_interval(share * size, size, confidence)
    return Interval(share, min(low, share), max(high, share))


def share_difference(first: Interval, second: Interval) -> Interval:
    """Return the difference of two independent shares.

    Args:
        first: A share with its interval.
        second: What is taken from it.

    Reference: R. G. Newcombe, Interval estimation for the difference between independent proportions, 1998,
    method 10 (from Wilson's intervals).
    """
    value = first.value - second.value
    below = math.hypot(first.value - first.low, second.high - second.value)
    above = math.hypot(first.high - first.value, second.value - second.low)
    return Interval(value, value - below, value + above)


def _effective_size(hits_N: NDArray[np.bool_], clusters: Sequence[object]) -> float:
    hits_K, counts_K = sum_by_cluster(np.stack([hits_N, np.ones(len(hits_N))]).astype(np.float64), clusters)
    share, size, num_clusters = float(hits_N.mean()), float(len(hits_N)), len(counts_K)
    if num_clusters < 2 or share in (0.0, 1.0):
        return float(num_clusters)
    residuals_K = hits_K - share * counts_K
    variance = num_clusters / (num_clusters - 1) * float((residuals_K**2).sum()) / size**2
    effect = variance / (share * (1 - share) / size)
    return float(min(size, size / effect)) if effect > 0 else size
