"""The Weighting contract: how much each task's loss counts, and the simplest one, given factors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Weighting(Protocol):
    """Weighs the losses of tasks; each task is known by its number.

    What a weighting learns between steps is plain numbers, so that a checkpoint holds it to the bit.
    """

    measures_gradients: bool
    """Whether `update` needs the norms of the tasks' gradients."""

    def factors(self) -> list[float]:
        """Return what each task's mean loss is multiplied with in the next step, shape [tasks]."""

    def update(self, losses: Mapping[int, float], norms: Mapping[int, float]) -> None:
        """Learn from a step that is done.

        Args:
            losses: Mean loss of each task in the step.
            norms: Norm of the gradient of each unweighted mean loss; empty unless ``measures_gradients``, and where
                one task alone was in the step.
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

    def factors(self) -> list[float]:
        """Return the factors."""
        return list(self._factors)

    def update(self, losses: Mapping[int, float], norms: Mapping[int, float]) -> None:
        """Learn nothing."""

    def state(self) -> dict[str, Any]:
        """Return nothing: the recipe says it all."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put nothing back."""
