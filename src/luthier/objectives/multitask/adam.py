"""Adam on a few plain numbers: what loss weights learn, kept in checkpoints to the bit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8


class ScalarAdam:
    """Adam with its usual constants, each number with moments of its own.

    Args:
        size: How many numbers.
        learning_rate: Length of a step.

    Reference:
        Kingma and Ba 2015 (arXiv:1412.6980), algorithm 1; `torch.optim.Adam` computes the same.
    """

    def __init__(self, size: int, learning_rate: float) -> None:
        self._learning_rate = learning_rate
        self._means = [0.0] * size
        self._squares = [0.0] * size
        self._num_updates = [0] * size

    def step(self, number: int, slope: float) -> float:
        """Return what is to be subtracted from a number whose derivative is ``slope``."""
        self._num_updates[number] += 1
        count = self._num_updates[number]
        self._means[number] += (1 - _BETA1) * (slope - self._means[number])
        self._squares[number] += (1 - _BETA2) * (slope * slope - self._squares[number])
        mean = self._means[number] / (1 - _BETA1**count)
        square = self._squares[number] / (1 - _BETA2**count)
        return self._learning_rate * mean / (math.sqrt(square) + _EPSILON)

    def state(self) -> dict[str, Any]:
        """Return the moments, as JSON knows them."""
        return {
            "means": list(self._means),
            "squares": list(self._squares),
            "num_updates": list(self._num_updates),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put back what `state` returned."""
        self._means, self._squares = list(state["means"]), list(state["squares"])
        self._num_updates = list(state["num_updates"])
