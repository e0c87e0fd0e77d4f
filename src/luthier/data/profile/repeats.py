"""Repeats: rows that say the same, within files and across them, or ask the same and answer differently."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import xxhash

from luthier.data.profile.features import texts_of
from luthier.data.row_json import dumps
from luthier.data.sample import Sample


class Repeats:
    """Remembers the input and the target of each row as hashes: 18 bytes a row."""

    def __init__(self) -> None:
        self._inputs = array("Q")
        self._targets = array("Q")
        self._files = array("H")

    def add(self, sample: Sample, file: int) -> None:
        """Take a row of a file, by its number."""
        texts = texts_of(sample)
        answer = texts.pop("answer", "")
        targets = [answer, *(sample.labels or ()), *sample.tags, str(sample.labels is None)]
        calls = [dict(call) for message in sample.messages for call in message.tool_calls]
        if calls or sample.tools:
            targets.append(dumps(calls).decode())
            texts["tools"] = dumps([dict(tool) for tool in sample.tools]).decode()
        self._inputs.append(_hash("\0".join(texts.values())))
        self._targets.append(_hash("\0".join(targets)))
        self._files.append(file)

    def count(self, files: Sequence[str]) -> dict[str, Any]:
        """Return how many rows are equal to an earlier one, and how many inputs have more than one target.

        Args:
            files: Names; ``shared`` tells how many rows of a later one have an input that an earlier one has.
        """
        pairs = np.unique(np.array([self._inputs, self._targets], np.uint64), axis=1)
        inputs, targets = np.unique(pairs[0], return_counts=True)
        doubtful = inputs[targets > 1]
        by_row, of_file = np.array(self._inputs, np.uint64), np.array(self._files)
        shared = [
            {"first": files[one], "second": files[other], "rows": int(rows.sum())}
            for one, other in combinations(range(len(files)), 2)
            if (rows := np.isin(by_row[of_file == other], by_row[of_file == one])).any()
        ]
        return {
            "repeated": len(self._inputs) - pairs.shape[1],
            "contradicting": len(doubtful),
            "rows_contradicting": int(np.isin(by_row, doubtful).sum()),
            "shared": shared,
        }


def _hash(text: str) -> int:
    return xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"))
