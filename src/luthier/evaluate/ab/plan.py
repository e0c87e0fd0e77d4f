"""The plan of an experiment: from an effect to its units, or from units to the effect that they find."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from luthier.core.errors import LuthierError
from luthier.evaluate.ab.sample_size import (
    detectable_mean,
    detectable_proportion,
    units_for_means,
    units_for_proportions,
)


@dataclass(frozen=True)
class Planned:
    """An effect and the units of control and treatment together that find it at one look."""

    effect: float
    units: int


def planned(
    baseline: float | None,
    deviation: float | None,
    *,
    effect: float | None,
    units: int | None,
    alpha: float,
    power: float,
    share: float,
) -> Planned:
    """Return the missing one of effect and units.

    Args:
        baseline: Rate of the control; None for a mean.
        deviation: Standard deviation of a unit; None for a rate.
        effect: That is to be found; or
        units: That there will be.
        alpha: Two-sided.
        power: To find the effect.
        share: Of the units that are treated.

    Raises:
        LuthierError: The effect is 0 or leads out of what a rate can be, or no effect is found by so few units.
    """
    how: dict[str, Any] = {"alpha": alpha, "power": power, "share": share}
    if effect is not None:
        if effect == 0:
            raise LuthierError("no sample finds an effect of 0", cure="name the smallest that matters")
        if baseline is not None:
            if not 0 < baseline + effect < 1:
                problem = f"a rate of {baseline:g} changed by {effect:+g} is {baseline + effect:g}"
                raise LuthierError(problem, cure="name an effect after which the rate is within 0 and 1")
            return Planned(effect, math.ceil(units_for_proportions(baseline, effect, **how)))
        assert deviation is not None
        return Planned(effect, math.ceil(units_for_means(effect, deviation, **how)))
    assert units is not None
    if baseline is None:
        assert deviation is not None
        return Planned(detectable_mean(deviation, units, **how), units)
    found = detectable_proportion(baseline, units, **how)
    if found is None:
        problem = f"{units} units find no rise of a rate of {baseline:g} with a power of {power:.0%}"
        raise LuthierError(problem, cure="plan more units")
    return Planned(found, units)
