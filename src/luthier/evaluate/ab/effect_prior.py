"""The prior over effects that a sequential test bets on: both directions alike, sizes around the planned one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

DEFAULT_PLANNED_UNITS = 10_000
_STEPS_2 = np.arange(-3.0, 3.5, 1.0)
_SPREAD = 0.7


@dataclass(frozen=True)
class EffectPrior:
    """Sizes of effects and their weights; each size stands for a gain and a regression of equal weight.

    Args:
        sizes_K: Standardised: differences of means in units of the standard deviation, positive.
        weights_K: They sum to 1.
    """

    sizes_K: NDArray[np.float64]
    weights_K: NDArray[np.float64]


def prior_for_size(size: float) -> EffectPrior:
    """Return the prior around a planned effect.

    Sizes lie from an eighth to eight times the planned one, weighted as by a log-normal distribution with a standard
    deviation of 0.7: of several that were tried on Brownian motion the one that costs little for effects from half to
    double the planned one, and not only for that itself.

    Args:
        size: The standardised effect that the experiment is planned for, positive.
    """
    multiples_K = 2.0**_STEPS_2
    weights_K = np.exp(-0.5 * (np.log(multiples_K) / _SPREAD) ** 2)
    return EffectPrior(size * multiples_K, weights_K / weights_K.sum())


def prior_for_units(planned_units: float, share: float = 0.5) -> EffectPrior:
    """Return the prior around the effect that a fixed sample of this many units would find with a power of 80 %.

    Args:
        planned_units: Of control and treatment together. It must not follow from the data.
        share: Of the units that are treated.
    """
    return prior_for_size(detectable_size(planned_units, share))


def detectable_size(num_units: float, share: float = 0.5, alpha: float = 0.05, power: float = 0.8) -> float:
    """Return the standardised difference that a two-sided test of this many units finds with this power."""
    return float(ndtri(1 - alpha / 2) + ndtri(power)) / math.sqrt(num_units * share * (1 - share))
