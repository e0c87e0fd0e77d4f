"""From the units of a variant to an estimate of its metric with its variance: means, ratios, CUPED and strata alike.

A ratio is made linear (delta method), so that everything after it works on one value a unit, whose mean is the metric.

References: A. Deng, U. Knoblich and J. Lu, Applying the Delta Method in Metric Analytics, 2018; A. Deng, Y. Xu,
R. Kohavi and T. Walker, Improving the Sensitivity of Online Controlled Experiments by Utilizing Pre-Experiment Data,
2013 (CUPED, and post-stratification).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from luthier.evaluate.ab.units import Units, Values


@dataclass(frozen=True)
class ArmEstimate:
    """The metric of one variant.

    Args:
        value: Estimated.
        variance: Of the estimate.
        num_units: Behind it.
        freedom: Degrees of freedom of the variance.
    """

    value: float
    variance: float
    num_units: int
    freedom: float


def estimates(units: Units, *, use_covariate: bool = False) -> tuple[ArmEstimate, ArmEstimate]:
    """Return the estimates of control and treatment, post-stratified where units have strata.

    Args:
        units: Of both.
        use_covariate: Take out what the covariate explains (CUPED).

    Raises:
        ValueError: A variant has fewer than two units, or fewer than two in a stratum.
    """
    values_N = linearised(units)
    if use_covariate:
        assert units.covariate_N is not None
        values_N = cuped(values_N, units.covariate_N, units.is_treated_N)
    arms = [units.is_treated_N == is_treated for is_treated in (False, True)]
    if units.strata_N is None:
        control, treatment = (mean_estimate(values_N[arm]) for arm in arms)
        return control, treatment
    shares = np.bincount(units.strata_N) / len(values_N)
    control, treatment = (post_stratified(values_N[arm], units.strata_N[arm], shares) for arm in arms)
    return control, treatment


def mean_estimate(values_N: Values) -> ArmEstimate:
    """Return the mean of a variant's units.

    Raises:
        ValueError: There are fewer than two.
    """
    if len(values_N) < 2:
        raise ValueError("a variance needs two units in each variant")
    variance = float(values_N.var(ddof=1)) / len(values_N)
    return ArmEstimate(float(values_N.mean()), variance, len(values_N), len(values_N) - 1.0)


def estimate_from_sums(total: float, total_of_squares: float, num_units: int) -> ArmEstimate:
    """Return the mean of units of which only sums are kept."""
    variance = (total_of_squares - total**2 / num_units) / (num_units - 1)
    return ArmEstimate(total / num_units, variance / num_units, num_units, num_units - 1.0)


def linearised(units: Units) -> Values:
    """Return a value for each unit: their mean over a variant is its metric, their variance that of the metric.

    For counts of 1 it is the total itself. For a ratio R it is ``R + (total - R * count) / mean(count)``.
    """
    values_N = np.empty_like(units.totals_N)
    for is_treated in (False, True):
        arm = units.is_treated_N == is_treated
        totals, counts = units.totals_N[arm], units.counts_N[arm]
        ratio = totals.sum() / counts.sum()
        values_N[arm] = ratio + (totals - ratio * counts) / counts.mean()
    return values_N


def cuped_slope(values_N: Values, covariate_N: Values) -> float:
    """Return CUPED's theta: the slope of the metric over the covariate; 0 where the covariate never varies."""
    away_N = covariate_N - covariate_N.mean()
    spread = float(away_N @ away_N)
    return float((values_N - values_N.mean()) @ away_N) / spread if spread else 0.0


def cuped(values_N: Values, covariate_N: Values, is_treated_N: NDArray[np.bool_]) -> Values:
    """Return values without what the covariate explains; units whose covariate is missing stay as they are.

    The slope is that within the variants, so that an effect of the treatment is not taken for one of the covariate.
    """
    known_N = ~np.isnan(covariate_N)
    centred_N = np.where(known_N, covariate_N - np.nanmean(covariate_N), 0.0)
    within_N = values_N.copy()
    around_N = centred_N.copy()
    for is_treated in (False, True):
        arm = (is_treated_N == is_treated) & known_N
        within_N[arm] -= values_N[arm].mean()
        around_N[arm] -= centred_N[arm].mean()
    return values_N - cuped_slope(within_N[known_N], around_N[known_N]) * centred_N


def post_stratified(
    values_N: Values, strata_N: NDArray[np.int64], shares_H: Sequence[float] | Values
) -> ArmEstimate:
    """Return the mean of a variant whose strata are weighed as they are among all units.

    Args:
        values_N: Of the variant's units.
        strata_N: Their strata, from 0.
        shares_H: Of all units, of each stratum.

    Raises:
        ValueError: A stratum has fewer than two of the variant's units.
    """
    parts = [mean_estimate(values_N[strata_N == stratum]) for stratum in range(len(shares_H))]
    value = sum(share * part.value for share, part in zip(shares_H, parts, strict=True))
    variances = [share**2 * part.variance for share, part in zip(shares_H, parts, strict=True)]
    total = sum(variances)
    of_parts = sum(v**2 / part.freedom for v, part in zip(variances, parts, strict=True))
    freedom = total**2 / of_parts if of_parts else float(len(values_N) - len(parts))
    return ArmEstimate(float(value), float(total), len(values_N), float(freedom))
