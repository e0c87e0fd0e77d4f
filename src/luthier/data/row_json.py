"""JSON of rows: read and written by orjson where it is exact, by Python's own reader where it is not."""

from __future__ import annotations

import base64
import datetime
import decimal
import json
import math
import re
from collections.abc import Mapping
from itertools import accumulate
from typing import Any

import orjson
import pyarrow
import pyarrow.compute as compute

Json = orjson.Fragment
"""JSON bytes inside a value that `dumps` takes, written as they are."""

LONG_NUMBER = "[0-9]{19}"
"""Digits that may not fit into 64 bits."""

_LONG_NUMBER = re.compile(LONG_NUMBER.encode())
_OPTIONS = (
    orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_SUBCLASS
)


MOST_LEVELS = 200
"""Levels that a row may be nested: what is done to rows goes down level by level, and Python's stack ends at 1,000."""

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_BRACKET = re.compile(rb"[\[\]{}]")


def is_too_deep(raw: bytes) -> bool:
    """Tell whether JSON text is nested deeper than `MOST_LEVELS`."""
    # Two characters a level: nearly every row is told by its length, the others by their brackets.
    if len(raw) <= 2 * MOST_LEVELS or raw.count(b"[") + raw.count(b"{") <= MOST_LEVELS:
        return False
    steps = (1 if bracket in b"[{" else -1 for bracket in _BRACKET.findall(_STRING.sub(b"", raw)))
    return max(accumulate(steps), default=0) > MOST_LEVELS


def loads_texts(raw: bytes) -> Any:
    """Return the value of JSON text, with its strings as they are; integers beyond 64 bits may lose digits.

    Raises:
        ValueError: It is not JSON, or not UTF-8.
        RecursionError: It is nested too deeply.
    """
    if is_too_deep(raw):
        raise RecursionError
    try:
        return orjson.loads(raw)
    except (
        orjson.JSONDecodeError
    ):  # NaN, half of a surrogate pair, deep nesting: Python reads more than orjson
        return json.loads(raw.decode())


def loads(raw: bytes) -> Any:
    """Return the value of JSON text, every digit of its integers kept.

    Raises:
        ValueError: It is not JSON, or not UTF-8.
        RecursionError: It is nested too deeply.
    """
    return json.loads(raw.decode()) if _LONG_NUMBER.search(raw) and not is_too_deep(raw) else loads_texts(raw)


def loads_all(raws: pyarrow.Array) -> list[Any]:
    """Return the values of a column of JSON; the same as `loads` of each, and faster."""
    is_exact = compute.invert(compute.match_substring_regex(raws, LONG_NUMBER))
    rows = raws.cast(pyarrow.binary()).to_pylist()
    if compute.all(is_exact, min_count=0).as_py():
        return [loads_texts(raw) for raw in rows]
    return [
        loads_texts(raw) if exact else loads(raw)
        for raw, exact in zip(rows, is_exact.to_pylist(), strict=True)
    ]


def dumps(row: Any) -> bytes:
    """Return a row as JSON on one line.

    Values of Parquet that JSON has no form for become strings: times in ISO 8601, bytes in base64.
    Half of a surrogate pair is written as the escape that it was read from.
    """
    try:
        data = orjson.dumps(row, default=_for_orjson, option=_OPTIONS)
        if b"null" not in data or _is_finite(row):  # orjson writes null for NaN and infinity
            return data
    except TypeError:  # integers beyond 64 bits, half of a surrogate pair, keys that are no strings
        pass
    try:
        return json.dumps(row, ensure_ascii=False, default=_plain).encode()
    except UnicodeEncodeError:
        return json.dumps(row, default=_plain).encode()


def _is_finite(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, Mapping):
        return all(map(_is_finite, value.values()))
    return all(map(_is_finite, value)) if isinstance(value, list | tuple) else True


def _for_orjson(value: Any) -> Any:
    if isinstance(value, float | int):  # numpy's and other subclasses: Python's writer knows them
        raise TypeError
    return _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    return str(value)
