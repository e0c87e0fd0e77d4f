"""Two shares compared at one look: the score test, which is the pooled z-test, and the intervals that belong to it.

References: C. Farrington and G. Manning, Test Statistics and Sample Size Formulae for Comparative Binomial Trials, 1990
(differences); P. Koopman, Confidence Intervals for the Ratio of Two Binomial Proportions, 1984.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy.special import ndtr, ndtri

from luthier.evaluate.ab.comparison import Comparison, OptionalEnds

Share = tuple[int, int]
"""Units that have what is counted, and all units."""

_HALVINGS = 60


def two_proportions(control: Share, treatment: Share, alpha: float = 0.05) -> Comparison:
    """Compare two shares; the p-value is that of the pooled z-test, and the intervals end where the test rejects.

    Args:
        control: Of the control.
        treatment: Of the treatment.
        alpha: One minus the coverage of the intervals.
    """
    quantile = float(ndtri(1 - alpha / 2))
    difference = treatment[0] / treatment[1] - control[0] / control[1]
    p_value = 2 * float(ndtr(-abs(difference_z(control, treatment, 0.0))))
    low, high = (
        _end(lambda null: abs(difference_z(control, treatment, null)) > quantile, difference, limit)
        for limit in (-1.0, 1.0)
    )
    uplift: float | None = None
    ends: OptionalEnds = None, None
    if control[0]:
        ratio = treatment[0] / treatment[1] / (control[0] / control[1])
        uplift = ratio - 1
        ends = _ratio_ends(control, treatment, ratio, quantile)
    return Comparison("two proportions (score)", difference, low, high, p_value, uplift, *ends)


def two_proportions_greater(control: Share, treatment: Share, margin: float = 0.0) -> float:
    """Return the one-sided p-value of the hypothesis that the treatment's share is lower by ``margin`` or more."""
    return float(ndtr(-difference_z(control, treatment, -margin)))


def difference_z(control: Share, treatment: Share, null: float) -> float:
    """Return the distance from a difference of shares in standard errors, as they are if that difference is true."""
    (x0, n0), (x1, n1) = control, treatment
    low, high = max(0.0, -null), min(1.0, 1.0 - null)
    p0 = _root(lambda p: _slope(x0, n0, p) + _slope(x1, n1, p + null), low, high)
    p1 = min(max(p0 + null, 0.0), 1.0)
    return _standardised(x1 / n1 - x0 / n0 - null, p0 * (1 - p0) / n0 + p1 * (1 - p1) / n1)


def ratio_z(control: Share, treatment: Share, ratio: float) -> float:
    """Return the distance from a ratio of shares in standard errors, as they are if that ratio is true."""
    (x0, n0), (x1, n1) = control, treatment
    p0 = _root(lambda p: _slope(x0, n0, p) + ratio * _slope(x1, n1, p * ratio), 0.0, min(1.0, 1.0 / ratio))
    p1 = min(p0 * ratio, 1.0)
    return _standardised(x1 / n1 - ratio * x0 / n0, p1 * (1 - p1) / n1 + ratio**2 * p0 * (1 - p0) / n0)


def _slope(successes: int, units: int, share: float) -> float:
    """Return the derivative of the log-likelihood at a share."""
    up = successes / share if share > 0 else math.inf if successes else 0.0
    down = (units - successes) / (1 - share) if share < 1 else math.inf if units > successes else 0.0
    return up - down


def _root(falling: Callable[[float], float], low: float, high: float) -> float:
    """Return where a falling function crosses zero: at an end, where it does not within."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return (low + high) / 2


def _end(is_rejected: Callable[[float], bool], inside: float, outside: float) -> float:
    """Return the last value on the way that is not rejected."""
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        inside, outside = (inside, middle) if is_rejected(middle) else (middle, outside)
    return (inside + outside) / 2


def _ratio_ends(control: Share, treatment: Share, ratio: float, quantile: float) -> OptionalEnds:
    """Return the ends of the uplift's interval; logarithms of ratios are searched, since no ratio is negative."""

    def is_rejected(log_ratio: float) -> bool:
        return abs(ratio_z(control, treatment, math.exp(log_ratio))) > quantile

    start = math.log(ratio) if ratio else math.log(0.5 / treatment[1] / (control[0] / control[1]))
    low = math.expm1(_end(is_rejected, start, start - 30)) if ratio else -1.0
    high = math.expm1(_end(is_rejected, start, start + 30))
    return low, high


def _standardised(difference: float, variance: float) -> float:
    if variance > 1e-300:
        return difference / math.sqrt(variance)
    return 0.0 if abs(difference) < 1e-12 else math.copysign(math.inf, difference)
