"""Fields of a raw row, read with their types checked; what does not fit is one RowError that names the field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class RowError(Exception):
    """One row does not fit its schema; `reason` is counted, the text is for a person."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def text_of(row: Mapping[str, Any], key: str, *, optional: bool = False, place: str = "") -> str:
    """Return a string field; an optional one that is not there is empty."""
    label = f"{place}.{key}" if place else key
    if not isinstance(row, Mapping):
        raise RowError("wrong_type", f"{place} is {type_name(row)}, an object was expected")
    value = row.get(key)
    if value is None and optional:
        return ""
    if value is None:
        raise RowError("missing_field", f"{label} is missing")
    if not isinstance(value, str):
        raise RowError("wrong_type", f"{label} is {type_name(value)}, a string was expected")
    return value


def filled_text_of(row: Mapping[str, Any], key: str) -> str:
    """Return a string field that says something."""
    text = text_of(row, key)
    if not text.strip():
        raise RowError("empty", f"{key} is empty")
    return text


def list_of(row: Mapping[str, Any], key: str, *, place: str = "") -> list[Any]:
    """Return a list field."""
    value = row.get(key)
    if not isinstance(value, list):
        label = f"{place}.{key}" if place else key
        raise RowError("wrong_type", f"{label} is {type_name(value)}, a list was expected")
    return value


def name_of(value: Any, label: str) -> str:
    """Return a class, tag or other name as text: tables write 1 where JSON has a number.

    Raises:
        RowError: It is missing, empty, or neither text, number nor truth value.
    """
    if value is None:
        raise RowError("missing_field", f"{label} is missing")
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise RowError("wrong_type", f"{label} is {type_name(value)}, a string or a number was expected")
    if not str(value).strip():
        raise RowError("empty_label", f"{label} is empty")
    return str(value)


def from_json(text: str, reason: str, subject: str) -> Any:
    """Return the value of JSON text in a field."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # a number of thousands of digits is a plain ValueError
        raise RowError(reason, f"{subject} not JSON: {error}") from error


def type_name(value: Any) -> str:
    """Return the JSON name of a value's type, with its article."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "a truth value", int: "a number"}
    return "absent" if value is None else names.get(type(value), f"a {type(value).__name__}")
