"""Read and write tables of ratings: a column per rater, or a column per label with the number of raters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from luthier.core.errors import DataError
from luthier.data.annotation.items import Gold, Item, Rating
from luthier.data.sinks import writing
from luthier.data.sources import SURPLUS, read_rows

RATER_PREFIX = "rater:"
COUNT_PREFIX = "count:"
GOLD_COLUMN = "gold"
_SKIPPED = "(skipped)"
_ID_COLUMN = "id"


@dataclass
class RatingColumns:
    """A CSV, TSV, JSONL or Parquet file whose columns hold ratings.

    Args:
        path: The file.
        raters: Columns of raters; the column's name is the rater's. Columns named ``rater:NAME`` are found.
        counts: Columns with numbers of raters; the column's name is the label. ``count:LABEL`` are found.
        id_field: Column of the row's id.  [default: ``id`` where there is one, the row's number otherwise]
    """

    path: Path
    raters: Sequence[str] = ()
    counts: Sequence[str] = ()
    id_field: str | None = None
    ignored: Counter[str] = field(default_factory=Counter)
    """Nothing: every other column is part of the row's data."""

    def items(self) -> Iterator[Item]:
        """Yield one item a row; an empty cell is no rating.

        Raises:
            DataError: A column is missing, or a count is no whole number; row and field are named.
        """
        has_ratings = False
        for number, row in read_rows(self.path):
            where = f"{self.path}, row {number}"
            if not isinstance(row, dict):
                raise DataError(f"holds {type(row).__name__}, no object", where=where)
            if SURPLUS in row:
                raise DataError("has more fields than the header", where=where, cure="check its quotes")
            item = self._item(row, number, where)
            has_ratings = has_ratings or bool(item.ratings or item.counts or item.gold)
            yield item
        if not has_ratings:
            cure = "name the columns: `--rater COLUMN` for each rater, or `--count COLUMN` for each label"
            raise DataError("holds no ratings", where=str(self.path), cure=cure)

    def _item(self, row: Mapping[str, Any], number: int, where: str) -> Item:
        raters = {name: name for name in self.raters} or _named(row, RATER_PREFIX)
        counts = {name: name for name in self.counts} or _named(row, COUNT_PREFIX)
        named = [*raters, *counts, *([self.id_field] if self.id_field else [])]
        if missing := [name for name in named if name not in row]:
            cure = f"columns: {', '.join(map(str, row))}"
            raise DataError(f"there is no column {missing[0]!r}", where=where, cure=cure)
        ratings = []
        for column, rater in raters.items():
            if (label := _cell(row[column])) is not None:
                ratings.append(Rating(rater, None if label == _SKIPPED else label))
        id_field = self.id_field or (_ID_COLUMN if _ID_COLUMN in row else None)
        identity = _cell(row[id_field]) if id_field else str(number)
        if identity is None:
            raise DataError("the id is empty", where=f"{where}, field {id_field}")
        gold = _cell(row.get(GOLD_COLUMN))
        taken = {*raters, *counts, id_field, GOLD_COLUMN}
        return Item(
            id=identity,
            data={name: value for name, value in row.items() if name not in taken},
            ratings=tuple(ratings),
            counts=_counts({label: row[column] for column, label in counts.items()}, where),
            gold=Gold(gold) if gold is not None else None,
            where=where,
        )


def write_rating_columns(path: Path, items: Sequence[Item], labels: Iterable[str]) -> None:
    """Write a table that `RatingColumns` reads back.

    Times and pre-labels have no place in a table: `write_labelstudio` keeps them.

    Raises:
        DataError: A row has a field of the name of a rating's column.
    """
    raters = list(dict.fromkeys(rating.rater for item in items for rating in item.ratings))
    counted = list(labels) if any(item.counts for item in items) else []
    fields = list(dict.fromkeys(name for item in items for name in item.data))
    columns = [_ID_COLUMN, *(RATER_PREFIX + rater for rater in raters), *(COUNT_PREFIX + x for x in counted)]
    if clash := [name for name in fields if name in (*columns, GOLD_COLUMN)]:
        raise DataError(
            f"the rows have a field {clash[0]!r}, which is also a column of the table", where=str(path)
        )
    with writing(path) as write:
        for item in items:
            given = {rating.rater: rating.label or _SKIPPED for rating in item.ratings}
            write(
                {
                    _ID_COLUMN: item.id,
                    **{name: item.data.get(name) for name in fields},
                    **{RATER_PREFIX + rater: given.get(rater) for rater in raters},
                    **{COUNT_PREFIX + label: item.counts.get(label, 0) for label in counted},
                    GOLD_COLUMN: item.gold.label if item.gold else None,
                }
            )


def _named(row: Mapping[str, Any], prefix: str) -> dict[str, str]:
    """Return the columns with a prefix and what follows it."""
    return {
        name: name.removeprefix(prefix) for name in row if name.startswith(prefix) and len(name) > len(prefix)
    }


def _cell(value: Any) -> str | None:
    """Return a cell's text without spaces around it; None where it is empty."""
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() or None


def _counts(cells: Mapping[str, Any], where: str) -> dict[str, int]:
    counts = {}
    for label, value in cells.items():
        text = _cell(value) or "0"
        if not (text.isascii() and text.isdecimal()):
            problem = f"{value!r} is no number of raters"
            raise DataError(problem, where=f"{where}, count of {label}", cure="a whole number was expected")
        if int(text):
            counts[label] = int(text)
    return counts
