"""Which rows of which tasks make which step: a pure function of seed and step, so that resuming is exact."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from luthier.objectives.multitask.rates import rows_per_epoch

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Mixture:
    """How the rows of some tasks are mixed.

    Args:
        rows: Row numbers of each task that takes part, ascending.
        rates: Share of the draws that each of them gives.
        epoch_rows: Draws in an epoch.
        takes_turns: One row of each task after the other, instead of a random order.
    """

    rows: Sequence[Rows]
    rates: NDArray[np.float64]
    epoch_rows: int
    takes_turns: bool = False


class MixtureOrder:
    """The rows of each optimizer step of a mixture.

    An epoch has a fixed number of rows of each task. A task's rows are drawn without replacement, pass after
    pass, each pass in an order of its own; no two rows of a task are ever used more than once apart. Where
    an epoch holds every row once, its order is that of `luthier.train.batches.StepOrder`.

    Args:
        mixture: Tasks and rates.
        rows_per_step: Rows in an optimizer step.
        seed: Of every draw.
        stage: Number of the stage in a staged run: each has draws of its own.
    """

    def __init__(self, mixture: Mixture, rows_per_step: int, seed: int, *, stage: int = 0) -> None:
        self._mixture = mixture
        self._rows_per_step = rows_per_step
        self._seed = seed
        self._stage = [stage] if stage else []
        self.quotas = rows_per_epoch(mixture.rates, mixture.epoch_rows)
        self._epoch = -1
        self._order: Rows = np.empty(0, dtype=np.int64)

    @property
    def steps_per_epoch(self) -> int:
        """Steps of an epoch; the last one takes what is left."""
        return math.ceil(sum(self.quotas) / self._rows_per_step)

    def rows(self, step: int) -> list[int]:
        """Return the row numbers of step ``step``, from 0."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._order = self._order_of(epoch)
            self._epoch = epoch
        first = position * self._rows_per_step
        return [int(row) for row in self._order[first : first + self._rows_per_step]]

    def _order_of(self, epoch: int) -> Rows:
        drawn = [self._drawn(task, epoch) for task in range(len(self.quotas))]
        generator = np.random.default_rng([self._seed, epoch, *self._stage])
        if self._mixture.takes_turns:
            return _in_turn([rows[generator.permutation(len(rows))] for rows in drawn])
        together = np.sort(np.concatenate(drawn))
        return together[generator.permutation(len(together))]

    def _drawn(self, task: int, epoch: int) -> Rows:
        """Return a task's rows of an epoch: the next ones of its endless sequence of passes."""
        rows, quota = self._mixture.rows[task], self.quotas[task]
        first, last = epoch * quota, (epoch + 1) * quota
        parts = []
        for number in range(first // len(rows), math.ceil(last / len(rows))):
            key = [self._seed, number, task + 1, *self._stage]
            order = rows[np.random.default_rng(key).permutation(len(rows))]
            start = number * len(rows)
            parts.append(order[max(first - start, 0) : last - start])
        return np.concatenate(parts)


def _in_turn(rows: Sequence[Rows]) -> Rows:
    """Return one row of each task after the other; tasks that have none left are passed over."""
    turns = np.concatenate([np.arange(len(own)) * len(rows) + task for task, own in enumerate(rows)])
    return np.concatenate(rows)[np.argsort(turns, kind="stable")]


class StagedOrder:
    """Mixtures one after the other, each for its share of the steps.

    Args:
        orders: Of each stage.
        ends: Step at which each stage ends, ascending; the last one goes on for ever.
        steps_per_epoch: Steps of an epoch of the whole run.
    """

    def __init__(self, orders: Sequence[MixtureOrder], ends: Sequence[int], steps_per_epoch: int) -> None:
        self._orders = orders
        self._starts = [0, *ends[:-1]]
        self.steps_per_epoch = steps_per_epoch

    def stage(self, step: int) -> int:
        """Return the number of the stage that a step belongs to, from 0."""
        return max(number for number, start in enumerate(self._starts) if start <= step)

    def rows(self, step: int) -> list[int]:
        """Return the row numbers of step ``step``, from 0."""
        stage = self.stage(step)
        return self._orders[stage].rows(step - self._starts[stage])


def stage_ends(shares: Sequence[float], num_steps: int) -> list[int]:
    """Return the step at which each stage ends, by its share of all steps; the last ends with the run."""
    return [round(math.fsum(shares[: number + 1]) * num_steps) for number in range(len(shares) - 1)] + [
        num_steps
    ]


def uses_of_rows(order: MixtureOrder | StagedOrder, num_rows: int, num_steps: int) -> Rows:
    """Return how often each row is trained on in a run, shape [rows]."""
    uses = np.zeros(num_rows, dtype=np.int64)
    for step in range(num_steps):
        np.add.at(uses, order.rows(step), 1)
    return uses
