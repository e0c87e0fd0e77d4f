"""What an augmentation did, counted: rows wanted, made and dropped, by kind and by class."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class ClassCounts:
    """Rows of one class.

    Args:
        rows: Source rows.
        augmented: Rows that an earlier augmentation had added.
        wanted: New rows to make.
        capped: New rows that the cap on the share forbade.
        made: New rows.
    """

    rows: int = 0
    augmented: int = 0
    wanted: int = 0
    capped: int = 0
    made: int = 0


@dataclass
class AugmentCounts:
    """What an augmentation did.

    Args:
        classes: By label; one entry named ``""`` where classes are not counted.
        made: New rows by kind.
        dropped: Candidates by kind and reason.
        without_target: Source rows in which nothing may be altered.
        without_label: Source rows without a class, where classes are counted; they are not augmented.
    """

    classes: dict[str, ClassCounts] = field(default_factory=dict)
    made: Counter[str] = field(default_factory=Counter)
    dropped: Counter[tuple[str, str]] = field(default_factory=Counter)
    without_target: int = 0
    without_label: int = 0

    def total(self, name: str) -> int:
        """Return the sum of a count over the classes."""
        return sum(getattr(each, name) for each in self.classes.values())

    @property
    def missing(self) -> int:
        """New rows that were wanted and allowed, and could not be made."""
        return self.total("wanted") - self.total("made")

    def dropped_by_kind(self) -> dict[str, dict[str, int]]:
        """Return the dropped candidates, by kind and then by reason."""
        kinds: dict[str, dict[str, int]] = {}
        for (kind, reason), number in sorted(self.dropped.items()):
            kinds.setdefault(kind, {})[reason] = number
        return kinds

    def as_json(self) -> dict[str, Any]:
        """Return the counts for ``--json``."""
        totals = {name: self.total(name) for name in ("rows", "augmented", "wanted", "capped", "made")}
        return {
            **totals,
            "missing": self.missing,
            "made_by_kind": dict(self.made),
            "dropped": self.dropped_by_kind(),
            "without_target": self.without_target,
            "without_label": self.without_label,
            "classes": {label: vars(each) for label, each in self.classes.items() if label},
        }
