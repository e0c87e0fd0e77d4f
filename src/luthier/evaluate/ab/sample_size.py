"""Sample size and power of an experiment that is looked at once.

References: J. Cohen, Statistical Power Analysis, 2nd edition, 1988, chapter 2 (means); J. Fleiss, B. Levin and M. Paik,
Statistical Methods for Rates and Proportions, 3rd edition, 2003, section 4.2 (shares: variance pooled under the null
hypothesis, separate under the alternative, as in R's power.prop.test and in statsmodels); E. Miller,
evanmiller.org/ab-testing/sample-size.html (variance of the baseline under the null hypothesis).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from scipy.special import nctdtr, ndtr, ndtri, stdtrit

NullVariance = Literal["pooled", "baseline"]


def units_for_proportions(
    baseline: float,
    difference: float,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    share: float = 0.5,
    null_variance: NullVariance = "pooled",
) -> float:
    """Return the units of control and treatment together that find a difference of shares.

    Args:
        baseline: Share in the control.
        difference: Added by the treatment; not 0.
        alpha: Two-sided.
        power: Probability to find it.
        share: Of the units that are treated.
        null_variance: ``pooled`` as in the test; ``baseline`` as Evan Miller's calculator does.

    Raises:
        ValueError: A share is not within 0 and 1, or there is no difference.
    """
    at_null, at_alternative = _errors(baseline, difference, share, null_variance)
    return ((ndtri(1 - alpha / 2) * at_null + ndtri(power) * at_alternative) / difference) ** 2


def power_of_proportions(
    baseline: float, difference: float, num_units: float, *, alpha: float = 0.05, share: float = 0.5
) -> float:
    """Return the probability that the pooled z-test finds a difference of shares, in either direction."""
    at_null, at_alternative = _errors(baseline, difference, share, "pooled")
    critical = ndtri(1 - alpha / 2) * at_null
    shift = difference * math.sqrt(num_units)
    return float(ndtr((shift - critical) / at_alternative) + ndtr((-shift - critical) / at_alternative))


def units_for_means(
    difference: float, deviation: float, *, alpha: float = 0.05, power: float = 0.8, share: float = 0.5
) -> float:
    """Return the units of control and treatment together that find a difference of means by a t-test.

    Args:
        difference: Of the means; not 0.
        deviation: Standard deviation of a unit's outcome.
        alpha: Two-sided.
        power: Probability to find it.
        share: Of the units that are treated.
    """
    if difference == 0 or deviation <= 0:
        raise ValueError("a difference that is not 0 and a positive deviation are needed")

    def found(num_units: float) -> float:
        return power_of_means(difference, deviation, num_units, alpha=alpha, share=share)

    return _smallest(found, power, start=max(4.0, 2.0 / min(share, 1 - share)))


def power_of_means(
    difference: float, deviation: float, num_units: float, *, alpha: float = 0.05, share: float = 0.5
) -> float:
    """Return the probability that a t-test finds a difference of means, in either direction."""
    shift = abs(difference) / deviation * math.sqrt(num_units * share * (1 - share))
    freedom = num_units - 2
    if freedom > 1e5:  # where the normal distribution is as good, and the other one slow
        critical = float(ndtri(1 - alpha / 2))
        return float(ndtr(shift - critical) + ndtr(-shift - critical))
    critical = float(stdtrit(freedom, 1 - alpha / 2))
    return float(1 - nctdtr(freedom, shift, critical) + nctdtr(freedom, shift, -critical))


def detectable_proportion(
    baseline: float, num_units: float, *, alpha: float = 0.05, power: float = 0.8, share: float = 0.5
) -> float | None:
    """Return the smallest rise of a share that is found with a power; None where no rise is."""
    highest = (1 - baseline) * (1 - 1e-9)

    def found(difference: float) -> float:
        return power_of_proportions(baseline, difference, num_units, alpha=alpha, share=share)

    if found(highest) < power:
        return None
    low, high = 0.0, highest
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if found(middle) >= power else (middle, high)
    return high


def detectable_mean(
    deviation: float, num_units: float, *, alpha: float = 0.05, power: float = 0.8, share: float = 0.5
) -> float:
    """Return the smallest difference of means that is found with a power."""
    return _smallest(
        lambda difference: power_of_means(difference, deviation, num_units, alpha=alpha, share=share),
        power,
        start=1e-6 * deviation,
    )


def _errors(
    baseline: float, difference: float, share: float, null_variance: NullVariance
) -> tuple[float, float]:
    """Return the standard errors of the difference for one unit in all: without and with the difference."""
    treated = baseline + difference
    if not (0 < baseline < 1 and 0 < treated < 1) or difference == 0:
        raise ValueError("shares within 0 and 1 and a difference that is not 0 are needed")
    middle = baseline if null_variance == "baseline" else (1 - share) * baseline + share * treated
    at_null = math.sqrt(middle * (1 - middle) / (share * (1 - share)))
    at_alternative = math.sqrt(baseline * (1 - baseline) / (1 - share) + treated * (1 - treated) / share)
    return at_null, at_alternative


def _smallest(rising: Callable[[float], float], target: float, start: float) -> float:
    """Return where a rising function reaches a target; ``start`` where it has done so there already."""
    if rising(start) >= target:
        return start
    low, high = start, 2 * start
    while rising(high) < target:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) >= target else (middle, high)
    return high
