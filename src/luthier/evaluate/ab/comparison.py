"""A comparison of a treatment with its control at one look, and Welch's t-test.

Tests for one look hold after a number of units that was fixed beforehand. Under peeking they find differences that are
not there, in a third of all experiments and more (docs/ab-tests.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import stdtr, stdtrit

from luthier.evaluate.ab.arm_estimate import ArmEstimate

OptionalEnds = tuple[float | None, float | None]


@dataclass(frozen=True)
class Comparison:
    """A treatment against its control.

    Args:
        test: Its name.
        difference: Treatment minus control.
        low: End of the difference's interval.
        high: Its other end.
        p_value: Two-sided, of no difference.
        uplift: Difference relative to the control; None where the control's metric is 0.
        uplift_low: End of its interval; None where it has none, because the control's metric may be 0.
        uplift_high: Its other end.
    """

    test: str
    difference: float
    low: float
    high: float
    p_value: float
    uplift: float | None
    uplift_low: float | None
    uplift_high: float | None


def welch(
    control: ArmEstimate, treatment: ArmEstimate, alpha: float = 0.05, *, test: str = "Welch's t"
) -> Comparison:
    """Compare two estimates by Welch's t, the uplift's interval by Fieller's theorem, so that they never disagree.

    References: B. L. Welch 1947; E. C. Fieller, Some Problems in Interval Estimation, 1954.
    """
    difference = treatment.value - control.value
    error, freedom = _error(control, treatment)
    quantile = float(stdtrit(freedom, 1 - alpha / 2))
    p_value = 2 * _upper_tail(abs(difference), error, freedom)
    uplift = difference / control.value if control.value else None
    width = quantile * error
    ends = _fieller(control, treatment, quantile)
    return Comparison(test, difference, difference - width, difference + width, p_value, uplift, *ends)


def welch_greater(control: ArmEstimate, treatment: ArmEstimate, margin: float = 0.0) -> float:
    """Return the one-sided p-value of the hypothesis that the treatment is lower by ``margin`` or more.

    With a margin of 0 it tests superiority, with a positive one non-inferiority.
    """
    error, freedom = _error(control, treatment)
    return _upper_tail(treatment.value - control.value + margin, error, freedom)


def _error(control: ArmEstimate, treatment: ArmEstimate) -> tuple[float, float]:
    """Return the standard error of the difference and its degrees of freedom (Welch and Satterthwaite)."""
    total = control.variance + treatment.variance
    parts = control.variance**2 / control.freedom + treatment.variance**2 / treatment.freedom
    return math.sqrt(total), total**2 / parts if parts else control.freedom + treatment.freedom


def _upper_tail(difference: float, error: float, freedom: float) -> float:
    if error == 0:  # all units of a variant are equal: nothing is left to chance
        return 0.0 if difference > 0 else 0.5 if difference == 0 else 1.0
    return float(stdtr(freedom, -difference / error))


def _fieller(control: ArmEstimate, treatment: ArmEstimate, quantile: float) -> OptionalEnds:
    """Return the ends of the uplifts u for which treatment - (1 + u) * control is within the noise."""
    a = control.value**2 - quantile**2 * control.variance
    if a <= 0:
        return None, None
    b = control.value * treatment.value
    c = treatment.value**2 - quantile**2 * treatment.variance
    root = math.sqrt(max(b * b - a * c, 0.0))
    return (b - root) / a - 1, (b + root) / a - 1
