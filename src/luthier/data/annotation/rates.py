"""Rates of rare events: the interval of a share, and how many rows must be looked at to know it well enough."""

from __future__ import annotations

import math
from statistics import NormalDist


def wilson_interval(num_events: float, total: float, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of a share; honest where events are few or none.

    Reference: Wilson (1927), Probable inference, the law of succession, and statistical inference.
    """
    if not total:
        return 0.0, 1.0
    z = _quantile(confidence)
    share = num_events / total
    centre = share + z * z / (2 * total)
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def sample_size(
    population: int, *, margin: float, confidence: float = 0.95, expected_rate: float = 0.5
) -> int:
    """Return how many rows to draw so that the share is known to within ``margin``.

    Args:
        population: Rows there are.
        margin: Half of the interval's width.
        confidence: Of the interval.
        expected_rate: What the share is thought to be; one half needs most rows.

    Reference: Cochran (1977), Sampling Techniques, section 4.4, with the finite population correction.
    """
    if not population:
        return 0
    infinite = _quantile(confidence) ** 2 * expected_rate * (1 - expected_rate) / margin**2
    return min(population, math.ceil(infinite / (1 + (infinite - 1) / population) - 1e-9))


def _quantile(confidence: float) -> float:
    return NormalDist().inv_cdf(0.5 + confidence / 2)
