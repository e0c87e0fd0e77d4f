"""The rate of one variant with an interval that holds at every look together.

Reference: S. Howard et al. 2021, section 3.1 (beta-binomial mixture of a sub-Bernoulli process, two-sided); the values
are those of their confseq.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy.special import betaln

_HALVINGS = 60


def rate_sequence(
    successes: int, trials: int, alpha: float = 0.05, planned: float = 1000.0
) -> tuple[float, float]:
    """Return the rates that a mixture of Bernoulli likelihood ratios does not reject.

    Args:
        successes: So far.
        trials: So far.
        alpha: The interval covers the rate at all looks together with a probability of 1 - alpha.
        planned: Number of trials at which it is to be narrow; it must not follow from the data.
    """
    if trials == 0:
        return 0.0, 1.0
    mean = successes / trials

    def is_rejected(rate: float) -> bool:
        variance = rate * (1 - rate)
        excess = successes - trials * rate
        prior = beta_binomial_prior(planned * variance, rate, 1 - rate, alpha)
        return beta_binomial_log_mixture(excess, trials * variance, rate, 1 - rate, prior) > -math.log(alpha)

    return _end(is_rejected, mean, 0.0), _end(is_rejected, mean, 1.0)


def beta_binomial_prior(planned: float, g: float, h: float, alpha: float = 0.05) -> float:
    """Return the strength of the prior that makes the boundary tightest at an intrinsic time of ``planned``."""
    return best_rho(planned, alpha) - g * h


def beta_binomial_log_mixture(excess: float, intrinsic: float, g: float, h: float, prior: float) -> float:
    """Return the logarithm of the two-sided beta-binomial mixture.

    Args:
        excess: Sum of steps above their expectation.
        intrinsic: Sum of their variances.
        g: How far a step goes down at most.
        h: How far it goes up at most.
        prior: Strength, from `beta_binomial_prior`.
    """
    total = g + h
    rho = max(prior, 1e-3 * g * h)
    up, down = excess / total, intrinsic / total
    return (
        intrinsic / (g * h) * math.log(total)
        - (down / h + up) * math.log(g)
        - (down / g - up) * math.log(h)
        + float(betaln((rho + intrinsic) / (g * total) - up, (rho + intrinsic) / (h * total) + up))
        - float(betaln(rho / (g * total), rho / (h * total)))
    )


def best_rho(planned: float, alpha: float) -> float:
    """Return the strength of a two-sided normal mixture that is nearly tightest at an intrinsic time of ``planned``."""
    doubled = -2 * math.log(alpha)
    return planned / (doubled + math.log(1 + doubled))


def _end(is_rejected: Callable[[float], bool], inside: float, outside: float) -> float:
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        if middle in (0.0, 1.0):  # the last value before an end
            break
        inside, outside = (inside, middle) if is_rejected(middle) else (middle, outside)
    return outside if outside in (0.0, 1.0) else (inside + outside) / 2
