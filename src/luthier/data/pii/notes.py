"""Notes of findings: counted, some or all of them with their places, carried by a batch until a report takes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import orjson
import pyarrow
from numpy.typing import NDArray

from luthier.data.pii.actions import partly_masked
from luthier.data.pii.finding import Finding

_METADATA = b"luthier.personal_data"
"""Under this key of its schema's metadata a batch carries what was found in it."""

EXAMPLES = 3
"""Findings of a kind that a batch tells the places of, where it need not tell all."""


class BatchNote:
    """What was found in one batch.

    Args:
        batch: Its rows.
        action_for: What is done to a finding.
        lists_all: Tell the place of each finding, not of the first ones of each kind only.
        shows_values: Tell values, not excerpts.
    """

    def __init__(
        self,
        batch: pyarrow.RecordBatch,
        action_for: Callable[[Finding], str],
        *,
        lists_all: bool,
        shows_values: bool,
    ) -> None:
        self._batch = batch
        self._action_for = action_for
        self._lists_all = lists_all
        self._shows_values = shows_values
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._of_kind: Counter[str] = Counter()
        self._rows: set[int] = set()
        self._num_numbers = 0
        self._entries: list[dict[str, Any]] = []

    def add(
        self,
        found: Mapping[int, tuple[str, list[Finding]]],
        rows: NDArray[np.int64],
        paths: pyarrow.StringArray,
        *,
        are_numbers: bool = False,
    ) -> None:
        """Take findings in.

        Args:
            found: Text and findings, by number of the text.
            rows: Index of the row that each text belongs to.
            paths: JSON pointer of each text.
            are_numbers: Whether they are JSON numbers.
        """
        listed: list[tuple[int, Finding]] = []
        for number, (_, findings) in found.items():
            for finding in findings:
                self._counts[finding.kind, finding.certainty, self._action_for(finding)] += 1
                self._of_kind[finding.kind] += 1
                if self._lists_all or self._of_kind[finding.kind] <= EXAMPLES:
                    listed.append((number, finding))
            if are_numbers:
                self._num_numbers += len(findings)
        self._rows.update(rows[list(found)].tolist())
        self._list(listed, rows, paths, are_numbers)

    def as_json(self, sealed: str | None) -> dict[str, Any]:
        """Return the note.

        Args:
            sealed: A chunk of the map from substitutes to originals.
        """
        return {
            "rows": len(self._batch),
            "rows_with_findings": len(self._rows),
            "counts": [[*key, number] for key, number in self._counts.items()],
            "numbers": self._num_numbers,
            "findings": self._entries,
            "sealed": sealed,
        }

    def _list(
        self,
        listed: list[tuple[int, Finding]],
        rows: NDArray[np.int64],
        paths: pyarrow.StringArray,
        are_numbers: bool,
    ) -> None:
        texts = np.array([number for number, _ in listed], np.int64)
        sources, numbers = (self._batch[name].take(rows[texts]).to_pylist() for name in ("source", "row"))
        places = zip(sources, numbers, paths.take(texts).to_pylist(), listed, strict=True)
        for source, number, path, (_, finding) in places:
            entry = {"source": source, "row": number, "path": path, **self._entry(finding)}
            self._entries.append(entry | {"is_number": True} if are_numbers else entry)

    def _entry(self, finding: Finding) -> dict[str, Any]:
        return {
            "kind": finding.kind,
            "certainty": finding.certainty,
            "action": self._action_for(finding),
            "start": finding.start,
            "end": finding.end,
            "excerpt": finding.text if self._shows_values else partly_masked(finding),
        }


def with_note(batch: pyarrow.RecordBatch, note: Mapping[str, Any]) -> pyarrow.RecordBatch:
    """Return a batch that carries a note more."""
    metadata = dict(batch.schema.metadata or {})
    metadata[_METADATA] = orjson.dumps([*orjson.loads(metadata.get(_METADATA, b"[]")), note])
    return batch.replace_schema_metadata(metadata)


def without_notes(batch: pyarrow.RecordBatch) -> tuple[pyarrow.RecordBatch, list[dict[str, Any]]]:
    """Return a batch that carries no notes, and those that it carried."""
    metadata = dict(batch.schema.metadata or {})
    assert _METADATA in metadata, "a batch lost its note between the operator and its report"
    notes: list[dict[str, Any]] = orjson.loads(metadata.pop(_METADATA))
    return batch.replace_schema_metadata(metadata or None), notes
