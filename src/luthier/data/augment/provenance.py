"""Provenance: each new row says what made it, from which row, and how far it is from that."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

OPERATOR = "augment"
"""Name under which new rows, and the texts altered in them, are counted among the changes."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a new row comes from.

    Args:
        kind: Of the operation.
        seed: Of the augmentation; with the other fields and the options it makes the same row again.
        source: Path of the source row's file, as the user named it.
        row: Number of the source row.
        draw: Which draw of its class made the row.
        attempt: Which attempt of that draw, from 1.
        similarity: Cosine of the embeddings, where it was measured.
        edit_distance: Changed share of the characters.
    """

    kind: str
    seed: int
    source: str
    row: int
    draw: int
    attempt: int
    similarity: float | None
    edit_distance: float

    def as_text(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)

    def changes(self, before: Mapping[str, str]) -> list[dict[str, str]]:
        """Return it as a batch notes changes: first the row as a whole, then each text that was altered.

        Args:
            before: The texts of the source row, by their place.
        """
        whole = {"operator": OPERATOR, "path": "", "before": self.as_text()}
        texts = [
            {"operator": f"{OPERATOR}.{self.kind}", "path": path, "before": text}
            for path, text in before.items()
        ]
        return [whole, *texts]


def provenance_of(changes: list[dict[str, Any]]) -> Provenance | None:
    """Return the provenance among a row's changes, or None for a row that was read."""
    found = next((c for c in changes if c["operator"] == OPERATOR and c["path"] == ""), None)
    return Provenance(**json.loads(found["before"])) if found else None
