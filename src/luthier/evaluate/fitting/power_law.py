"""The learning curve over data size: a power law through losses, and what more rows would bring.

Reference: J. Hestness et al., Deep Learning Scaling is Predictable, Empirically, 2017 (arXiv:1712.00409):
loss(n) = floor + scale * n^-exponent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from luthier.core.errors import DataError
from luthier.evaluate.statistics import Interval, Values

_EXPONENTS = np.linspace(0.02, 2.0, 100)
_NORMAL_95 = 1.959963984540054
_DRAWS = 500


@dataclass(frozen=True)
class PowerLaw:
    """A fitted curve.

    Args:
        floor: Loss that no number of rows goes below.
        scale: Of what rows can still take off.
        exponent: How fast they do.
    """

    floor: float
    scale: float
    exponent: float

    def at(self, rows: float) -> float:
        """Return the loss that a number of rows leads to."""
        return float(self.floor + self.scale * rows**-self.exponent)


@dataclass(frozen=True)
class Forecast:
    """What the curve says of a number of rows.

    Args:
        law: Fitted to the measured losses.
        rows: The number of rows.
        loss: Expected there, with its interval.
        drop: Relative to the loss of the most rows that were trained, with its interval.
        misfit: How far outside the interval of a measured loss the curve passes at worst, relative to that loss; what
            is more than `MUCH_MISFIT` follows another law, and the forecast is worth nothing.
    """

    law: PowerLaw
    rows: int
    loss: Interval
    drop: Interval
    misfit: float

    @property
    def is_sound(self) -> bool:
        """Whether the curve passes through what was measured."""
        return self.misfit <= MUCH_MISFIT


MUCH_MISFIT = 0.03
"""Beyond the interval, which knows the noise of the held-out rows and not that of a training."""


def fit(rows: Sequence[int], losses: Values, errors: Values) -> PowerLaw:
    """Return the power law of least weighted squares with a floor and a scale that are not negative.

    Args:
        rows: Numbers of training rows, three at least.
        losses: Held-out loss of each.
        errors: Standard error of each.
    """
    floor, scale, exponent = (float(values[0]) for values in _fit_all(rows, losses[None, :], errors))
    return PowerLaw(floor, scale, exponent)


def forecast(
    rows: Sequence[int], losses: Sequence[Interval], target: int, *, confidence: float, seed: int
) -> Forecast:
    """Extrapolate to a number of rows; the interval is that of fits to losses drawn around the measured ones.

    The losses share their held-out rows, so their errors go together; drawn apart they make the interval wider.

    Args:
        rows: Numbers of training rows, growing.
        losses: Held-out loss of each with its 95 % interval.
        target: Number of rows to look ahead to.
        confidence: Coverage.
        seed: Of the draws.

    Raises:
        DataError: There are fewer than three numbers of rows.
    """
    if len(set(rows)) < 3:
        raise DataError(
            f"a power law needs three different numbers of rows at least, here are {len(set(rows))}",
            cure="more shares: --shares 0.1,0.3,1.0",
        )
    values = np.array([loss.value for loss in losses])
    errors = np.array([(loss.high - loss.low) / 2 / _NORMAL_95 for loss in losses])
    law = fit(rows, values, errors)
    generator = np.random.default_rng(seed)
    drawn_DS = values + errors * generator.standard_normal((_DRAWS, len(values)))
    floor_D, scale_D, exponent_D = _fit_all(rows, drawn_DS, errors)
    ends = floor_D + scale_D * float(target) ** -exponent_D
    drops = 1 - ends / (floor_D + scale_D * float(rows[-1]) ** -exponent_D)
    tail = (1 - confidence) / 2
    return Forecast(
        law,
        target,
        Interval(law.at(target), *_quantiles(ends, tail)),
        Interval(1 - law.at(target) / law.at(rows[-1]), *_quantiles(drops, tail)),
        max(_outside(law.at(count), loss) for count, loss in zip(rows, losses, strict=True)),
    )


def _outside(value: float, loss: Interval) -> float:
    return max(loss.low - value, value - loss.high, 0.0) / max(loss.value, 1e-9)


def _quantiles(values: Values, tail: float) -> tuple[float, float]:
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def _fit_all(rows: Sequence[int], losses_DS: Values, errors_S: Values) -> tuple[Values, Values, Values]:
    """Return floor, scale and exponent of the best law of each line of losses, shape [D].

    For each exponent the law is a line, whose best floor and scale are known; those that are negative are no laws, and
    the line without a floor, or the floor alone, takes their place.
    """
    weights_S = 1 / np.maximum(errors_S, 1e-9) ** 2
    weights_S = weights_S / weights_S.sum()
    mean_D = losses_DS @ weights_S
    best = np.stack([mean_D, np.zeros_like(mean_D), np.ones_like(mean_D)])
    least_D = ((losses_DS - mean_D[:, None]) ** 2) @ weights_S
    for exponent in _EXPONENTS:
        powers_S = np.asarray(rows, dtype=float) ** -exponent
        centred_S = powers_S - powers_S @ weights_S
        scale_D = losses_DS @ (weights_S * centred_S) / (weights_S @ centred_S**2)
        floor_D = mean_D - scale_D * (powers_S @ weights_S)
        through_zero_D = losses_DS @ (weights_S * powers_S) / (weights_S @ powers_S**2)
        for floor, scale in ((floor_D, scale_D), (np.zeros_like(floor_D), through_zero_D)):
            error_D = ((losses_DS - floor[:, None] - scale[:, None] * powers_S) ** 2) @ weights_S
            wins_D = (floor >= 0) & (scale >= 0) & (error_D < least_D * (1 - 1e-9))
            best[:, wins_D] = np.stack([floor, scale, np.full_like(floor, exponent)])[:, wins_D]
            least_D = np.where(wins_D, error_D, least_D)
    return best[0], best[1], best[2]
