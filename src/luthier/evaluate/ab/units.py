"""Units: what was assigned to a variant, such as users, each with its metric, in the order of their completion."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Units:
    """Units of a control and a treatment in order of arrival.

    A metric is ``sum(totals) / sum(counts)`` of the units of a variant. Counts are 1 for a mean or a rate per unit, and
    any positive number for a ratio, such as impressions where totals are clicks. Leading axes, if any, are experiments.

    Args:
        is_treated_N: Whether a unit has the treatment, else it has the control.
        totals_N: The metric's numerator.
        counts_N: Its denominator.
        covariate_N: Known of each unit before it was assigned, or None; one that is missing is NaN.
        strata_N: Numbers of strata from 0, known before the units were assigned, or None.
    """

    is_treated_N: NDArray[np.bool_]
    totals_N: Values
    counts_N: Values
    covariate_N: Values | None = None
    strata_N: NDArray[np.int64] | None = None

    @property
    def is_ratio(self) -> bool:
        """Whether counts differ from 1."""
        return bool((self.counts_N != 1).any())

    @property
    def is_binary(self) -> bool:
        """Whether every unit either has what is counted or has not."""
        return not self.is_ratio and bool(np.isin(self.totals_N, (0.0, 1.0)).all())

    def without_effect(self, difference: float, share: float) -> Units:
        """Return units as they would be if the treatment did not add ``difference`` to the metric.

        The difference is taken from the treatment and given to the control so that the mean over both, of which
        ``share`` are treated, stays where it is.
        """
        shift_N = difference * (self.is_treated_N - share)
        return replace(self, totals_N=self.totals_N - shift_N * self.counts_N)

    def without_uplift(self, uplift: float) -> Units:
        """Return units as they would be if the treatment did not multiply the metric by ``1 + uplift``."""
        return replace(
            self, totals_N=np.where(self.is_treated_N, self.totals_N / (1 + uplift), self.totals_N)
        )


def swapped(units: Units) -> Units:
    """Return the same units with control and treatment exchanged."""
    return replace(units, is_treated_N=~units.is_treated_N)
