"""A sequential test that stays valid however often one looks: a mixture SPRT of the assignment, given the outcomes.

If the treatment changes nothing, what a unit did says nothing about its variant, which was drawn with a known
probability. The test therefore bets, unit after unit, on the variant: its stake is set by how far the unit's outcome
lies from what was expected before the unit came. The capital is a martingale while the treatment changes nothing, so
the chance that it is ever multiplied by 1 / alpha is at most alpha (Ville's inequality): at any time, from the first
unit, at any base rate, whatever the distribution, and also while the outcomes drift with the time of day.

With capital K, outcome Y of expectation m and deviation s (both from the units before), variant W in {0, 1} of
probability pi, and a standardised effect d:

    K <- K * (1 + b * (W - pi)),   b = d * (Y - m) / s

For small d this is the likelihood ratio of a normal mean, so that it costs what the mixture SPRT of Robbins costs; a
mixture over d and -d makes it two-sided. A fifth of the capital is never bet: whatever happens, at most 4 % of tests
without an effect reach 1 / 0.05. Stakes never exceed the capital: where the outcome has known bounds d / s is
limited, elsewhere b passes through a hyperbolic tangent, which tames outliers.

What is assumed, and nothing else: the assignment is random with the stated probability (`sample_ratio` tests it),
each unit enters once, when its outcome is complete. For rates and outcomes with known bounds the null hypothesis is
that the means are equal; for unbounded ones and ratios it is that the distributions are.

References: J. Ville 1939; H. Robbins, Statistical Methods Related to the Law of the Iterated Logarithm, 1970; I.
Waudby-Smith and A. Ramdas, Estimating Means of Bounded Random Variables by Betting, 2024; R. Johari et al., Always
Valid Inference, 2022.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from luthier.evaluate.ab.effect_prior import EffectPrior
from luthier.evaluate.ab.expectation import expected, sums_before
from luthier.evaluate.ab.units import Units, Values

Bounds = tuple[float, float]

RESERVE = 0.2
"""Share of the capital that is never bet.

Without it the false-positive rate comes as near to alpha as one likes where one looks long enough, so that no number of
simulations could show that it stays below. It costs about 5 % more units."""

_LARGEST_STAKE = 0.9
"""Share of a bet's capital that one unit can cost at most."""


@dataclass(frozen=True)
class Design:
    """How the units were assigned and what is known of their outcomes before the first.

    Args:
        prior: Effects that are bet on.
        share: Probability of the treatment.
        bounds: Between which every unit's total lies, such as (0, 1) for a rate; None for outcomes without known bounds
            and for ratios.
    """

    prior: EffectPrior
    share: float = 0.5
    bounds: Bounds | None = None


@dataclass(frozen=True)
class Effect:
    """An effect that is tested; none is the default.

    Args:
        difference: Added by the treatment to the metric.
        uplift: The treatment multiplies the metric by ``1 + uplift``; instead of a difference.
    """

    difference: float = 0.0
    uplift: float = 0.0


def log_capital(units: Units, design: Design, effect: Effect = Effect()) -> Values:
    """Return the logarithm of the capital after each unit, shape [..., N]; 0 is the capital at the start.

    Args:
        units: In order of arrival.
        design: How they were assigned.
        effect: The null hypothesis: the treatment has this effect.
    """
    shifted = _without(units, effect, design.share)
    away_N, scale_N, steepest_N = _standing(shifted, design.bounds, _shifted_bounds(design, effect))
    direction_N = units.is_treated_N - design.share
    most = _LARGEST_STAKE / max(design.share, 1.0 - design.share)
    total_N = np.full(away_N.shape, np.log(RESERVE))
    with np.errstate(divide="ignore", invalid="ignore"):
        standard_N = np.where(scale_N > 0, away_N / scale_N, 0.0)
    for size, weight in zip(design.prior.sizes_K, design.prior.weights_K, strict=True):
        if steepest_N is None:
            stake_N = most * np.tanh(standard_N * (size / most))
        else:
            stake_N = away_N * np.minimum(size / scale_N, most / steepest_N)
        stake_N = stake_N * direction_N
        for sign in (1.0, -1.0):
            bet_N = np.cumsum(np.log1p(sign * stake_N), axis=-1)
            bet_N += np.log((1.0 - RESERVE) * weight / 2.0)
            np.logaddexp(total_N, bet_N, out=total_N)
    return total_N


def anytime_p_value(log_capital_N: Values) -> Values:
    """Return the p-value after each unit, valid at all of them together; it never rises."""
    return np.exp(-np.maximum.accumulate(np.maximum(log_capital_N, 0.0), axis=-1))


def _without(units: Units, effect: Effect, share: float) -> Units:
    if effect.uplift:
        return units.without_uplift(effect.uplift)
    return units.without_effect(effect.difference, share) if effect.difference else units


def _shifted_bounds(design: Design, effect: Effect) -> Bounds | None:
    """Return the bounds of outcomes from which an effect is taken."""
    if design.bounds is None:
        return None
    low, high = design.bounds
    if effect.uplift:
        return min(low, low / (1 + effect.uplift)), max(high, high / (1 + effect.uplift))
    shifts = (-effect.difference * (1 - design.share), effect.difference * design.share)
    return low + min(shifts), high + max(shifts)


def _standing(
    units: Units, bounds: Bounds | None, widest: Bounds | None
) -> tuple[Values, Values, Values | None]:
    """Return how far each outcome is from its expectation, the deviation, and the farthest that it could have been."""
    if bounds is None or widest is None:
        expected_N = expected(units)
        away_N = np.where(np.isnan(expected_N), 0.0, units.totals_N - expected_N)
        return away_N, _deviation(away_N), None
    low, high = bounds
    expected_N = np.clip(expected(units, start=(low + high) / 2), low, high)
    away_N = units.totals_N - expected_N
    return (
        away_N,
        _deviation(away_N, (high - low) / 2),
        np.maximum(widest[1] - expected_N, expected_N - widest[0]),
    )


def _deviation(away_N: Values, start: float | None = None) -> Values:
    """Return the root mean square of the values before each; 0 before there is any, or ``start`` as one of them."""
    before_N = sums_before(away_N**2)
    number_N = np.arange(away_N.shape[-1], dtype=np.float64)
    if start is None:
        return np.sqrt(before_N / np.maximum(number_N, 1.0))
    return np.sqrt((before_N + start**2) / (number_N + 1.0))
