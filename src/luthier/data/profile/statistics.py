"""Chi-square's tail, adjustment for many tests, and draws of tables with given margins."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_MOST_TERMS = 100_000
_SMALLEST = 1e-300


def chi_square_tail(statistic: float, degrees: int) -> float:
    """Return the probability of a chi-square value at least this large.

    Reference:
        Numerical Recipes, 3rd edition, section 6.2: series and continued fraction of the incomplete gamma function.
    """
    shape, x = degrees / 2, statistic / 2
    if x <= 0:
        return 1.0
    factor = math.exp(-x + shape * math.log(x) - math.lgamma(shape))
    if x < shape + 1:
        term = total = 1.0 / shape
        for n in range(1, _MOST_TERMS):
            term *= x / (shape + n)
            total += term
            if term < total * 1e-16:
                break
        return max(0.0, 1.0 - factor * total)
    b = x + 1.0 - shape
    c, d = 1.0 / _SMALLEST, 1.0 / b
    fraction = d
    for n in range(1, _MOST_TERMS):
        a = -n * (n - shape)
        b += 2.0
        d = 1.0 / (a * d + b or _SMALLEST)
        c = b + a / c or _SMALLEST
        fraction *= c * d
        if abs(c * d - 1.0) < 1e-16:
            break
    return factor * fraction


def adjusted_p_values(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number, so that those below q have at most a share q of false ones.

    Reference:
        Benjamini and Hochberg 1995, "Controlling the false discovery rate".
    """
    count = len(p_values)
    adjusted = [1.0] * count
    least = 1.0
    for rank, index in zip(
        range(count, 0, -1), np.argsort(p_values, kind="stable")[::-1].tolist(), strict=True
    ):
        least = min(least, p_values[index] * (count / rank))
        adjusted[index] = least
    return adjusted


def table_of_same_margins(
    rows: NDArray[np.int64], columns: NDArray[np.int64], generator: np.random.Generator
) -> NDArray[np.int64]:
    """Draw a table of two values that have nothing to do with each other, from all with these sums (Fisher's)."""
    left = columns.copy()
    table = np.empty((len(rows), len(columns)), np.int64)
    for index, number in enumerate(rows):
        table[index] = generator.multivariate_hypergeometric(left, number, method="marginals")
        left -= table[index]
    return table
