"""The class of a row: the value of its label, its group or an attribute, or of several of them together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from luthier.data.row_fields import RowError, name_of

Find = Callable[[Mapping[str, Any], str], str | None]
"""From a row and the name of a field to its value; None where the row has none."""

_BETWEEN = " × "
_FIELDS_OF_SAMPLES = ("source", "group", "task")


def value_in_sample(sample: Mapping[str, Any], field: str) -> str | None:
    """Return a value of a sample, as `dataclasses.asdict` took it apart: its label, group, source, task or attribute.

    Several labels are one value, in the order of the alphabet.
    """
    if field == "label":
        labels = sample.get("labels")
        return None if labels is None else "+".join(sorted(labels)) or "(no label)"
    value = sample.get(field) if field in _FIELDS_OF_SAMPLES else sample["attributes"].get(field)
    return None if value is None else str(value)


def value_in_row(row: Mapping[str, Any], field: str) -> str | None:
    """Return a value of a row of a file, by the name of its column."""
    value = row.get(field)
    if isinstance(value, list):
        return "+".join(sorted(map(str, value))) or "(no label)"
    try:
        return None if value is None or value == "" else name_of(value, field)
    except RowError:
        return None


def class_of(row: Mapping[str, Any], by: Sequence[str], find: Find) -> tuple[str, ...] | None:
    """Return the values of the fields, or None where one is missing."""
    values = [find(row, field) for field in by]
    return None if None in values else tuple(value for value in values if value is not None)


def shown(values: tuple[str, ...]) -> str:
    """Return a class as people read it."""
    return _BETWEEN.join(values)
