"""Difference: what changed between two versions, counted, with examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from luthier.data.sources import Row

_EXAMPLES = 5


@dataclass
class Difference:
    """How a version differs from an earlier one.

    Args:
        before: Name of the one version.
        after: Name of the other.
        added: Rows that only the second has.
        removed: Rows that only the first has.
        changed: Rows of which both have another form; not among the two above.
        same: Rows that both have.
        is_reordered: Whether the rows that both have come in another order.
        changed_fields: In how many changed rows a field differs.
        references: Files that rows refer to (images, say) whose place or content differs.
        schema: Fields that came, went, or have another type: before and after, None for absent.
        examples: Some rows of each kind.
    """

    before: str
    after: str
    added: int = 0
    removed: int = 0
    changed: int = 0
    same: int = 0
    is_reordered: bool = False
    changed_fields: Counter[str] = field(default_factory=Counter)
    references: int = 0
    schema: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    examples: dict[str, list[Any]] = field(
        default_factory=lambda: {"added": [], "removed": [], "changed": []}
    )

    @property
    def is_equal(self) -> bool:
        """Whether both versions have the same rows in the same order, with the same files behind them."""
        return not (self.added or self.removed or self.changed or self.references or self.is_reordered)

    def note(self, kind: str, example: Any) -> None:
        """Count a row and keep it where few are kept yet."""
        setattr(self, kind, getattr(self, kind) + 1)
        if len(self.examples[kind]) < _EXAMPLES:
            self.examples[kind].append(example)

    def note_change(self, old: Row, new: Row) -> None:
        """Count a changed row and the fields in which it differs."""
        self.changed_fields.update(_changed_fields(old[1], new[1]))
        self.note("changed", {"before": example(old), "after": example(new)})

    def to_json(self) -> dict[str, Any]:
        """Return the difference for ``--json``."""
        facts = asdict(replace(self, changed_fields=Counter()))
        return {**facts, "changed_fields": dict(self.changed_fields), "is_equal": self.is_equal}


def example(row: Row) -> dict[str, Any]:
    """Return a row with its number, as differences show it."""
    return {"row": row[0], "content": row[1]}


def _changed_fields(old: Any, new: Any) -> list[str]:
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return ["(row)"]
    names = dict.fromkeys([*old, *new])
    absent = object()
    return [name for name in names if old.get(name, absent) != new.get(name, absent)]
