"""Dynamic weight average: a task whose loss falls more slowly than the others' counts more."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from luthier.objectives.multitask.weighting import StaticWeights


class DynamicAverage(StaticWeights):
    """The factor of a task is ``tasks * softmax(ratio / T)``, ratio being its loss by its loss before.

    Both losses are averages over a period. A task that two whole periods have not seen has ratio 1.

    Args:
        num_tasks: Number of tasks; every factor begins at 1.
        period: Steps that are averaged; the paper takes an epoch.
        temperature: T; the larger, the more even the factors.

    Reference:
        Liu, Johns and Davison 2019, End-to-End Multi-Task Learning with Attention (arXiv:1803.10704),
        equation 7.
    """

    def __init__(self, num_tasks: int, *, period: int, temperature: float) -> None:
        super().__init__([1.0] * num_tasks)
        self._period = period
        self._temperature = temperature
        self._num_steps = 0
        self._sums = [0.0] * num_tasks
        self._counts = [0] * num_tasks
        self._averages: list[list[float]] = [[] for _ in range(num_tasks)]

    def update(self, losses: Mapping[int, float], norms: Mapping[int, float]) -> None:
        """Note the losses, and set the factors anew at the end of a period."""
        for task, loss in losses.items():
            self._sums[task] += loss
            self._counts[task] += 1
        self._num_steps += 1
        if self._num_steps % self._period == 0:
            self._end_period()

    def _end_period(self) -> None:
        for task, count in enumerate(self._counts):
            if count:
                self._averages[task] = [*self._averages[task][-1:], self._sums[task] / count]
        num_tasks = len(self._counts)
        self._sums, self._counts = [0.0] * num_tasks, [0] * num_tasks
        scaled = [_ratio(averages) / self._temperature for averages in self._averages]
        powers = [math.exp(value - max(scaled)) for value in scaled]
        self._factors = [num_tasks * power / math.fsum(powers) for power in powers]

    def state(self) -> dict[str, Any]:
        """Return factors, sums and averages."""
        return {
            "factors": list(self._factors),
            "num_steps": self._num_steps,
            "sums": list(self._sums),
            "counts": list(self._counts),
            "averages": [list(averages) for averages in self._averages],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put them back."""
        self._factors = list(state["factors"])
        self._num_steps = state["num_steps"]
        self._sums, self._counts = list(state["sums"]), list(state["counts"])
        self._averages = [list(averages) for averages in state["averages"]]


def _ratio(averages: list[float]) -> float:
    """Return the last average by the one before; 1 where there are not two, or nothing is left to fall."""
    return averages[1] / averages[0] if len(averages) == 2 and averages[0] else 1.0
