"""Intervals of figures that stand on two sets of rows, such as the gap between training rows and held-out rows.

Reference: B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 8 (two samples): each set is
resampled by itself. Two models that were measured on the same rows are resampled together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from luthier.evaluate.bootstrap import (
    Resampling,
    Values,
    are_few,
    ends_of_few,
    jackknife_error,
    percentiles,
    row_counts,
)
from luthier.evaluate.statistics import Interval

Figure = Callable[[Values, Values], Values]
"""From sums over the rows of each set, shapes [..., K] and [..., L], to the figure [...]."""


def two_sample_interval(
    first_NK: Values, second_ML: Values, figure: Figure, how: Resampling
) -> Interval | None:
    """Return a figure with its expanded percentile interval; None where it does not exist, e.g. by a division by 0.

    Draws in which it does not exist count as infinitely bad and good, half each: the interval grows by them. The
    smaller set decides how far it is expanded, and whether it is Student's, as it is of few rows.

    Args:
        first_NK: Figures of each row of one set.
        second_ML: Figures of each row of the other.
        figure: See `Figure`.
        how: Draws, coverage and seed.
    """
    return _interval((first_NK, second_ML), figure, how)


def one_sample_interval(
    figures_NK: Values, figure: Callable[[Values], Values], how: Resampling
) -> Interval | None:
    """Return likewise the figure of one set of rows, on which several models may have been measured."""
    return _interval((figures_NK,), figure, how)


def _interval(sets: Sequence[Values], figure: Callable[..., Values], how: Resampling) -> Interval | None:
    sums = [rows.sum(axis=0) for rows in sets]
    sizes = [len(rows) for rows in sets]
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(figure(*sums))
        if not np.isfinite(value):
            return None
        if are_few(min(sizes), how.confidence):
            errors = [
                float(jackknife_error(rows, partial(_of_one_set, figure, sums, number)))
                for number, rows in enumerate(sets)
            ]
            return Interval(value, *ends_of_few(value, math.hypot(*errors), min(sizes), how.confidence))
        draws_of_sets = [
            row_counts(size, how, stream=number, most_rows=max(sizes)) for number, size in enumerate(sizes)
        ]
        drawn = [
            figure(*(counts @ rows for counts, rows in zip(counts_of_sets, sets, strict=True)))
            for counts_of_sets in zip(*draws_of_sets, strict=True)
        ]
    draws = np.concatenate(drawn)
    missing = np.flatnonzero(np.isnan(draws))
    draws[missing[::2]], draws[missing[1::2]] = np.inf, -np.inf
    return Interval(value, *percentiles(draws, how.confidence, min(sizes)))


def _of_one_set(
    figure: Callable[..., Values], sums: Sequence[Values], number: int, drawn_SK: Values
) -> Values:
    """Return the figure [S] where only one set varies."""
    return figure(*sums[:number], drawn_SK, *sums[number + 1 :])
