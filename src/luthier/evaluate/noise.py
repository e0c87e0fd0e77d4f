"""A gate's noise floor: how small a difference the held-out rows can resolve, told from the interval's width.

Reference: the smallest effect that a test of level alpha finds with power 1 - beta is (z(1 - alpha/2) + z(1 - beta))
standard errors; J. Cohen, Statistical Power Analysis for the Behavioral Sciences, 1988, chapter 2. Half the width of an
interval is z(1 - alpha/2) standard errors, and shrinks with the square root of the rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from luthier.evaluate.statistics import Interval

_POWER = 0.8


@dataclass(frozen=True)
class Resolution:
    """What a number of rows can tell of one figure.

    Args:
        half_width: Half the width of the figure's interval.
        detectable: By how much the true figure must exceed a demand to pass it in 4 of 5 draws of as many rows.
        margin: What is demanded, or how far the value lies from its limit.
        num_rows: Rows that the figure stands on.
        rows_needed: About how many rows would bring half the width down to the margin; None where it is below, or 0.
    """

    half_width: float
    detectable: float
    margin: float
    num_rows: int
    rows_needed: int | None

    def told(self) -> str:
        """Say it in the figure's own unit."""
        return self._told(f"{self.half_width:.2g}", f"{self.detectable:.2g}")

    def told_as_share(self) -> str:
        """Say it of a relative improvement."""
        return self._told(f"{self.half_width:.1%}", f"{self.detectable:.1%}")

    def warning_as_share(self) -> str:
        """Say that the demand is finer than what the rows resolve; empty if it is not."""
        if not 0.0 < self.margin < self.half_width or self.rows_needed is None:
            return ""
        return (
            f"{self.margin:.1%} is less than these rows resolve (± {self.half_width:.1%}): "
            f"about {self.rows_needed:,} rows would, or demand more"
        )

    def undecided(self) -> str:
        """Say that more rows could decide what these do not."""
        rows = f": about {self.rows_needed:,} rows would tell them apart" if self.rows_needed else ""
        only = f"the value meets the limit, but only by {self.margin:.2g}"
        return f"{only}, and is known to ± {self.half_width:.2g}{rows}"

    def _told(self, half: str, detectable: str) -> str:
        if not math.isfinite(self.half_width):
            return f"{self.num_rows:,} rows set no limit to it"
        return (
            f"known to ± {half} from {self.num_rows:,} rows; what is truly {detectable} beyond the demand "
            "passes 4 times in 5"
        )


def resolution_of(interval: Interval, num_rows: int, confidence: float, *, margin: float) -> Resolution:
    """Return what the rows behind an interval can resolve.

    Args:
        interval: Of the figure.
        num_rows: Rows that it stands on.
        confidence: Coverage of the interval.
        margin: The difference that is to be seen.
    """
    half = (interval.high - interval.low) / 2
    wide = NormalDist().inv_cdf(0.5 + confidence / 2)
    detectable = half * (1.0 + NormalDist().inv_cdf(_POWER) / wide)
    needed = None
    if math.isfinite(half) and 0.0 < margin < half:
        needed = math.ceil(num_rows * (half / margin) ** 2)
    return Resolution(half, detectable, margin, num_rows, needed)
