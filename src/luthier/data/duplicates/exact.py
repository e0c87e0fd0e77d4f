"""Exact duplicates: rows with the same content as an earlier one."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow
import xxhash
from numpy.typing import NDArray

from luthier.data.duplicates.equal import Digests
from luthier.data.duplicates.links import Links
from luthier.data.operators.batch import samples_of
from luthier.data.sample import Sample


def content_hash(sample: Sample) -> bytes:
    """Return 16 bytes that identify what a row says, target included, wherever it stands."""
    turns = [[m.role, m.content, [dict(c) for c in m.tool_calls], m.weight] for m in sample.messages]
    content: list[Any] = [turns, sample.text, [dict(tool) for tool in sample.tools]]
    if sample.kind not in ("conversation", "text"):
        answers = [[answer.text, answer.start] for answer in sample.answers]
        content += [sample.text_pair, sample.labels, sample.tokens, sample.tags]
        content += [sample.question, sample.context, answers]
    if sample.task is not None:
        content.append(sample.task)
    return xxhash.xxh3_128_digest(
        json.dumps(content, ensure_ascii=False, sort_keys=True).encode("utf-8", "surrogatepass")
    )


class ExactDuplicates:
    """Remembers what was seen, 16 bytes and a place each."""

    def __init__(self) -> None:
        self._seen: dict[bytes, str] = {}

    def place_of(self, sample: Sample) -> str | None:
        """Return where an equal row stood before, or None; nothing is remembered."""
        return self._seen.get(content_hash(sample))

    def first_place(self, sample: Sample) -> str | None:
        """Return where an equal row stood before, or None and remember this one."""
        key = content_hash(sample)
        if key in self._seen:
            return self._seen[key]
        self._seen[key] = sample.place
        return None


class EqualTexts:
    """Finds rows whose texts are equal, character by character, in the same fields."""

    reason = "duplicate"

    def __init__(self) -> None:
        self._texts = Digests()
        self._rows = Digests()

    def add(self, rows: pyarrow.RecordBatch) -> None:
        """Take rows of `ROW_BATCH`."""
        columns = (rows[name].to_pylist() for name in ("paths", "texts", "raw"))
        for paths, texts, raw in zip(*columns, strict=True):
            self._texts.append(json.dumps([paths, texts], ensure_ascii=False))
            self._rows.append(raw)

    def links(self) -> Links:
        """Return a link from each repeated row to the first that is equal to it."""
        first = self._texts.first_equal()
        repeated = np.flatnonzero(first != np.arange(len(first)))
        return Links(first[repeated], repeated, np.ones(len(repeated)))

    def similarity(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return 1 for each pair of rows with equal texts, 0 for the others."""
        first = self._texts.first_equal()
        is_equal: NDArray[np.bool_] = first[left] == first[right]
        return is_equal.astype(np.float64)

    def describe(self, row: int, other: int, similarity: float, place: str) -> str:
        """Say whether all is equal or the texts alone: rows of one text with two labels are worth a look."""
        if self._rows[row] == self._rows[other]:
            return f"equal to {place}"
        return f"the texts of {place}; other fields differ"

    def close(self) -> None:
        """There are no temporary files."""


class EqualSamples(EqualTexts):
    """Finds samples that say the same, targets, tools and roles included, wherever they stand."""

    def add(self, rows: pyarrow.RecordBatch) -> None:
        """Take rows of `ROW_BATCH` that hold samples."""
        for sample in samples_of(rows):
            content = content_hash(sample).hex()
            self._texts.append(content)
            self._rows.append(content)
