"""Rows in which a field is missing: left out, or filled with a constant or with what the other rows have."""

from __future__ import annotations

import dataclasses
import math
import statistics
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow

from luthier.core.errors import DataError
from luthier.data.operators.batch import leave_out_at, rows_of
from luthier.data.operators.fields import pointer_of
from luthier.data.operators.rewrite import Edit, edit_rows
from luthier.data.operators.spool import spooled
from luthier.data.sample import Sample

Action = Literal["drop", "mean", "median", "mode", "constant"]
FROM_OTHER_ROWS = ("mean", "median", "mode")
"""Actions that fill a field with what the other rows say."""

_MOST_MODES = 1_000_000
_SAMPLE_FIELDS = {column.name for column in dataclasses.fields(Sample)}


@dataclass(frozen=True)
class MissingRule:
    """What becomes of rows that lack a field.

    Args:
        field: Name, dotted where nested.
        action: ``drop`` leaves the row out; the others fill the field.
        value: For ``constant``.
    """

    field: str
    action: Action
    value: Any = None


@dataclass(frozen=True)
class HandleMissing:
    """Step that leaves out or fills rows; mean, median and mode need all rows first, which wait on disk.

    A field is missing where it is absent, null, NaN, or a text of white space. Called again, the step fills with
    what it found the first time: held-out rows get the mean of the training rows, not their own.

    Args:
        rules: One a field.
        tokens: Texts that mean the same, such as ``NA``; case does not count.
        found: What fields are filled with, by field; the first call finds it.
    """

    rules: Sequence[MissingRule]
    tokens: Sequence[str] = ()
    found: dict[str, Any] = field(default_factory=dict, compare=False)

    def __call__(self, batches: Iterable[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        """Yield the batches with their missing fields filled."""
        tokens = frozenset(token.strip().lower() for token in self.tokens) | {""}
        if not any(rule.action in FROM_OTHER_ROWS for rule in self.rules):
            self.found.update({rule.field: rule.value for rule in self.rules})
        if self.found:
            yield from (self._handled(batch, tokens, self.found) for batch in batches)
            return
        known = {rule.field: _Known(rule) for rule in self.rules}
        with spooled(batches) as again:
            for batch in again():
                for index, row in _kept_rows(batch):
                    for seen in known.values():
                        seen.add(_value_at(row, seen.rule.field), tokens, batch, index)
            self.found.update({name: seen.fill() for name, seen in known.items()})
            yield from (self._handled(batch, tokens, self.found) for batch in again())

    def _handled(
        self, batch: pyarrow.RecordBatch, tokens: frozenset[str], values: Mapping[str, Any]
    ) -> pyarrow.RecordBatch:
        verdicts: dict[int, tuple[str, str]] = {}
        edits: dict[int, tuple[Any, list[Edit]]] = {}
        for index, row in _kept_rows(batch):
            self._check_fields(row)
            lacking = [rule for rule in self.rules if _is_missing(_value_at(row, rule.field), tokens)]
            if dropped := next((rule for rule in lacking if rule.action == "drop"), None):
                verdicts[index] = ("missing_value", f"field {dropped.field!r} is missing")
                continue
            for rule in lacking:
                before, after = _value_at(row, rule.field), values[rule.field]
                if not _set_value(row, rule.field, after):
                    verdicts[index] = (
                        "missing_value",
                        f"{rule.field!r} is missing and no object could hold it",
                    )
                    break
                edit = Edit(pointer_of(row, rule.field), before, after)
                edits.setdefault(index, (row, []))[1].append(edit)
        for index in verdicts:
            edits.pop(index, None)
        return leave_out_at(edit_rows(batch, "missing", edits), verdicts)

    def _check_fields(self, row: Any) -> None:
        """Refuse fields that a sample has no place for; a row of a file may lack any field."""
        if not isinstance(row, Mapping) or row.keys() != _SAMPLE_FIELDS:
            return
        for rule in self.rules:
            name = rule.field.split(".")[0]
            if name not in _SAMPLE_FIELDS:
                raise DataError(
                    f"data.clean.missing: the rows of a recipe have no field {rule.field!r}",
                    cure=f"name the column among the source's `attributes`, and here attributes.{rule.field}",
                )


@dataclass
class _Known:
    """What the rows that have a field say about it."""

    rule: MissingRule
    numbers: array[float] = field(default_factory=lambda: array("d"))
    counts: Counter[Any] = field(default_factory=Counter)
    types: set[type] = field(default_factory=set)

    def add(self, value: Any, tokens: frozenset[str], batch: pyarrow.RecordBatch, index: int) -> None:
        """Take the value of one row in."""
        if self.rule.action not in FROM_OTHER_ROWS or _is_missing(value, tokens):
            return
        if self.rule.action == "mode":
            self._count(value, batch, index)
            return
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            problem = f"field {self.rule.field!r} is {str(value)[:40]!r}: no number, so there is no {self.rule.action}"
            cure = "fill it with `mode` or a constant, or name the value as one that means missing"
            raise DataError(problem, where=_place(batch, index), cure=cure)
        self.types.add(type(value))
        self.numbers.append(number)

    def _count(self, value: Any, batch: pyarrow.RecordBatch, index: int) -> None:
        if isinstance(value, list | Mapping):
            problem = f"field {self.rule.field!r} holds a list or an object: it has no mode"
            raise DataError(problem, where=_place(batch, index), cure="fill it with a constant")
        self.counts[value] += 1
        if len(self.counts) > _MOST_MODES:
            problem = (
                f"field {self.rule.field!r} has more than {_MOST_MODES:,} values: its mode means nothing"
            )
            raise DataError(problem, where=_place(batch, index), cure="fill it with a constant")

    def fill(self) -> Any:
        """Return what missing fields are filled with."""
        if self.rule.action not in FROM_OTHER_ROWS:
            return self.rule.value
        if not self.counts and not self.numbers:
            problem = f"no row has the field {self.rule.field!r}: there is no {self.rule.action}"
            named = f"in a recipe, an attribute is `attributes.{self.rule.field}`"
            cure = f"check its name ({named}), or fill it with a constant"
            raise DataError(problem, cure=cure)
        if self.rule.action == "mode":
            return self.counts.most_common(1)[0][0]
        mean_or_median = statistics.fmean if self.rule.action == "mean" else statistics.median
        number = mean_or_median(self.numbers)
        if float not in self.types and number.is_integer():
            return str(int(number)) if self.types == {str} else int(number)
        return f"{number:.12g}" if self.types == {str} else number


def _kept_rows(batch: pyarrow.RecordBatch) -> Iterator[tuple[int, Any]]:
    is_kept = batch["reason"].is_null().to_pylist()
    return ((index, row) for index, row in enumerate(rows_of(batch)) if is_kept[index])


def _value_at(row: Any, name: str) -> Any:
    """Return the value of a field, None where it is absent."""
    if isinstance(row, Mapping) and name in row:
        return row[name]
    for key in name.split("."):
        row = row.get(key) if isinstance(row, Mapping) else None
    return row


def _set_value(row: dict[str, Any], name: str, value: Any) -> bool:
    """Set a field of a row; False where something other than an object stands in its way."""
    keys = [name] if name in row else name.split(".")
    place = row
    for key in keys[:-1]:
        if place.get(key) is None:
            place[key] = {}
        place = place[key]
        if not isinstance(place, dict):
            return False
    place[keys[-1]] = value
    return True


def _is_missing(value: Any, tokens: frozenset[str]) -> bool:
    if isinstance(value, str):
        return value.strip().lower() in tokens
    return value is None or (isinstance(value, float) and math.isnan(value))


def _place(batch: pyarrow.RecordBatch, index: int) -> str:
    return f"{batch['source'][index].as_py()}, row {batch['row'][index].as_py()}"
