"""Percentile bootstrap over rows: an interval for any statistic of counted rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """Where the statistic lies in most samples; NaN where fewer than two samples define it.

    Args:
        low: Lower end.
        high: Upper end.
        num_undefined: Samples in which the statistic has no value, e.g. all ratings alike; they do not count.
    """

    low: float
    high: float
    num_undefined: int


def bootstrap_interval(
    statistic: Callable[[FloatArray], float],
    multiplicities_P: ArrayLike,
    *,
    num_samples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Draw rows with replacement and return the middle ``confidence`` of what the statistic says.

    Equal rows are drawn together, from a multinomial distribution: the same samples at a fraction of the cost.

    Args:
        statistic: Takes how often each distinct row counts.
        multiplicities_P: How often each distinct row occurs in the data.
    """
    multiplicities = np.asarray(multiplicities_P, dtype=np.int64)
    total = int(multiplicities.sum())
    if not total:
        return Interval(math.nan, math.nan, num_samples)
    generator = np.random.default_rng(seed)
    shares = multiplicities / total
    drawn = (generator.multinomial(total, shares).astype(np.float64) for _ in range(num_samples))
    values = np.array([statistic(weights) for weights in drawn])
    defined = values[~np.isnan(values)]
    if len(defined) < 2:
        return Interval(math.nan, math.nan, num_samples - len(defined))
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high), num_samples - len(defined))
