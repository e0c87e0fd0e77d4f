"""Confidence sequences: intervals of an effect that hold at every look together.

The interval is the set of effects that the sequential test has not rejected, so that test and interval never disagree,
for differences and for relative uplifts alike.

Reference: S. Howard, A. Ramdas, J. McAuliffe and J. Sekhon, Time-uniform, Nonparametric, Nonasymptotic Confidence
Sequences, 2021.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from luthier.evaluate.ab.betting import Design, Effect, log_capital
from luthier.evaluate.ab.units import Units

_HALVINGS = 14
_DOUBLINGS = 12


@dataclass(frozen=True)
class Range:
    """An interval of effects; an end that nothing rejects yet is infinite."""

    low: float
    high: float


def difference_sequence(units: Units, design: Design, alpha: float) -> Range | None:
    """Return the differences (treatment minus control) that no look so far has rejected.

    Args:
        units: In order of arrival.
        design: How they were assigned.
        alpha: The interval covers the true difference at all looks together with a probability of 1 - alpha.

    Returns:
        None where every constant difference is rejected: the effect changed during the experiment.
    """
    estimate = _metric(units, True) - _metric(units, False)
    step, limit = _standard_error(units), math.inf
    if design.bounds is not None:  # no difference is larger than the outcomes allow
        limit = design.bounds[1] - design.bounds[0]
        step = max(step, 1e-3 * limit)
    return _kept(
        lambda value: _is_rejected(units, design, Effect(difference=value), alpha),
        start=estimate,
        step=step,
        limits=(-limit, limit),
    )


def uplift_sequence(units: Units, design: Design, alpha: float) -> Range | None:
    """Return the relative uplifts that no look so far has rejected; None as for differences.

    None also where an uplift has no meaning: a total is negative, or nothing happened in one of the variants.
    """
    control, treatment = _metric(units, False), _metric(units, True)
    if (units.totals_N < 0).any() or control <= 0 or treatment <= 0:
        return None
    step = max(_standard_error(units) / min(control, treatment), 1e-3)
    found = _kept(
        lambda value: _is_rejected(units, design, Effect(uplift=math.expm1(value)), alpha),
        start=math.log(treatment / control),
        step=min(step, 1.0),
        limits=(-math.inf, math.inf),
    )
    return found and Range(math.expm1(found.low), math.expm1(found.high))


def _kept(
    is_rejected: Callable[[float], bool], *, start: float, step: float, limits: tuple[float, float]
) -> Range | None:
    inside = _inside(is_rejected, start, step)
    if inside is None:
        return None
    return Range(
        *(_end(is_rejected, inside, way * step, limit) for way, limit in zip((-1, 1), limits, strict=True))
    )


def _inside(is_rejected: Callable[[float], bool], start: float, step: float) -> float | None:
    """Return a value that is not rejected: the estimate, else one near it."""
    for distance in (0.0, *(sign * k / 2 for k in range(1, 9) for sign in (1, -1))):
        if not is_rejected(start + distance * step):
            return start + distance * step
    return None


def _end(is_rejected: Callable[[float], bool], inside: float, step: float, limit: float) -> float:
    """Return the last value that is not rejected, going from ``inside`` by steps that double, then halving."""
    for doubling in range(_DOUBLINGS):
        outside = inside + step * 2**doubling
        if abs(outside) >= abs(limit) and outside * step > 0:
            outside = limit
        if is_rejected(outside):
            break
        inside = outside
        if outside == limit:
            return limit
    else:
        return math.copysign(math.inf, step)
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        inside, outside = (inside, middle) if is_rejected(middle) else (middle, outside)
    return outside


def _is_rejected(units: Units, design: Design, effect: Effect, alpha: float) -> bool:
    return bool(log_capital(units, design, effect).max() >= -math.log(alpha))


def _metric(units: Units, is_treated: bool) -> float:
    chosen = units.is_treated_N == is_treated
    return float(units.totals_N[chosen].sum() / units.counts_N[chosen].sum())


def _standard_error(units: Units) -> float:
    """Return a rough standard error of the difference: the first step of the search."""
    total = 0.0
    for is_treated in (False, True):
        chosen = units.is_treated_N == is_treated
        away = units.totals_N[chosen] - _metric(units, is_treated) * units.counts_N[chosen]
        total += float((away**2).sum()) / float(units.counts_N[chosen].sum()) ** 2
    return max(math.sqrt(total), 1e-9 * max(1.0, float(np.abs(units.totals_N).max())))
