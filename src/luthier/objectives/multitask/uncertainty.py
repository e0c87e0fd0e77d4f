"""Uncertainty weights: each task's noise is learnt, and its loss counts by the inverse of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from luthier.objectives.multitask.adam import ScalarAdam


class UncertaintyWeights:
    """The loss of a task becomes ``exp(-s) * loss + s / 2``, where s, the logarithm of its variance, is trained.

    All objectives here are likelihoods of discrete targets, so the form is that of classification: the factor is
    one over the variance. At the best s of a constant loss, the variance is twice the loss. s has a step length of
    its own: with that of fine-tuning it would hardly move.

    Args:
        num_tasks: Number of tasks; every s begins at 0, where the factor is 1.
        learning_rate: Of Adam on the s.

    Reference:
        Kendall, Gal and Cipolla 2018, Multi-Task Learning Using Uncertainty to Weigh Losses (arXiv:1705.07115),
        equation 10; s in place of the variance for stability, as in its section 3.2.
    """

    measures_gradients = False

    def __init__(self, num_tasks: int, *, learning_rate: float) -> None:
        self._log_variances = [0.0] * num_tasks
        self._adam = ScalarAdam(num_tasks, learning_rate)

    def factors(self) -> list[float]:
        """Return one over each variance."""
        return [math.exp(-value) for value in self._log_variances]

    def update(self, losses: Mapping[int, float], norms: Mapping[int, float]) -> None:
        """Do a step on the s of each task that took part."""
        for task, loss in losses.items():
            slope = 0.5 - math.exp(-self._log_variances[task]) * loss
            self._log_variances[task] -= self._adam.step(task, slope)

    def state(self) -> dict[str, Any]:
        """Return the s, and Adam's moments."""
        return {"log_variances": list(self._log_variances), "adam": self._adam.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put them back."""
        self._log_variances = list(state["log_variances"])
        self._adam.restore(state["adam"])
