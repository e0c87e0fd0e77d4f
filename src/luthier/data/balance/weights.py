"""Weights of classes: what a row of each counts in the loss, 1 on average over all rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Literal

Weighting = Literal["balanced", "inverse_sqrt", "effective_number", "independent"]
Class = tuple[str, ...]


def class_weights(
    rows: Mapping[Class, int], weighting: Weighting, *, beta: float = 0.999, max_weight: float | None = None
) -> dict[Class, float]:
    """Return the weight of a row of each class.

    Args:
        rows: Rows of each class, at least one each.
        weighting: ``balanced`` gives all classes the same total (one over frequency, as in scikit-learn);
            ``inverse_sqrt`` one over the root of frequency, halfway there; ``effective_number`` one over the
            effective number of rows; ``independent`` makes the two fields of a class independent of each other.
        beta: Of the effective number: n rows count as (1 - beta^n) / (1 - beta).
        max_weight: No row weighs more; what is cut off is given to no other.

    Returns:
        Weights whose mean over the rows is 1, before the cut.

    Reference:
        Effective number: arXiv:1901.05555, equation 2. Independence: Kamiran and Calders 2012, "Data
        preprocessing techniques for classification without discrimination", algorithm 3 (reweighing).
    """
    if weighting == "balanced":
        raw = {name: 1.0 / number for name, number in rows.items()}
    elif weighting == "inverse_sqrt":
        raw = {name: number**-0.5 for name, number in rows.items()}
    elif weighting == "effective_number":
        raw = {name: (1.0 - beta) / (1.0 - beta**number) for name, number in rows.items()}
    else:
        raw = _independent(rows)
    total = sum(rows.values())
    scale = total / sum(raw[name] * number for name, number in rows.items())
    limit = float("inf") if max_weight is None else max_weight
    return {name: min(weight * scale, limit) for name, weight in raw.items()}


def _independent(rows: Mapping[Class, int]) -> dict[Class, float]:
    """Return expected over observed rows, expected as if the two fields had nothing to do with each other."""
    total = sum(rows.values())
    first, second = Counter[str](), Counter[str]()
    for (one, other), number in rows.items():
        first[one] += number
        second[other] += number
    return {(one, other): first[one] * second[other] / (total * n) for (one, other), n in rows.items()}
