"""GradNorm: factors under which the tasks' gradients are of like size, larger for tasks that learn more slowly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from luthier.objectives.multitask.adam import ScalarAdam
from luthier.objectives.multitask.weighting import StaticWeights

LEAST_FACTOR = 1e-3
"""No factor falls below it: at 0 the loss of a task would be gone, below 0 it would be maximised."""


class GradNorm(StaticWeights):
    """Learns factors w so that ``w_i g_i`` comes near to ``mean(w g) * r_i ** alpha``.

    g_i is the norm of the gradient of task i's loss with respect to the last shared layer, r_i its inverse training
    rate: its loss relative to its first loss, by the mean of that over the tasks. After each step the factors are
    scaled to add up to the number of tasks. In a step that not all tasks take part in, those that do share what
    their factors added up to before.

    Args:
        num_tasks: Number of tasks; every factor begins at 1.
        alpha: Strength of the pull to equal training rates; 0 asks for equal norms.
        learning_rate: Of Adam on the factors.

    Reference:
        Chen et al. 2018, GradNorm (arXiv:1711.02257), equations 1 and 2 and algorithm 1.
    """

    measures_gradients = True

    def __init__(self, num_tasks: int, *, alpha: float, learning_rate: float) -> None:
        super().__init__([1.0] * num_tasks)
        self._alpha = alpha
        self._adam = ScalarAdam(num_tasks, learning_rate)
        self._first_losses: list[float | None] = [None] * num_tasks

    def update(self, losses: Mapping[int, float], norms: Mapping[int, float]) -> None:
        """Do one step of Adam on the factors of the tasks that took part."""
        for task, loss in losses.items():
            if self._first_losses[task] is None:
                self._first_losses[task] = loss
        if len(losses) < 2:
            return  # one norm has nothing to be compared with
        before = math.fsum(self._factors[task] for task in losses)
        for task, slope in self._slopes(losses, norms).items():
            self._factors[task] = max(self._factors[task] - self._adam.step(task, slope), LEAST_FACTOR)
        scale = before / math.fsum(self._factors[task] for task in losses)
        for task in losses:
            self._factors[task] *= scale

    def _slopes(self, losses: Mapping[int, float], norms: Mapping[int, float]) -> dict[int, float]:
        """Return the derivative of ``sum |w_i g_i - target_i|`` by each factor; the targets are constants."""
        relative = {task: loss / (self._first_losses[task] or 1.0) for task, loss in losses.items()}
        weighted = {task: self._factors[task] * norms[task] for task in losses}
        mean_relative = math.fsum(relative.values()) / len(relative) or 1.0
        mean_norm = math.fsum(weighted.values()) / len(weighted)
        return {
            task: norms[task]
            * _sign(weighted[task] - mean_norm * (relative[task] / mean_relative) ** self._alpha)
            for task in losses
        }

    def state(self) -> dict[str, Any]:
        """Return factors, first losses and Adam's moments."""
        return {
            "factors": list(self._factors),
            "first_losses": list(self._first_losses),
            "adam": self._adam.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put them back."""
        self._factors = list(state["factors"])
        self._first_losses = list(state["first_losses"])
        self._adam.restore(state["adam"])


def _sign(value: float) -> float:
    return math.copysign(1.0, value) if value else 0.0
