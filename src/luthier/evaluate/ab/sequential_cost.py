"""What peeking costs: how many more units the sequential test needs than a test at one look.

Near its limit, for many units with a small effect each, the test is a mixture over Brownian motions, and the cost does
not depend on metric, base rate or size of the effect. It is simulated with a fixed seed, exact to 2 %.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from luthier.evaluate.ab.betting import RESERVE
from luthier.evaluate.ab.effect_prior import detectable_size, prior_for_size

_PATHS = 4000
_STEPS = 1200
_HORIZON = 6.0
"""In fixed samples; nobody waits longer."""
_LARGEST_LOG = 500.0
"""Of capital; beyond, every level is passed."""


@dataclass(frozen=True)
class SequentialCost:
    """Units in multiples of the fixed sample of the same power and level.

    Args:
        at_power: So many reach the power.
        mean: So many are needed on average where the effect is the planned one and one stops when it is found.
    """

    at_power: float
    mean: float


def sequential_cost(alpha: float = 0.05, power: float = 0.8) -> SequentialCost:
    """Return the cost for an effect that is as large as planned.

    Args:
        alpha: Of both tests.
        power: Likewise.
    """
    drift = float(ndtri(1 - alpha / 2) + ndtri(power))
    # One unit of time is the fixed sample; its prior is always that for a power of 80 % at a level of 5 %. The
    # drift of an effect is half its standardised size, since the variance of the assignment is a quarter.
    prior = prior_for_size(detectable_size(1.0) / 2)
    generator = np.random.default_rng(0)
    spent_T = np.arange(1, _STEPS + 1) * (_HORIZON / _STEPS)
    first = np.full(_PATHS, np.inf)
    for start in range(0, _PATHS, 500):
        steps = generator.normal(drift * _HORIZON / _STEPS, np.sqrt(_HORIZON / _STEPS), size=(500, _STEPS))
        path_ST = np.cumsum(steps, axis=1)
        capital_ST = np.full_like(path_ST, RESERVE)
        for size, weight in zip(prior.sizes_K, prior.weights_K, strict=True):
            for sign in (1.0, -1.0):
                log_ST = np.minimum(sign * size * path_ST - size**2 * spent_T / 2, _LARGEST_LOG)
                capital_ST += (1 - RESERVE) * weight / 2 * np.exp(log_ST)
        is_over_ST = capital_ST >= 1 / alpha
        found = is_over_ST.any(axis=1)
        first[start : start + 500][found] = spent_T[is_over_ST.argmax(axis=1)[found]]
    return SequentialCost(float(np.quantile(first, power)), float(np.minimum(first, _HORIZON).mean()))
