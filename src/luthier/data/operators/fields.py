"""Where the texts of a row stand: field patterns to JSON pointers, and texts put back in their places."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

_ANY = ("*", "**")

Found = list[tuple[str, str]]
"""JSON pointer (RFC 6901) and text of each string."""


def text_paths(row: Any, fields: Sequence[str]) -> Found:
    """Return JSON pointer and text of each string that the fields name; see `text_finder`."""
    return text_finder(fields)(row)


def text_finder(fields: Sequence[str]) -> Callable[[Any], Found]:
    """Return a function that finds the texts of a row.

    Args:
        fields: Dotted paths; ``*`` is any entry, ``**`` any string below. A column whose name holds
            a dot is found under its whole name.
    """
    if all("." not in field and field not in _ANY for field in fields):
        return _column_finder(fields)
    if tuple(fields) == ("**",):
        return _every_string
    patterns = [(field, field.split("."), f"/{_escaped(field)}") for field in fields]

    def find(row: Any) -> Found:
        is_mapping = isinstance(row, Mapping)
        found: Found = []
        for field, pattern, pointer in patterns:
            if is_mapping and field in row and field not in _ANY:
                if isinstance(row[field], str):
                    found.append((pointer, row[field]))
            else:
                _find(row, pattern, 0, "", found)
        return found if len(found) < 2 else list(dict(found).items())

    return find


def _column_finder(fields: Sequence[str]) -> Callable[[Any], Found]:
    pointers = [(field, f"/{_escaped(field)}") for field in dict.fromkeys(fields)]

    def find(row: Any) -> Found:
        if not isinstance(row, dict):
            return []
        return [(pointer, text) for field, pointer in pointers if isinstance(text := row.get(field), str)]

    return find


def number_paths(row: Any, fields: Sequence[str]) -> list[tuple[str, int | float]]:
    """Return JSON pointer and value of each number that the fields name; see `text_finder`."""
    found: list[tuple[str, int | float]] = []
    for field in fields:
        _find(row, field.split("."), 0, "", found, (int, float))
    return found if len(fields) < 2 else list(dict(found).items())


def _every_string(row: Any) -> Found:
    found: Found = []
    if type(row) is dict:
        for name, value in row.items():
            if type(value) is str:
                found.append((_pointer(name), value))
            elif type(value) is not int:
                _find(value, ("**",), 0, _pointer(name), found)
    else:
        _find(row, ("**",), 0, "", found)
    return found


def pointer_of(row: Any, field: str) -> str:
    """Return the JSON pointer of a field that names one value."""
    keys = [field] if isinstance(row, Mapping) and field in row else field.split(".")
    return "".join(f"/{_escaped(key)}" for key in keys)


def with_texts(row: Any, pointers: Sequence[str], texts: Sequence[str]) -> Any:
    """Put texts in their places in a row, and return it."""
    for pointer, text in zip(pointers, texts, strict=True):
        *above, last = _keys_of(pointer)
        place = row
        for key in above:
            place = place[int(key) if isinstance(place, list) else key]
        place[int(last) if isinstance(place, list) else last] = text
    return row


@lru_cache(maxsize=4096)
def _keys_of(pointer: str) -> tuple[str, ...]:
    return tuple(key.replace("~1", "/").replace("~0", "~") for key in pointer[1:].split("/"))


def _find(
    value: Any,
    pattern: Sequence[str],
    depth: int,
    pointer: str,
    found: list[Any],
    kinds: type | tuple[type, ...] = str,
) -> None:
    is_leaf = isinstance(value, kinds) and not isinstance(value, bool)
    if depth == len(pattern):
        if is_leaf:
            found.append((pointer, value))
        return
    key = pattern[depth]
    if key == "**" and is_leaf:
        found.append((pointer, value))
    elif isinstance(value, Mapping):
        if key not in _ANY:
            if key in value:
                _find(value[key], pattern, depth + 1, f"{pointer}/{_escaped(key)}", found, kinds)
            return
        below = depth if key == "**" else depth + 1
        for name, part in value.items():
            _find(part, pattern, below, f"{pointer}/{_escaped(str(name))}", found, kinds)
    elif isinstance(value, list | tuple):
        below = depth if key == "**" else depth + 1
        for index, part in enumerate(value):
            if key in _ANY or key == str(index):
                _find(part, pattern, below, f"{pointer}/{index}", found, kinds)


@lru_cache(maxsize=4096)
def _pointer(name: str) -> str:
    return f"/{_escaped(name)}"


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
