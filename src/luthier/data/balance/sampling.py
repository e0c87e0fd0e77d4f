"""Sampling by class: how often each row is taken, drawn once all rows are counted."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Classes = NDArray[np.int32]
"""Number of the class of each row, -1 for rows without one."""


def oversampled(
    classes: Classes, *, max_ratio: float, max_copies: int | None, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Return how often each row is taken, so that the largest class has at most ``max_ratio`` times the smallest.

    Args:
        classes: Of each row.
        max_ratio: 1 makes all classes as large as the largest.
        max_copies: No row is taken more often, whatever the ratio.
        generator: Chooses the rows that are taken once more than the others of their class.
    """
    sizes = np.bincount(classes[classes >= 0])
    target = math.ceil(sizes.max() / max_ratio)
    copies = np.ones(len(classes), np.int64)
    for number, size in enumerate(sizes):
        if size < target:
            rows = np.flatnonzero(classes == number)
            copies[rows] = target // size
            copies[generator.permutation(rows)[: target % size]] += 1
    return copies if max_copies is None else np.minimum(copies, max_copies)


def undersampled(classes: Classes, *, max_ratio: float, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return 1 for rows that are taken, so that the largest class has at most ``max_ratio`` times the smallest."""
    sizes = np.bincount(classes[classes >= 0])
    target = math.floor(sizes.min() * max_ratio)
    return _taken(classes, np.minimum(sizes, target), generator)


def stratified(classes: Classes, num_rows: int, *, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return 1 for rows that are taken: ``num_rows`` in all, of each class its share, and one at least."""
    return _taken(classes, apportioned(np.bincount(classes[classes >= 0]).tolist(), num_rows), generator)


def apportioned(sizes: Sequence[int], num_rows: int) -> NDArray[np.int64]:
    """Divide ``num_rows`` among classes by their sizes: one each, the rest by the largest remainders (Hamilton).

    Where there are fewer rows to give than classes, the largest classes have one each.
    """
    of_class = np.asarray(sizes, np.int64)
    given: NDArray[np.int64] = np.zeros_like(of_class)
    if num_rows < len(of_class):
        given[np.argsort(-of_class, kind="stable")[:num_rows]] = 1
        return given
    wanted = num_rows * of_class / of_class.sum()
    given = np.maximum(np.floor(wanted).astype(np.int64), 1)
    lacking = num_rows - int(given.sum())
    if lacking > 0:
        given[np.argsort(given - wanted, kind="stable")[:lacking]] += 1
    for _ in range(-lacking):
        # Classes that were raised to one are paid for by those that have most beyond their share.
        given[np.argmax(np.where(given > 1, given - wanted, -np.inf))] -= 1
    return given


def _taken(classes: Classes, quotas: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.int64]:
    taken = np.ones(len(classes), np.int64)
    for number, quota in enumerate(quotas.tolist()):
        rows = np.flatnonzero(classes == number)
        if quota < len(rows):
            taken[generator.permutation(rows)[quota:]] = 0
    return taken
