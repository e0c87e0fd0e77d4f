"""Uncertainty weights: each task's noise is learnt, and its loss counts by the inverse of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch


class UncertaintyWeights:
    """The loss of a task becomes ``exp(-s) * loss + s / 2``, where s, the logarithm of its variance, is trained.

    All objectives here are likelihoods of discrete targets, so the form is that of classification: the factor is
    one over the variance. At the best s of a constant loss, the variance is twice the loss.

    Args:
        num_tasks: Number of tasks; every s begins at 0, where the factor is 1.

    Reference:
        Kendall, Gal and Cipolla 2018, Multi-Task Learning Using Uncertainty to Weigh Losses (arXiv:1705.07115),
        equation 10; s in place of the variance for stability, as in its section 3.2.
    """

    measures_gradients = False

    def __init__(self, num_tasks: int) -> None:
        self._log_variances = [torch.nn.Parameter(torch.zeros(())) for _ in range(num_tasks)]

    def parameters(self) -> dict[str, torch.nn.Parameter]:
        """Return the logarithm of each task's variance; AdamW does not decay them: they are no matrices."""
        return {f"log_variance.{task}": value for task, value in enumerate(self._log_variances)}

    def term(self, task: int, mean: torch.Tensor, part: float) -> torch.Tensor:
        """Return the weighted loss and its part of the price of a large variance."""
        log_variance = self._log_variances[task].to(mean.device)
        return torch.exp(-log_variance) * mean + part * log_variance / 2

    def factors(self) -> list[float]:
        """Return one over each variance."""
        return [math.exp(-value.item()) for value in self._log_variances]

    def update(self, losses: Mapping[int, float], norms: Mapping[int, float]) -> None:
        """Learn nothing here: the optimizer trains the variances with the model."""

    def state(self) -> dict[str, Any]:
        """Return nothing: trained weights are in every checkpoint."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put nothing back."""
