"""The classes of a classification: found in the training rows, counted and weighed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from luthier.core.errors import DataError
from luthier.data.sample import Sample

Problem = Literal["single_label", "multi_label"]
ClassWeights = Literal["none", "balanced"] | Mapping[str, float]
_LISTED = 5


@dataclass(frozen=True)
class Classes:
    """The classes, in the order of the model's outputs.

    Args:
        labels: Their names.
        counts: Training rows of each.
        num_rows: Training rows with a usable label.
        weights: Factor of each class in the training loss.
    """

    labels: tuple[str, ...]
    counts: tuple[int, ...]
    num_rows: int
    weights: tuple[float, ...]

    def as_json(self) -> dict[str, Any]:
        """Return what `of_json` reads."""
        facts = asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in facts.items()}

    @classmethod
    def of_json(cls, facts: Mapping[str, Any]) -> Classes:
        """Return the classes that a data set was frozen with."""
        lists = {name: tuple(facts[name]) for name in ("labels", "counts", "weights")}
        return cls(**lists, num_rows=int(facts["num_rows"]))


def find_classes(
    samples: Iterable[Sample],
    problem: Problem,
    *,
    labels: Sequence[str] | None = None,
    class_weights: ClassWeights = "none",
) -> Classes:
    """Count the classes of the training rows.

    Args:
        samples: Training rows; those whose label does not fit are counted elsewhere.
        problem: Whether a row has exactly one class.
        labels: The classes; None takes all that occur, sorted.
        class_weights: ``balanced`` or a factor by label.

    Raises:
        DataError: No row has a class, there is only one, a named class has no row, or a weight has no class.
    """
    counts: Counter[str] = Counter()
    num_rows = 0
    for sample in samples:
        if sample.labels is None or (problem == "single_label" and len(sample.labels) != 1):
            continue
        counts.update(sample.labels)
        num_rows += 1
    names = tuple(labels if labels is not None else sorted(counts))
    if not counts:
        raise DataError(
            "no training row has a label",
            where="data.train",
            cure="`luthier data inspect FILE` shows the rows; data.train[].columns: {label: COLUMN} names theirs",
        )
    if absent := [name for name in names if not counts[name]]:
        raise DataError(
            f"{len(absent)} of {len(names)} classes have no training row: {', '.join(map(repr, absent[:_LISTED]))}",
            where="objective.labels",
            cure="add rows of them, or leave them out: a class without rows is never learnt",
        )
    if problem == "single_label" and len(names) < 2:
        raise DataError(
            f"all {num_rows} training rows have the class {names[0]!r}: there is nothing to tell apart",
            where="data.train",
            cure="add rows of another class",
        )
    in_order = tuple(counts[name] for name in names)
    return Classes(names, in_order, num_rows, _weights(names, in_order, num_rows, problem, class_weights))


def _weights(
    names: Sequence[str], counts: Sequence[int], num_rows: int, problem: Problem, wanted: ClassWeights
) -> tuple[float, ...]:
    """Return the factor of each class.

    Reference:
        scikit-learn, ``compute_class_weight("balanced")``: rows / (classes × rows of the class); for classes that do
        not exclude each other PyTorch's ``pos_weight``: negative rows / positive rows.
    """
    if isinstance(wanted, Mapping):
        if unknown := [name for name in wanted if name not in names]:
            raise DataError(
                f"{unknown[0]!r} is no class of the training rows",
                where="objective.class_weights",
                cure=f"the classes: {', '.join(names[:20])}{' …' if len(names) > 20 else ''}",
            )
        return tuple(float(wanted.get(name, 1.0)) for name in names)
    if wanted == "none":
        return (1.0,) * len(names)
    if problem == "multi_label":
        return tuple((num_rows - count) / count or 1.0 for count in counts)
    total = sum(counts)
    return tuple(total / (len(names) * count) for count in counts)
