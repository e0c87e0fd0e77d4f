"""How far raters agree: Fleiss, Krippendorff and, for each two raters, Cohen, all with bootstrap intervals."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from luthier.core.errors import DataError
from luthier.data.annotation.bootstrap import bootstrap_interval
from luthier.data.annotation.kappa import (
    Weights,
    cohen_kappa,
    fleiss_kappa,
    label_distances,
    observed_agreement,
    randolph_kappa,
)
from luthier.data.annotation.krippendorff import krippendorff_alpha
from luthier.data.annotation.rating_table import MISSING, IntArray, RatingTable, is_number

Scale = Literal["nominal", "ordinal", "interval", "ratio"]
FloatArray = NDArray[np.float64]
_WEIGHTS: dict[Scale, Weights] = {
    "nominal": "none",
    "ordinal": "linear",
    "interval": "quadratic",
    "ratio": "quadratic",
}


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are made."""

    num_samples: int = 1000
    confidence: float = 0.95
    seed: int = 0


@dataclass(frozen=True)
class Measure:
    """One coefficient with its interval.

    Args:
        name: ``fleiss_kappa``, ``krippendorff_alpha``, …
        value: None where it is not defined; ``note`` says why.
        low: Lower end of the interval.
        high: Upper end.
        num_rows: Rows that it rests on.
        note: What a reader must know, e.g. which rows it leaves out.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    num_rows: int
    note: str = ""


@dataclass(frozen=True)
class Pair:
    """Cohen's kappa of two raters on the rows that both rated."""

    first: str
    second: str
    kappa: Measure
    p_value: float | None


@dataclass(frozen=True)
class Agreement:
    """All coefficients of one table of ratings."""

    scale: Scale
    num_rows: int
    num_ratings: int
    measures: tuple[Measure, ...]
    pairs: tuple[Pair, ...] = field(default=())


def agreement_of(
    table: RatingTable,
    scale: Scale = "nominal",
    *,
    raters_per_row: int | None = None,
    bootstrap: Bootstrap | None = None,
) -> Agreement:
    """Return how far the raters of a table agree.

    Args:
        table: The ratings; those without a rater's name count for all coefficients but Cohen's.
        scale: ``ordinal`` takes the labels in the table's order, ``interval`` and ``ratio`` as numbers.
        raters_per_row: Fleiss' kappa takes rows with this many ratings.  [default: the most frequent number]
        bootstrap: Samples, confidence and seed of the intervals.

    Raises:
        DataError: No row has two ratings, or a label of an interval or ratio scale is no number.
    """
    options = bootstrap or Bootstrap()
    values_L = label_values(table.labels, scale)
    counts_NL = table.counts_NL
    raters_N = counts_NL.sum(axis=1)
    if not (raters_N > 1).any():
        cure = "let two raters rate the same rows"
        raise DataError("no row has two ratings: there is nothing to agree on", cure=cure)
    paired = counts_NL[raters_N > 1]
    equal, note = _rows_of_equal_size(counts_NL, raters_per_row)

    def alpha(counts: IntArray, weights: FloatArray) -> float:
        return krippendorff_alpha(counts, values_L, scale, weights)

    measures = (
        _measure("observed_agreement", observed_agreement, paired, options),
        _measure("fleiss_kappa", fleiss_kappa, equal, options, note),
        _measure("randolph_kappa", randolph_kappa, equal, options, note),
        _measure(f"krippendorff_alpha_{scale}", alpha, paired, options),
    )
    distances_LL = label_distances(values_L, _WEIGHTS[scale])
    pairs = tuple(
        _pair(table, first, second, distances_LL, options)
        for first, second in combinations(range(len(table.raters)), 2)
    )
    return Agreement(scale, int((raters_N > 0).sum()), int(raters_N.sum()), measures, pairs)


def label_values(labels: tuple[str, ...], scale: Scale) -> FloatArray:
    """Return the labels' places on their scale.

    Raises:
        DataError: A label of an interval or ratio scale is no number.
    """
    if scale in ("nominal", "ordinal"):
        return np.arange(len(labels), dtype=np.float64)
    if wrong := [label for label in labels if not is_number(label)]:
        cure = "use the nominal or the ordinal scale"
        raise DataError(f"label {wrong[0]!r} is no number, which the {scale} scale needs", cure=cure)
    return np.array([float(label) for label in labels])


def _rows_of_equal_size(counts_NL: IntArray, raters_per_row: int | None) -> tuple[IntArray, str]:
    """Return the rows with the number of ratings that Fleiss' kappa takes, and which these are."""
    raters_N = counts_NL.sum(axis=1)
    sizes = Counter(raters_N[raters_N > 1].tolist())
    size = raters_per_row or max(sizes, key=lambda size: (sizes[size], size))
    if size not in sizes:
        known = ", ".join(f"{size} ({number:,} rows)" for size, number in sorted(sizes.items()))
        raise DataError(f"no row has {size} ratings", cure=f"numbers of ratings: {known}")
    left_out = int((raters_N > 0).sum()) - sizes[size]
    note = f"rows with {size} ratings" + (f"; {left_out:,} others left out" if left_out else "")
    return counts_NL[raters_N == size], note


def _measure(
    name: str,
    coefficient: Callable[[IntArray, FloatArray], float],
    counts_NL: IntArray,
    options: Bootstrap,
    note: str = "",
) -> Measure:
    distinct_PL, multiplicities_P = np.unique(counts_NL, axis=0, return_counts=True)
    return _with_interval(
        name, lambda weights_P: coefficient(distinct_PL, weights_P), multiplicities_P, options, note
    )


def _pair(table: RatingTable, first: int, second: int, distances_LL: FloatArray, options: Bootstrap) -> Pair:
    size = len(table.labels)
    both_N2 = table.labels_NR[:, [first, second]]
    both_N2 = both_N2[(both_N2 != MISSING).all(axis=1)]
    cells = np.bincount(both_N2[:, 0] * size + both_N2[:, 1], minlength=size * size)

    def kappa(weights: FloatArray) -> float:
        return cohen_kappa(weights.reshape(size, size), distances_LL).value

    measure = _with_interval("cohen_kappa", kappa, cells, options)
    p_value = cohen_kappa(cells.reshape(size, size), distances_LL).p_value
    return Pair(table.raters[first], table.raters[second], measure, _number(p_value))


def _with_interval(
    name: str,
    coefficient: Callable[[FloatArray], float],
    multiplicities_P: IntArray,
    options: Bootstrap,
    note: str = "",
) -> Measure:
    num_rows = int(multiplicities_P.sum())
    value = _number(coefficient(multiplicities_P.astype(np.float64))) if num_rows else None
    if value is None:
        why = "all ratings are the same label" if num_rows else "no row is rated by both"
        return Measure(
            name, None, None, None, num_rows, "; ".join(filter(None, (note, f"not defined: {why}")))
        )
    interval = bootstrap_interval(
        coefficient,
        multiplicities_P,
        num_samples=options.num_samples,
        confidence=options.confidence,
        seed=options.seed,
    )
    if interval.num_undefined:
        share = interval.num_undefined / options.num_samples
        note = "; ".join(filter(None, (note, f"not defined in {share:.0%} of the bootstrap samples")))
    return Measure(name, value, _number(interval.low), _number(interval.high), num_rows, note)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
