"""Values as JSON and back, exactly: also what JSON has no word for and Parquet files hold, such as bytes and times."""

from __future__ import annotations

import base64
import datetime
import decimal
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from luthier.data.row_json import loads

_TAG = "$luthier"
_EXACT = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_SUBCLASS


def to_json(value: Any, *, sort_keys: bool = False) -> bytes:
    """Return a value as JSON in UTF-8; `from_json` gives it back. Equal values are equal bytes if keys are sorted.

    Raises:
        TypeError: A value cannot be stored.
        RecursionError: It is nested too deeply.
    """
    try:
        data = orjson.dumps(value, option=_EXACT | (orjson.OPT_SORT_KEYS if sort_keys else 0))
        # orjson writes null for NaN and infinity.
        if _TAG.encode() not in data and (b"null" not in data or _is_finite(value)):
            return data
    except TypeError:  # integers beyond 64 bits, half of a surrogate pair, what JSON has no word for
        pass
    if sort_keys:
        text = _dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    else:
        text = _dumps(value, ensure_ascii=False)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _dumps(value, sort_keys=sort_keys).encode()


def from_json(data: bytes) -> Any:
    """Return the value that `to_json` gave."""
    # The hook costs a call per object, and few rows hold what JSON has no word for.
    return json.loads(data, object_hook=_untagged) if _TAG.encode() in data else loads(data)


def _dumps(value: Any, **options: Any) -> str:
    text = json.dumps(value, default=_tagged, **options)
    return json.dumps(_escaped(value), default=_tagged, **options) if _TAG in text else text


def _is_finite(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, Mapping):
        return all(map(_is_finite, value.values()))
    return all(map(_is_finite, value)) if isinstance(value, list | tuple) else True


_FROM_TEXT: dict[str, Callable[[str], Any]] = {
    "bytes": base64.b64decode,
    "datetime": datetime.datetime.fromisoformat,
    "date": datetime.date.fromisoformat,
    "time": datetime.time.fromisoformat,
    "Decimal": decimal.Decimal,
    "timedelta": lambda text: datetime.timedelta(microseconds=int(text)),
}


def _tagged(value: Any) -> Any:
    """Return a value that JSON has no word for (Parquet files hold such) as an object that says its type."""
    name = type(value).__name__
    if isinstance(value, bytes):
        text = base64.b64encode(value).decode()
    elif isinstance(value, datetime.timedelta):
        text = str(value // datetime.timedelta(microseconds=1))
    elif isinstance(value, datetime.date | datetime.time):
        text = value.isoformat()
    elif isinstance(value, decimal.Decimal):
        text = str(value)
    else:
        raise TypeError(f"a {name} cannot be stored")
    return {_TAG: name, "value": text}


def _untagged(value: dict[str, Any]) -> Any:
    if _TAG in value:
        return _FROM_TEXT[value[_TAG]](value["value"])
    return {name[:-1] if _is_like_tag(name) else name: part for name, part in value.items()}


def _escaped(value: Any) -> Any:
    """Return a value in which no field of the user's own is called like the tag."""
    if isinstance(value, Mapping):
        return {f"{k}$" if _is_like_tag(k) else k: _escaped(part) for k, part in value.items()}
    return [_escaped(part) for part in value] if isinstance(value, list | tuple) else value


def _is_like_tag(name: str) -> bool:
    return name.rstrip("$") == _TAG
