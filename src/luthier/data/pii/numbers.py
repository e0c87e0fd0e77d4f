"""JSON numbers that are personal data: a phone or a card that was stored as a number, not as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow
import pyarrow.compute as compute

from luthier.data.operators.fields import number_paths
from luthier.data.operators.row_batch import row_json
from luthier.data.row_json import loads

_LONG_NUMBER = r"[:,\[][ \t]*[0-9](?:[0-9]{6}|\.[0-9]{4,}[eE])"
"""A number of seven digits or more in JSON; some texts match, too."""

_SHORTEST, _LONGEST = 10**6, 10**24
_LARGEST_EXACT = 2**53


class Number(NamedTuple):
    """A number in a row.

    Args:
        row: Index of its row in the batch.
        path: JSON pointer.
        text: Its digits.
    """

    row: int
    path: str
    text: str


def numbers_of(batch: pyarrow.RecordBatch, fields: Sequence[str]) -> Iterator[Number]:
    """Yield the whole numbers of seven digits or more in the rows of a batch that are kept.

    A number that came through a table with gaps is written with a point, 13812345678.0: it is whole, too.

    Args:
        batch: Rows.
        fields: Where to look; see `text_finder`.
    """
    if not fields:
        return
    json = row_json(batch)
    mask = compute.and_(compute.match_substring_regex(json, _LONG_NUMBER), batch["reason"].is_null())
    places = np.flatnonzero(mask.to_numpy(zero_copy_only=False)).tolist()
    for index, raw in zip(places, json.filter(mask).cast(pyarrow.binary()).to_pylist(), strict=True):
        for path, number in number_paths(loads(raw), fields):
            if digits := digits_of(number):
                yield Number(index, path, digits)


def digits_of(value: Any) -> str:
    """Return the digits of a whole number, nothing for other values and short numbers."""
    if isinstance(value, float) and value.is_integer() and value < _LARGEST_EXACT:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not _SHORTEST <= value < _LONGEST:
        return ""
    return str(value)
