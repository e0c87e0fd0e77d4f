"""Groups of rows: which group each row belongs to, and which groups are too small, or not there at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from luthier.core.errors import DataError
from luthier.data.sample import Sample
from luthier.recipe.evaluate_sections.fairness import BETWEEN_FIELDS

_BETWEEN_VALUES = " × "
_LISTED = 8


@dataclass(frozen=True)
class Grouping:
    """Rows by the value of a field, or of several together.

    Args:
        name: Of the field, or of all of them.
        groups: Their names; those without a row are among them.
        group_N: Number of each row's group; -1 where it has none.
        num_without: Rows that lack a field.
        num_others: Rows whose value is none of the expected ones.
    """

    name: str
    groups: tuple[str, ...]
    group_N: NDArray[np.int64]
    num_without: int
    num_others: int

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Rows of each group."""
        return np.bincount(self.group_N[self.group_N >= 0], minlength=len(self.groups))


def value_of(sample: Sample, field: str) -> str | None:
    """Return the value of a row's attribute, group, source, task or label; None where it has none."""
    if field == "label":
        return None if sample.labels is None else "+".join(sorted(sample.labels)) or "(no label)"
    if field in ("group", "source", "task"):
        value = getattr(sample, field)
        return None if value is None else str(value)
    return sample.attributes.get(field) or None


def group_rows(
    samples: Sequence[Sample],
    fields: Sequence[str],
    *,
    expected: Mapping[str, Sequence[str]],
    trained: Iterable[Sample] = (),
) -> Grouping:
    """Tell the group of each row.

    Args:
        samples: Held-out rows.
        fields: One field, or several for their combinations.
        expected: The groups of a field, where the recipe names them.
        trained: Training rows: groups that occur only there are groups without a row.

    Raises:
        DataError: No row has a field, or there are fewer than two groups.
    """
    for field in fields:
        if not any(value_of(sample, field) is not None for sample in samples):
            known = sorted({name for sample in samples[:1000] for name in sample.attributes})
            raise DataError(
                f"no held-out row has the field {field!r}",
                where="evaluate.fairness.groups",
                cure=f"name it in `attributes` of the sources, e.g. `attributes: [{field}]`; "
                + (f"rows have: {', '.join(known[:_LISTED])}" if known else "rows have no attributes so far"),
            )
    found = [_values(sample, fields) for sample in samples]
    wanted = _wanted(found, [_values(sample, fields) for sample in trained], fields, expected)
    if len(wanted) < 2:
        only = _BETWEEN_VALUES.join(wanted[0]) if wanted else "none"
        raise DataError(
            f"all rows are of one group by {BETWEEN_FIELDS.join(fields)}: {only}; nothing can be compared",
            where="evaluate.fairness.groups",
            cure="hold out rows of another group, or name another field",
        )
    numbers = {values: number for number, values in enumerate(wanted)}
    group_N = np.array(
        [-1 if values is None else numbers.get(values, -1) for values in found], dtype=np.int64
    )
    without = sum(values is None for values in found)
    return Grouping(
        name=BETWEEN_FIELDS.join(fields),
        groups=tuple(_BETWEEN_VALUES.join(values) for values in wanted),
        group_N=group_N,
        num_without=without,
        num_others=int((group_N < 0).sum()) - without,
    )


Combination = tuple[str, ...]


def _values(sample: Sample, fields: Sequence[str]) -> Combination | None:
    values = [value_of(sample, field) for field in fields]
    return None if None in values else tuple(value for value in values if value is not None)


def _wanted(
    found: Sequence[Combination | None],
    trained: Sequence[Combination | None],
    fields: Sequence[str],
    expected: Mapping[str, Sequence[str]],
) -> list[Combination]:
    """Return the groups to compare, sorted unless the recipe gives an order."""
    seen = {values for values in (*found, *trained) if values is not None}
    if not any(field in expected for field in fields):
        return sorted(seen)
    choices = [
        list(expected[field]) if field in expected else sorted({values[place] for values in seen})
        for place, field in enumerate(fields)
    ]
    return list(product(*choices))
