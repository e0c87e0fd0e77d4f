"""Groups of the training rows of a classifier: weighed by class, so that training can make their treatment alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from luthier.core.errors import DataError
from luthier.data.sample import Sample


class TrainingGroups:
    """The groups of training rows, by an attribute.

    Args:
        by: The attribute.
        positive: The label whose probability groups are compared by.
        given_truth: Whether rows that have the label are compared with each other, and rows that have not.
    """

    def __init__(self, by: str, positive: str, *, given_truth: bool) -> None:
        self._by = by
        self._positive = positive
        self._given_truth = given_truth
        self.names: tuple[str, ...] = ()
        self.rows: dict[str, dict[str, float]] = {}
        """Training rows of each group, by label, each by its weight in the loss."""

    def counting(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        """Yield the same samples and count those with one label and a group, each by its weight."""
        counts: dict[str, dict[str, float]] = {}
        for sample in samples:
            value = sample.attributes.get(self._by)
            if value and sample.labels is not None and len(sample.labels) == 1:
                own, label = counts.setdefault(value, {}), sample.labels[0]
                own[label] = own.get(label, 0.0) + sample.weight
            yield sample
        self.rows = {name: dict(sorted(counts[name].items())) for name in sorted(counts)}
        self.names = tuple(self.rows)

    def weigh(self, factors: Mapping[str, float]) -> None:
        """Multiply what was counted by the factor of each class; labels without one are of rows that do not train."""
        self.rows = {
            name: {label: count * factors[label] for label, count in rows.items() if label in factors}
            for name, rows in self.rows.items()
        }

    def check(self, labels: Sequence[str]) -> None:
        """Refuse rows among which there is nothing to pull together.

        Args:
            labels: All classes.

        Raises:
            DataError: The label is no class; there is one group only; or no two groups have rows to compare.
        """
        if self._positive not in labels:
            raise DataError(
                f"{self._positive!r} is no class of the training rows",
                where="objective.fairness.positive",
                cure=f"one of: {', '.join(labels[:20])}",
            )
        if len(self.names) < 2:
            what = f"all of group {self.names[0]!r}" if self.names else "without a group"
            raise DataError(
                f"training rows are {what} by {self._by!r}: nothing can be pulled together",
                where="objective.fairness.by",
                cure="name a column with two values or more in the sources' attributes",
            )
        if not self._given_truth:
            return
        for has_label in (True, False):
            own = [name for name in self.names if self.counts(has_label=has_label)[name]]
            if len(own) < 2:
                which = f"with the label {self._positive!r}" if has_label else "with another label"
                raise DataError(
                    f"of {len(self.names)} groups by {self._by!r}, {len(own)} has training rows {which}: rates over "
                    "them cannot be compared",
                    where="objective.fairness.criterion",
                    cure="criterion: demographic_parity, or add such rows of the other groups",
                )

    def counts(self, *, has_label: bool | None = None) -> dict[str, float]:
        """Return each group's weighted training rows; of those that have the label or not, where that is asked."""
        return {
            name: sum(count for label, count in rows.items() if has_label in (None, label == self._positive))
            for name, rows in self.rows.items()
        }

    def number_of(self, sample: Sample) -> int:
        """Return the number of a row's group, -1 for none."""
        value = sample.attributes.get(self._by)
        return self.names.index(value) if value in self.names else -1

    def as_json(self) -> dict[str, Any]:
        """Return what `recall` reads."""
        return {"groups": self.rows}

    def recall(self, facts: Mapping[str, Any]) -> None:
        """Take up the groups that a data set was frozen with."""
        self.rows = dict(facts.get("groups", {}))  # a model that is only judged needs none
        self.names = tuple(self.rows)
