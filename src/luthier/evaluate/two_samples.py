"""Intervals of figures that stand on two sets of rows, such as the gap between training rows and held-out rows.

Reference: B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 8 (two samples): each set is
resampled by itself. Two models that were measured on the same rows are resampled together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from luthier.evaluate.bootstrap import Resampling, Values, percentiles
from luthier.evaluate.statistics import Interval

_BLOCK = 250
Figure = Callable[[Values, Values], Values]
"""From sums over the rows of each set, shapes [..., K] and [..., L], to the figure [...]."""


def two_sample_interval(
    first_NK: Values, second_ML: Values, figure: Figure, how: Resampling
) -> Interval | None:
    """Return a figure with its expanded percentile interval; None where it does not exist, e.g. by a division by 0.

    Draws in which it does not exist count as infinitely bad and good, half each: the interval grows by them.

    Args:
        first_NK: Figures of each row of one set.
        second_ML: Figures of each row of the other.
        figure: See `Figure`.
        how: Draws, coverage and seed.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(figure(first_NK.sum(axis=0), second_ML.sum(axis=0)))
        if not np.isfinite(value):
            return None
        generator = np.random.default_rng(how.seed)
        drawn = [
            figure(one @ first_NK, other @ second_ML)
            for one, other in zip(
                _counts(len(first_NK), how.samples, generator),
                _counts(len(second_ML), how.samples, np.random.default_rng([how.seed, 1])),
                strict=True,
            )
        ]
    draws = np.concatenate(drawn)
    missing = np.flatnonzero(np.isnan(draws))
    draws[missing[::2]], draws[missing[1::2]] = np.inf, -np.inf
    # The smaller set decides; a second one of a single row stands for none.
    fewest = min(len(rows) for rows in (first_NK, second_ML) if len(rows) > 1 or rows is first_NK)
    return Interval(value, *percentiles(draws, how.confidence, fewest))


def one_sample_interval(
    figures_NK: Values, figure: Callable[[Values], Values], how: Resampling
) -> Interval | None:
    """Return likewise the figure of one set of rows, on which several models may have been measured."""
    nothing = np.zeros((1, 1))
    return two_sample_interval(figures_NK, nothing, lambda sums, _: figure(sums), how)


def _counts(num_rows: int, samples: int, generator: np.random.Generator) -> Iterator[Values]:
    """Yield how often each row is drawn in a resample, in blocks [resamples, rows]."""
    for start in range(0, samples, _BLOCK):
        size = min(_BLOCK, samples - start)
        drawn = generator.multinomial(num_rows, np.full(num_rows, 1.0 / num_rows), size=size)
        yield drawn.astype(np.float64)
