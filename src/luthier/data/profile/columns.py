"""Columns of a file as it is: what is missing, empty, or nearly always the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from luthier.data.profile.categories import Categories
from luthier.data.row_json import dumps

NEARLY_ALWAYS = 0.99
_VALUES_KEPT = 1000
_MOST_CHARACTERS = 200
_MOST_COLUMNS = 500


@dataclass
class _Column:
    present: int = 0
    empty: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    values: Categories = field(default_factory=lambda: Categories(_VALUES_KEPT))


class Columns:
    """Counts what stands in each column of raw rows."""

    def __init__(self) -> None:
        self._columns: dict[str, _Column] = {}
        self._num_rows = 0

    def add(self, row: Any) -> None:
        """Take a row as it was read."""
        self._num_rows += 1
        for name, value in row.items() if isinstance(row, Mapping) else ():
            column = self._columns.get(name)
            if column is None:
                if len(self._columns) >= _MOST_COLUMNS:
                    continue
                column = self._columns[name] = _Column()
            column.present += 1
            column.kinds[_kind(value)] += 1
            if _is_empty(value):
                column.empty += 1
            elif isinstance(value, str):
                column.values.add(value[:_MOST_CHARACTERS])
            else:
                column.values.add(dumps(value)[:_MOST_CHARACTERS].decode("utf-8", "replace"))

    def as_json(self) -> list[dict[str, Any]]:
        """Return a column's facts each, in the order they first stood in."""
        return [self._facts(name, column) for name, column in self._columns.items()]

    def _facts(self, name: str, column: _Column) -> dict[str, Any]:
        values = column.values.largest()
        named = [entry for entry in values if entry[0] != "(other values)"]
        top, number = named[0] if named else (None, 0)
        filled = column.present - column.empty
        return {
            "name": str(name),
            "missing": self._num_rows - column.present,
            "empty": column.empty,
            "types": dict(column.kinds.most_common()),
            "distinct": len(column.values.counts) - column.values.is_capped,
            "has_more_values": column.values.is_capped,
            "most_frequent": top,
            "most_frequent_share": number / filled if filled else 0.0,
            "is_nearly_constant": bool(filled and self._num_rows > 1 and number / filled >= NEARLY_ALWAYS),
        }


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip()) or value in ([], {})


def _kind(value: Any) -> str:
    names = {str: "text", bool: "truth value", int: "number", float: "number", list: "list", dict: "object"}
    return "null" if value is None else names.get(type(value), type(value).__name__)
