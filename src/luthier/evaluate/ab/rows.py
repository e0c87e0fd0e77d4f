"""Read the rows of an experiment: columns of variant, unit, metrics, covariate and stratum, added up by unit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luthier.core.errors import DataError
from luthier.data.sources import read_rows

ROWS = "rows"
"""Denominator of a metric that is a mean over rows: each row counts 1."""


@dataclass(frozen=True)
class Metric:
    """A metric: the sum of a column a unit, or of one column over the sum of another.

    Args:
        name: As the user wrote it.
        numerator: Column.
        denominator: Column, ``rows``, or None for a metric per unit.
    """

    name: str
    numerator: str
    denominator: str | None


@dataclass(frozen=True)
class Columns:
    """Columns of a file of an experiment.

    Args:
        variant: Which variant a row belongs to.
        metrics: What is measured.
        unit: Whom the row is of; None if every row is a unit.
        order: Sorts the rows by time; None if they stand in their order.
        covariate: Known before the assignment; may be empty.
        stratum: Likewise.
    """

    variant: str
    metrics: Sequence[Metric]
    unit: str | None = None
    order: str | None = None
    covariate: str | None = None
    stratum: str | None = None


@dataclass
class UnitRow:
    """What all rows of one unit add up to.

    Args:
        variant: Of the unit.
        row: Number of its first row.
        totals: Of each metric.
        counts: Likewise.
        covariate: NaN where it is missing.
        stratum: None where there are none.
        completed: What the last row was sorted by.
    """

    variant: str
    row: int
    totals: list[float]
    counts: list[float]
    covariate: float
    stratum: str | None
    completed: Any


def metric_of(text: str) -> Metric:
    """Return the metric that a user wrote: ``COLUMN`` or ``COLUMN/COLUMN``.

    Raises:
        DataError: It has no such form.
    """
    parts = text.split("/")
    if len(parts) > 2 or not all(part.strip() for part in parts):
        cure = "write COLUMN, or NUMERATOR/DENOMINATOR for a ratio"
        raise DataError(f"{text!r} is no metric", where="--metric", cure=cure)
    return Metric(text, parts[0].strip(), parts[1].strip() if len(parts) == 2 else None)


def read_units(path: Path, columns: Columns) -> list[UnitRow]:
    """Return the units of a file in the order in which they were complete: that of their last rows.

    Raises:
        DataError: A column is not there, a value is not what it must be, or a unit has two variants.
    """
    rows = [(number, _checked(row, number, path, columns)) for number, row in read_rows(path)]
    if columns.order:
        rows = _sorted(rows, path, columns.order)
    units: dict[Any, UnitRow] = {}
    for position, (number, row) in enumerate(rows):
        here = f"{path}, row {number}"
        key = number if columns.unit is None else _name(row, columns.unit, here)
        found = _unit(row, number, here, columns, position)
        known = units.pop(key, None)
        units[key] = found if known is None else _added(known, found, columns, key, here)
    return list(units.values())


def _checked(row: Any, number: int, path: Path, columns: Columns) -> Mapping[str, Any]:
    here = f"{path}, row {number}"
    if not isinstance(row, Mapping):
        raise DataError("the row is no object with fields", where=here, cure="write one JSON object a line")
    for column in _named(columns):
        if column not in row:
            known = ", ".join(map(str, row))
            raise DataError(f"there is no column {column!r}", where=here, cure=f"the columns are {known}")
    return row


def _named(columns: Columns) -> list[str]:
    of_metrics = [name for metric in columns.metrics for name in (metric.numerator, metric.denominator)]
    names = [columns.variant, *of_metrics, columns.unit, columns.order, columns.covariate, columns.stratum]
    return [name for name in names if name is not None and name != ROWS]


def _sorted(rows: list[tuple[int, Mapping[str, Any]]], path: Path, order: str) -> list[tuple[int, Any]]:
    """Return rows by time: by number where all are numbers, else by text, which sorts ISO dates."""
    for number, row in rows:
        if row[order] is None or row[order] == "":
            cure = "give every row its time"
            raise DataError(f"{order} is empty", where=f"{path}, row {number}", cure=cure)
    try:
        return sorted(rows, key=lambda one: float(one[1][order]))
    except (TypeError, ValueError):
        return sorted(rows, key=lambda one: str(one[1][order]))


def _unit(row: Mapping[str, Any], number: int, here: str, columns: Columns, position: int) -> UnitRow:
    totals, counts = [], []
    for metric in columns.metrics:
        totals.append(_number(row, metric.numerator, here))
        if metric.denominator in (None, ROWS):
            counts.append(1.0)
            continue
        count = _number(row, str(metric.denominator), here)
        if count < 0:
            problem = f"{metric.denominator} is {count:g}, a denominator is not negative"
            raise DataError(problem, where=here, cure="choose a column that counts, such as impressions")
        counts.append(count)
    covariate = math.nan
    if columns.covariate and row[columns.covariate] not in (None, ""):
        covariate = _number(row, columns.covariate, here)
    stratum = None if columns.stratum is None else _name(row, columns.stratum, here)
    return UnitRow(_name(row, columns.variant, here), number, totals, counts, covariate, stratum, position)


def _added(known: UnitRow, new: UnitRow, columns: Columns, key: Any, here: str) -> UnitRow:
    """Return a unit with one more of its rows."""
    if new.variant != known.variant:
        raise DataError(
            f"{columns.unit} {key!r} has variant {new.variant!r} here and {known.variant!r} in row {known.row}",
            where=here,
            cure="a unit has one variant: assign by a sticky hash (luthier ab assign), or take such units out",
        )
    for column, one, other in (
        (columns.stratum, known.stratum, new.stratum),
        (columns.covariate, known.covariate, new.covariate),
    ):
        if one != other and not (one != one and other != other):
            raise DataError(
                f"{columns.unit} {key!r} has {column} {other!r} here and {one!r} in row {known.row}",
                where=here,
                cure="what was known before the assignment is the same in all rows of a unit",
            )
    known.totals = [a + b for a, b in zip(known.totals, new.totals, strict=True)]
    known.counts = [
        a + b if metric.denominator else 1.0
        for metric, a, b in zip(columns.metrics, known.counts, new.counts, strict=True)
    ]
    known.completed = new.completed
    return known


def _name(row: Mapping[str, Any], column: str, here: str) -> str:
    value = row[column]
    if value is None or str(value).strip() == "":
        raise DataError(f"{column} is empty", where=here, cure="every row needs it; take such rows out")
    return str(value)


def _number(row: Mapping[str, Any], column: str, here: str) -> float:
    value = row[column]
    text = str(value).strip().lower()
    if text in ("true", "false"):
        return float(text == "true")
    try:
        number = float(text) if not isinstance(value, list | dict) else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        cure = (
            "write 0 for units without it; rows that were not measured are to be taken out of both variants"
        )
        raise DataError(f"{column} is {value!r}, a number was expected", where=here, cure=cure)
    return number
