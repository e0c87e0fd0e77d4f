"""Differences and ratios between groups, with intervals that hold for the most unlike pair of many.

The rate of a group of N rows is drawn from Beta(hits + 1/2, misses + 1/2), Jeffreys' posterior: a Bayesian bootstrap
within the group, which unlike the plain one does not call a rate certain because a small group happened to have no
miss. The upper end of a difference is that of the drawn difference between highest and lowest group; it errs to the
unfair side, as a gate needs it. The lower end is the largest of what is proved for any single pair, corrected for the
number of pairs: above 0 it proves that groups differ, which the drawn extremes alone never could deny.

References: D. B. Rubin, The Bayesian Bootstrap, 1981; L. D. Brown, T. T. Cai and A. DasGupta, Interval Estimation for a
Binomial Proportion, 2001, section 4 (coverage of Jeffreys' interval).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from luthier.evaluate.statistics import Interval, Resampling, Values

# Shapes: S draws, G groups, P pairs of groups.

Against = Literal["groups", "overall"]


@dataclass(frozen=True)
class Drawn:
    """A figure of each group, and its draws.

    Args:
        value_G: As measured.
        draws_SG: As they might have been.
        weight_G: Rows of each group that the figure stands on.
    """

    value_G: Values
    draws_SG: Values
    weight_G: Values


@dataclass(frozen=True)
class Disparity:
    """How unlike groups are.

    Args:
        difference: Highest less lowest, or the largest distance from all rows together.
        ratio: Lowest by highest, or the smallest one to all rows; None where the highest is 0.
        highest: Number of the group with the highest figure.
        lowest: Of the lowest.
    """

    difference: Interval
    ratio: Interval | None
    highest: int
    lowest: int


def draw_shares(hits_G: NDArray[np.int64], rows_G: NDArray[np.int64], how: Resampling) -> Drawn:
    """Draw the share of hits in each group; every group must have rows."""
    generator = np.random.default_rng(how.seed)
    draws_SG = generator.beta(hits_G + 0.5, rows_G - hits_G + 0.5, size=(how.samples, len(hits_G)))
    return Drawn(hits_G / rows_G, draws_SG, rows_G.astype(np.float64))


def compare_groups(figures: Sequence[Drawn], how: Resampling, against: Against = "groups") -> Disparity:
    """Compare groups by one figure, or by the worst of several.

    Args:
        figures: E.g. the shares of true and of false positives, for equalised odds.
        how: Coverage.
        against: Each other, or all rows together.
    """
    ones = [_compare_one(figure, how, against, num_figures=len(figures)) for figure in figures]
    values = [one.difference.value for one in ones]
    worst = ones[int(np.argmax(values))]
    difference_S = np.max([one.difference_S for one in ones], axis=0)
    tail = (1.0 - how.confidence) / 2.0
    difference = _around(
        max(values), max(one.difference.low for one in ones), _quantile(difference_S, 1.0 - tail)
    )
    ratio = None
    if all(one.ratio is not None for one in ones):
        ratios = [one.ratio for one in ones if one.ratio is not None]
        ratio_S = np.min([one.ratio_S for one in ones], axis=0)
        ratio = _around(min(r.value for r in ratios), _quantile(ratio_S, tail), min(r.high for r in ratios))
    return Disparity(difference, ratio, worst.highest, worst.lowest)


@dataclass(frozen=True)
class _One:
    difference: Interval
    ratio: Interval | None
    difference_S: Values
    ratio_S: Values
    highest: int
    lowest: int


def _compare_one(figure: Drawn, how: Resampling, against: Against, *, num_figures: int) -> _One:
    value_G, draws_SG = figure.value_G, figure.draws_SG
    highest, lowest = int(np.argmax(value_G)), int(np.argmin(value_G))
    if against == "groups":
        first, second = _all_pairs(len(value_G))
        left_V, right_V = value_G[first], value_G[second]
        left_SP, right_SP = draws_SG[:, first], draws_SG[:, second]
    else:
        share_G = figure.weight_G / figure.weight_G.sum()
        left_V, right_V = value_G, np.full(len(value_G), value_G @ share_G)
        left_SP = draws_SG
        right_SP = np.repeat((draws_SG @ share_G)[:, None], len(value_G), axis=1)
    # A pair is proved to differ in one direction: both directions of all pairs of all figures are tried.
    tail = (1.0 - how.confidence) / 2.0 / (left_SP.shape[1] * num_figures)
    apart_SP = left_SP - right_SP
    proved = max(_quantile(apart_SP, tail).max(), _quantile(-apart_SP, tail).max(), 0.0)
    difference_S = np.abs(apart_SP).max(axis=1)
    difference = Interval(float(np.abs(left_V - right_V).max()), float(proved), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio_SP = left_SP / right_SP
        ratio_SP = np.minimum(ratio_SP, 1.0 / ratio_SP)
        ratio_V = np.minimum(left_V / right_V, right_V / left_V)
    high = min(float(_quantile(left_SP / right_SP, 1.0 - tail).min()),
               float(_quantile(right_SP / left_SP, 1.0 - tail).min()), 1.0)  # fmt: skip
    # 0 by 0 says nothing; 0 by something is 0.
    exists = np.isfinite(ratio_V)
    value = float(ratio_V[exists].min()) if exists.any() else np.nan
    ratio = Interval(value, 0.0, high) if value_G.max() > 0 else None
    return _One(difference, ratio, difference_S, ratio_SP.min(axis=1), highest, lowest)


def _all_pairs(num_groups: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    return np.triu_indices(num_groups, k=1)


def _quantile(draws: Values, share: float) -> Values:
    return np.asarray(np.quantile(draws, share, axis=0))


def _around(value: float, low: float | Values, high: float | Values) -> Interval:
    """Return an interval that holds the value: draws shrink towards one half, which may leave it outside."""
    return Interval(float(value), min(float(low), float(value)), max(float(high), float(value)))
