"""Which rows make which step: a pure function of seed and step, so that resuming repeats nothing and skips nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

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


class StepPlan:
    """All steps of a run: how many, which rows each takes, and how those are cut into micro-batches.

    Args:
        lengths: Tokens of each training row.
        settings: The recipe's train section.
        micro_batch_tokens: Longest packed micro-batch in tokens.
        seed: Seed of the order.
    """

    def __init__(
        self, lengths: Sequence[int], settings: TrainSection, *, micro_batch_tokens: int, seed: int
    ) -> None:
        self.lengths = lengths
        self._settings = settings
        self._micro_batch_tokens = micro_batch_tokens
        rows_per_step = settings.per_device_train_batch_size * settings.gradient_accumulation_steps
        self._order = StepOrder(len(lengths), rows_per_step, seed)
        self.steps_per_epoch = self._order.steps_per_epoch
        self.num_steps = settings.max_steps or math.ceil(settings.num_train_epochs * self.steps_per_epoch)

    def rows(self, step: int) -> list[int]:
        """Return the row numbers of step ``step``, from 0."""
        return self._order.rows(step)

    def micro_batches(self, rows: Sequence[int]) -> list[list[int]]:
        """Cut the rows of a step."""
        if self._settings.packing:
            return split_by_tokens(rows, self.lengths, self._micro_batch_tokens)
        return split_by_rows(rows, self._settings.per_device_train_batch_size)

    def num_tokens(self, rows: Sequence[int]) -> int:
        """Return the tokens of rows, padding not counted."""
        return sum(self.lengths[row] for row in rows)
