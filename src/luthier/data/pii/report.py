"""The report: what was found, counted by kind, with places and masked excerpts; collected as batches pass by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow

from luthier.data.pii.finding import KINDS
from luthier.data.pii.notes import EXAMPLES, without_notes


@dataclass
class PiiReport:
    """What was found, counted.

    Args:
        rows: Rows looked at.
        rows_with_findings: Of these.
        findings: By kind, certainty and action.
        numbers: Findings that are JSON numbers, not strings.
        examples: The first findings of each kind, with their places.
    """

    rows: int = 0
    rows_with_findings: int = 0
    findings: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    numbers: int = 0
    examples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, note: dict[str, Any]) -> None:
        """Count what an operator noted of one batch."""
        self.rows += note["rows"]
        self.rows_with_findings += note["rows_with_findings"]
        self.numbers += note["numbers"]
        for kind, certainty, action, number in note["counts"]:
            self.findings[kind, certainty, action] += number
        for entry in note["findings"]:
            examples = self.examples.setdefault(entry["kind"], [])
            if len(examples) < EXAMPLES:
                examples.append(entry)

    def by_kind(self) -> dict[str, int]:
        """Return how many findings of each kind there are, in the order of `KINDS`."""
        counts = Counter[str]()
        for (kind, _, _), number in self.findings.items():
            counts[kind] += number
        return {kind: counts[kind] for kind in KINDS if counts[kind]}

    def as_json(self) -> dict[str, Any]:
        """Return the counts and examples for ``--json``."""
        return {
            "rows": self.rows,
            "rows_with_findings": self.rows_with_findings,
            "findings": [
                {"kind": kind, "certainty": certainty, "action": action, "count": number}
                for (kind, certainty, action), number in sorted(self.findings.items())
            ],
            "numbers": self.numbers,
            "examples": self.examples,
        }


def collected(
    batches: Iterable[pyarrow.RecordBatch],
    report: PiiReport,
    *,
    on_finding: Callable[[dict[str, Any]], None] = lambda entry: None,
    on_sealed: Callable[[str], None] = lambda sealed: None,
) -> Iterator[pyarrow.RecordBatch]:
    """Take the operator's notes off batches and count them.

    Args:
        batches: As `PersonalData` left them.
        report: Is added to.
        on_finding: Takes each finding that the operator lists, with its place, e.g. to write it down.
        on_sealed: Takes each chunk of the map.
    """
    for batch in batches:
        batch, notes = without_notes(batch)
        for note in notes:
            report.add(note)
            for entry in note["findings"]:
                on_finding(entry)
            if note["sealed"]:
                on_sealed(note["sealed"])
        yield batch
