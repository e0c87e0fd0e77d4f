"""Association of two columns: how far the value of one tells the value of the other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from luthier.data.profile.features import in_order
from luthier.data.profile.statistics import adjusted_p_values, chi_square_tail, table_of_same_margins

_DRAWS = 999
_MOST_CELLS_DRAWN = 5000
_CELLS_SHOWN = 5
_ROWS_THAT_TELL = 5


@dataclass(frozen=True)
class Cell:
    """A combination that is more or less frequent than chance has it.

    Args:
        first: Value of the first column.
        second: Value of the second.
        rows: Rows with both.
        expected: Rows with both, had the columns nothing to do with each other.
        residual: Standardised difference; beyond 2 or so it is no chance.
    """

    first: str
    second: str
    rows: int
    expected: float
    residual: float


@dataclass(frozen=True)
class Association:
    """What two columns have to do with each other.

    Args:
        first: Name of a column.
        second: Name of another.
        rows: Rows that have both.
        cramers_v: 0 nothing, 1 everything; corrected for the bias of small tables.
        chi_square: Pearson's statistic.
        degrees: Of freedom.
        p_value: Of the independence of both; None where the table is too thin to tell.
        is_drawn: The p-value is by permutation: cells expect too few rows for the chi-square distribution.
        q_value: Adjusted for the number of pairs that were looked at.
        cells: Those that differ most.
        shares: Of each value of the first, within each value of the second, shape [first, second].
        values: Names of both.
    """

    first: str
    second: str
    rows: int
    cramers_v: float
    chi_square: float
    degrees: int
    p_value: float | None
    is_drawn: bool
    cells: Sequence[Cell]
    table: Sequence[Sequence[int]]
    values: tuple[Sequence[str], Sequence[str]]
    q_value: float | None = None


def association(
    first: str, second: str, pairs: Mapping[tuple[str, str], int], *, seed: int = 0
) -> Association | None:
    """Measure what two columns have to do with each other; None where one of them has a single value.

    Args:
        first: Name of a column.
        second: Name of another.
        pairs: Rows by the values of both.
        seed: Of the permutations.

    Reference:
        Cramér's V with bias correction: Bergsma 2013, "A bias-correction for Cramér's V and Tschuprow's T".
        Adjusted residuals: Haberman 1973. Expected counts that suffice: Cochran 1954.
    """
    values = tuple(in_order(_by_size(pairs, side)) for side in (0, 1))
    if min(map(len, values)) < 2:
        return None
    table = np.array([[pairs.get((a, b), 0) for b in values[1]] for a in values[0]], np.int64)
    rows, columns, total = table.sum(axis=1), table.sum(axis=0), int(table.sum())
    expected = np.outer(rows, columns) / total
    chi_square = float(((table - expected) ** 2 / expected).sum())
    degrees = (len(rows) - 1) * (len(columns) - 1)
    is_thin = bool((expected < 5).mean() > 0.2 or expected.min() < 1)
    p_value: float | None = chi_square_tail(chi_square, degrees)
    if is_thin:
        p_value = _drawn_p_value(table, expected, chi_square, seed)
    return Association(
        first,
        second,
        total,
        corrected_v(chi_square, total, *table.shape),
        chi_square,
        degrees,
        p_value,
        is_thin and p_value is not None,
        _cells(table, expected, values),
        table.tolist(),
        (values[0], values[1]),
    )


def adjusted(found: Sequence[Association]) -> list[Association]:
    """Return associations with their q-values, the strongest first."""
    tested = [entry.p_value for entry in found if entry.p_value is not None]
    q_values = iter(adjusted_p_values(tested))
    named = [replace(e, q_value=None if e.p_value is None else next(q_values)) for e in found]
    return sorted(named, key=lambda entry: (-entry.cramers_v, entry.first, entry.second))


def corrected_v(chi_square: float, total: int, num_rows: int, num_columns: int) -> float:
    """Return Cramér's V with Bergsma's correction: about 0 for independent columns, whatever their values."""
    if total < 2:
        return 0.0
    phi = max(0.0, chi_square / total - (num_rows - 1) * (num_columns - 1) / (total - 1))
    rows = num_rows - (num_rows - 1) ** 2 / (total - 1)
    columns = num_columns - (num_columns - 1) ** 2 / (total - 1)
    smaller = min(rows, columns) - 1
    return math.sqrt(phi / smaller) if smaller > 0 else 0.0


def _by_size(pairs: Mapping[tuple[str, str], int], side: int) -> list[str]:
    sizes: dict[str, int] = {}
    for pair, number in pairs.items():
        sizes[pair[side]] = sizes.get(pair[side], 0) + number
    return sorted(sizes, key=lambda value: (-sizes[value], value))


def _drawn_p_value(
    table: NDArray[np.int64], expected: NDArray[np.float64], chi_square: float, seed: int
) -> float | None:
    if table.size > _MOST_CELLS_DRAWN:
        return None
    generator = np.random.default_rng(seed)
    margins = table.sum(axis=1), table.sum(axis=0)
    draws = (table_of_same_margins(*margins, generator) for _ in range(_DRAWS))
    as_large = sum(((drawn - expected) ** 2 / expected).sum() >= chi_square * (1 - 1e-9) for drawn in draws)
    return float((as_large + 1) / (_DRAWS + 1))


def _cells(
    table: NDArray[np.int64], expected: NDArray[np.float64], values: Sequence[Sequence[str]]
) -> list[Cell]:
    total = table.sum()
    outside_rows = 1 - table.sum(axis=1, keepdims=True) / total
    outside_columns = 1 - table.sum(axis=0, keepdims=True) / total
    residuals = (table - expected) / np.sqrt(expected * outside_rows * outside_columns)
    is_telling = np.maximum(table, expected) >= _ROWS_THAT_TELL
    order = np.where(is_telling, -np.abs(residuals), 0.0)
    largest = np.argsort(order, axis=None, kind="stable")[:_CELLS_SHOWN]
    return [
        Cell(
            values[0][row], values[1][column], int(table[row, column]),
            float(expected[row, column]), float(residuals[row, column]),
        )
        for row, column in zip(*np.unravel_index(largest, table.shape), strict=True)
    ]  # fmt: skip
