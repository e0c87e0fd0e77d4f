"""What is expected of each unit before its outcome is seen: from the units before it, its stratum and its covariate.

Expectations from earlier units only may be as good or as bad as they like: a sequential test stays valid, and becomes
more powerful with better ones. This is how strata and CUPED enter a test that allows peeking.
"""

from __future__ import annotations

import numpy as np

from luthier.evaluate.ab.units import Units, Values

_STRATUM_UNITS = 10.0
"""As many units of the mean over all strata stand in each stratum at its start."""


def expected(units: Units, start: float | None = None) -> Values:
    """Return the expected total of each unit, shape [..., N], from the units before it alone.

    Args:
        units: In order of arrival.
        start: Expected of the first, and counted as one unit from then on; without it the first has NaN.
    """
    ratio_N = _running_ratio(units.totals_N, units.counts_N, start)
    if units.strata_N is not None:
        ratio_N = _by_stratum(units, ratio_N)
    expected_N = ratio_N * units.counts_N
    if units.covariate_N is not None:
        expected_N = expected_N + _explained(units.totals_N - expected_N, units.covariate_N)
    return expected_N


def sums_before(values_N: Values) -> Values:
    """Return the sums of all values before each, to which the value itself leaves no trace by rounding."""
    sums_N = np.zeros_like(values_N, dtype=np.float64)
    np.cumsum(values_N[..., :-1], axis=-1, out=sums_N[..., 1:])
    return sums_N


def _running_ratio(totals_N: Values, counts_N: Values, start: float | None) -> Values:
    totals, counts = sums_before(totals_N), sums_before(counts_N)
    if start is not None:
        return (totals + start) / (counts + 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio_N = totals / counts
    ratio_N[..., 0] = np.nan
    return ratio_N


def _by_stratum(units: Units, ratio_N: Values) -> Values:
    """Return the running ratio in the unit's stratum, drawn to that of all strata while the stratum is small."""
    strata_N = units.strata_N
    assert strata_N is not None
    number_N = np.maximum(np.arange(units.totals_N.shape[-1]), 1)
    weight_N = _STRATUM_UNITS * sums_before(units.counts_N) / number_N
    result_N = ratio_N.copy()
    for stratum in range(int(strata_N.max()) + 1):
        inside_N = strata_N == stratum
        totals_N = sums_before(units.totals_N * inside_N)
        counts_N = sums_before(units.counts_N * inside_N)
        with np.errstate(divide="ignore", invalid="ignore"):
            drawn_N = (totals_N + weight_N * ratio_N) / (counts_N + weight_N)
        result_N = np.where(inside_N & ~np.isnan(drawn_N), drawn_N, result_N)
    return result_N


def _explained(away_N: Values, covariate_N: Values) -> Values:
    """Return what a regression on the covariate, fitted to the units before, explains of each unit's distance."""
    known_N = ~np.isnan(covariate_N)
    covariate_N = np.where(known_N, covariate_N, 0.0)
    num_N = sums_before(known_N.astype(np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        centre_N = sums_before(covariate_N) / num_N
        centred_N = np.where(known_N & (num_N > 0), covariate_N - centre_N, 0.0)
        away_N = np.nan_to_num(away_N)
        slope_N = sums_before(away_N * centred_N) / sums_before(centred_N**2)
    return np.where(np.isfinite(slope_N), slope_N, 0.0) * centred_N
