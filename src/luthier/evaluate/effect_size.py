"""Effect sizes: how large a difference is, beside whether it is real."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

_COHEN = (0.2, 0.5, 0.8)
"""Limits of small, medium and large: J. Cohen, Statistical Power Analysis, 2nd edition, 1988, chapters 2 and 6."""


@dataclass(frozen=True)
class EffectSize:
    """An effect size and what it is called.

    Args:
        name: Of the measure.
        value: Positive where the first group is higher.
        size: ``negligible``, ``small``, ``medium`` or ``large``.
    """

    name: str
    value: float
    size: str


def cohens_h(first: float, second: float) -> EffectSize:
    """Return the effect size of two shares: the difference of their arcsines.

    Args:
        first: A share from 0 to 1.
        second: The other.

    Raises:
        ValueError: One is no share.

    Reference: Cohen 1988, chapter 6; equals ``proportion_effectsize`` of statsmodels.
    """
    if not (0 <= first <= 1 and 0 <= second <= 1):
        raise ValueError("a share lies from 0 to 1")
    value = 2 * math.asin(math.sqrt(first)) - 2 * math.asin(math.sqrt(second))
    return EffectSize("Cohen's h", value, _size(value, _COHEN))


def paired_d(first: ArrayLike, second: ArrayLike) -> EffectSize:
    """Return the mean difference of pairs in units of the differences' standard deviation.

    Args:
        first: Values of one model, shape [N].
        second: Values of the other on the same rows, shape [N].

    Raises:
        ValueError: There are fewer than two pairs, or not as many values of one as of the other.

    Reference: Cohen 1988, chapter 2.3.5 (d'z of dependent samples).
    """
    a, b = _values(first), _values(second)
    if len(a) != len(b):
        raise ValueError(f"{len(a)} values cannot be paired with {len(b)}")
    value = _ratio(float((a - b).mean()), float((a - b).std(ddof=1)))
    return EffectSize("Cohen's d of pairs", value, _size(value, _COHEN))


def _values(group: ArrayLike) -> np.ndarray:
    values = np.asarray(group, dtype=np.float64)
    if len(values) < 2:
        raise ValueError("an effect size needs two values in each group")
    return values


def _ratio(difference: float, deviation: float) -> float:
    if deviation > 0:
        return difference / deviation
    return 0.0 if difference == 0 else math.copysign(math.inf, difference)


def _size(value: float, limits: tuple[float, float, float]) -> str:
    names = ("negligible", "small", "medium", "large")
    return names[sum(abs(value) >= limit for limit in limits)]
