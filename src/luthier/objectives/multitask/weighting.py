"""The Weighting contract: how much each task's loss counts, and the simplest one, given factors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch


class Weighting(Protocol):
    """Weighs the losses of tasks; each task is known by its number.

    What a weighting learns between steps is plain numbers, so that a checkpoint holds it to the bit.
    """

    measures_gradients: bool
    """Whether `update` needs the norms of the tasks' gradients."""

    def parameters(self) -> dict[str, torch.nn.Parameter]:
        """Return what the optimizer trains beside the model; empty for most."""

    def term(self, task: int, mean: torch.Tensor, part: float) -> torch.Tensor:
        """Return what a micro-batch adds to the step's loss before the task's share.

        Args:
            task: Number of the task.
            mean: The micro-batch's part of the task's mean loss in this step: its total by the weight of all
                the task's items.
            part: The micro-batch's share of that weight; the parts of a step add up to 1.
        """

    def factors(self) -> list[float]:
        """Return what the gradient of each task's loss is multiplied with now, shape [tasks]."""

    def update(self, losses: Mapping[int, float], norms: Mapping[int, float]) -> None:
        """Learn from a step that is done.

        Args:
            losses: Mean loss of each task in the step.
            norms: Norm of the gradient of each unweighted mean loss; empty unless ``measures_gradients``.
        """

    def state(self) -> dict[str, Any]:
        """Return what was learnt, as JSON knows it."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put back what `state` returned."""


class StaticWeights:
    """Each task's loss times a given factor.

    Args:
        factors: Of each task.
    """

    measures_gradients = False

    def __init__(self, factors: Sequence[float]) -> None:
        self._factors = list(factors)

    def parameters(self) -> dict[str, torch.nn.Parameter]:
        """Return nothing."""
        return {}

    def term(self, task: int, mean: torch.Tensor, part: float) -> torch.Tensor:
        """Return the loss times the task's factor."""
        return mean * self._factors[task]

    def factors(self) -> list[float]:
        """Return the given factors."""
        return list(self._factors)

    def update(self, losses: Mapping[int, float], norms: Mapping[int, float]) -> None:
        """Learn nothing."""

    def state(self) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put nothing back."""
