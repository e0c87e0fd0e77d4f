"""Which rows make which step: a pure function of seed and step, so that resuming repeats nothing and skips nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from luthier.data.example import Example
from luthier.data.store import lengths_of
from luthier.objectives.balance import MixedObjective, RowOrder
from luthier.objectives.contract import Objective
from luthier.recipe.schema import TrainSection


class StepOrder:
    """The rows of each optimizer step.

    Every epoch has its own permutation, drawn from (seed, epoch). The last step of an epoch takes
    what is left: no row is dropped.

    Args:
        num_rows: Training rows.
        rows_per_step: Rows in an optimizer step.
        seed: Seed of the permutations.
    """

    def __init__(self, num_rows: int, rows_per_step: int, seed: int) -> None:
        self._num_rows = num_rows
        self._rows_per_step = rows_per_step
        self._seed = seed
        self._epoch = -1
        self._order: np.ndarray = np.empty(0, dtype=np.int64)

    @property
    def steps_per_epoch(self) -> int:
        """Steps that visit every row once."""
        return math.ceil(self._num_rows / self._rows_per_step)

    def rows(self, step: int) -> list[int]:
        """Return the row numbers of step ``step``, from 0."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._order = np.random.default_rng([self._seed, epoch]).permutation(self._num_rows)
            self._epoch = epoch
        first = position * self._rows_per_step
        return [int(row) for row in self._order[first : first + self._rows_per_step]]


def split_by_rows(rows: Sequence[int], rows_per_batch: int) -> list[list[int]]:
    """Cut a step's rows into micro-batches of a fixed number of rows."""
    return [list(rows[first : first + rows_per_batch]) for first in range(0, len(rows), rows_per_batch)]


def split_by_tokens(rows: Sequence[int], lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Cut a step's rows into micro-batches of at most ``max_tokens`` tokens, keeping their order.

    A row longer than ``max_tokens`` makes a micro-batch of its own. The loss is normalised over the
    whole step, so the cut changes memory and speed and nothing else.
    """
    batches: list[list[int]] = []
    tokens = max_tokens + 1
    for row in rows:
        if tokens + lengths[row] > max_tokens:
            batches.append([])
            tokens = 0
        batches[-1].append(row)
        tokens += lengths[row]
    return batches


def split_by_group(rows: Sequence[int], groups: Sequence[int] | None) -> list[list[int]]:
    """Divide rows by group, groups ascending and rows in their order; all are one group where None is given."""
    if groups is None:
        return [list(rows)]
    found: dict[int, list[int]] = {}
    for row in rows:
        found.setdefault(groups[row], []).append(row)
    return [found[group] for group in sorted(found)]


class StepPlan:
    """All steps of a run: how many, which rows each takes, and how those are cut into micro-batches.

    Args:
        rows: Training rows.
        objective: Says which rows make which step where it has several tasks.
        settings: The recipe's train section.
        micro_batch_tokens: Longest packed micro-batch in tokens.
        seed: Seed of the order.
    """

    def __init__(
        self,
        rows: Sequence[Example],
        objective: Objective,
        settings: TrainSection,
        *,
        micro_batch_tokens: int,
        seed: int,
    ) -> None:
        self.lengths = lengths_of(rows)
        self._settings = settings
        self._micro_batch_tokens = micro_batch_tokens
        rows_per_step = settings.per_device_train_batch_size * settings.gradient_accumulation_steps
        self._objective = objective
        self._groups: Sequence[int] | None = None
        self._order: RowOrder
        if isinstance(objective, MixedObjective):
            self._groups = objective.groups(rows)
            self._order = objective.order(
                self._groups, rows_per_step, seed=seed, count_steps=self._count_steps
            )
        else:
            self._order = StepOrder(len(rows), rows_per_step, seed)
        self.steps_per_epoch = self._order.steps_per_epoch
        self.num_steps = self._count_steps(self.steps_per_epoch)

    def _count_steps(self, steps_per_epoch: int) -> int:
        settings = self._settings
        return settings.max_steps or math.ceil(settings.num_train_epochs * steps_per_epoch)

    def mixture(self) -> dict[str, Any]:
        """Return how often the rows of each task come in the run; empty where there is one task."""
        if not isinstance(self._objective, MixedObjective) or self._groups is None:
            return {}
        return self._objective.uses(self._order, self._groups, self.num_steps)

    def rows(self, step: int) -> list[int]:
        """Return the row numbers of step ``step``, from 0."""
        return self._order.rows(step)

    def micro_batches(self, rows: Sequence[int]) -> list[list[int]]:
        """Cut the rows of a step; those of a micro-batch belong to one task."""
        parts = split_by_group(rows, self._groups)
        if self._settings.packing:
            cut = [split_by_tokens(part, self.lengths, self._micro_batch_tokens) for part in parts]
        else:
            cut = [split_by_rows(part, self._settings.per_device_train_batch_size) for part in parts]
        return list(chain.from_iterable(cut))

    def num_tokens(self, rows: Sequence[int]) -> int:
        """Return the tokens of rows, padding not counted."""
        return sum(self.lengths[row] for row in rows)
