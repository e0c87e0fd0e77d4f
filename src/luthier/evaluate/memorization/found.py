"""What was found of memorisation, before it is told."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from luthier.evaluate.examination import Subject
from luthier.evaluate.memorization.canaries import CanaryResult
from luthier.evaluate.memorization.evidence import Drawn
from luthier.evaluate.memorization.membership import AttackResult

Hits = NDArray[np.bool_]
Three = tuple[Hits, Hits, Hits | None]
"""Training rows, held-out rows, and training rows as the base continues them, where it is known."""


@dataclass(frozen=True)
class Extraction:
    """Which rows were extracted.

    Args:
        hits: By the length of the prefix.
        near: Nearly verbatim, from the longest prefix.
    """

    hits: dict[int, Three]
    near: Three

    @property
    def any(self) -> Three:
        """Extracted from one of the prefixes."""
        members, others, base = zip(*self.hits.values(), strict=True)
        of_base = None if base[0] is None else np.any(np.stack(base), axis=0)
        return np.any(np.stack(members), axis=0), np.any(np.stack(others), axis=0), of_base


@dataclass(frozen=True)
class Found:
    """All that was found.

    Args:
        attacks: On the model; none where training rows are unknown.
        control: The same on the base; None where it is unknown.
        members: Training rows that were drawn.
        others: Held-out rows that were drawn.
        canaries: Exposure of each.
        why_not_extracted: Why there is no extraction.
        why_no_attack: Why there are no attacks.
        extraction: Of the rows; None where none could be tried.
    """

    attacks: list[AttackResult]
    control: list[AttackResult] | None
    members: Drawn
    others: Drawn
    canaries: list[CanaryResult] = field(default_factory=list)
    why_not_extracted: str = ""
    why_no_attack: str = ""
    extraction: Extraction | None = None


def num_copied(found: Found, subject: Subject) -> int:
    """Return how many extracted rows stand in the training data more than once."""
    return sum(count > 1 for _, _, count in extracted_rows(found, subject))


def extracted_rows(found: Found, subject: Subject) -> list[tuple[int, int, int]]:
    """Return of each extracted row its passage's number, the shortest prefix that was enough, and its copies."""
    if found.extraction is None or subject.trained is None:
        return []
    hits = found.extraction.hits
    numbers = np.flatnonzero(found.extraction.any[0])
    if not len(numbers):
        return []
    keys = {int(number): _key(found.members, int(number)) for number in numbers}
    wanted = dict.fromkeys(keys.values(), 0)
    for row in subject.trained.rows:
        key = row.labels[row.labels >= 0].tobytes()
        if key in wanted:
            wanted[key] += 1
    return [
        (number, next(prefix for prefix, (own, _, _) in hits.items() if own[number]), wanted[key])
        for number, key in keys.items()
    ]


def _key(drawn: Drawn, number: int) -> bytes:
    labels = drawn.rows[drawn.passages[number].row].labels
    return labels[labels >= 0].tobytes()
