"""The course of a training: its losses by step, and what their shape says.

The limits of the verdicts are those of SageMaker Debugger's rules where it has one (Overfit, Overtraining; the
service's documentation names their defaults).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from luthier.core.charts import Point

PATIENCE = 10
"""Evaluations without improvement after which training went on in vain; SageMaker's patience_validation."""

_LAST = 0.75
_PARTS, _FEWEST_STEPS = 5, 4
_SURE = 2.0  # standard errors of a difference that is no chance


@dataclass(frozen=True)
class Course:
    """Losses over the steps of a training.

    Args:
        training: Step and logged loss, in training mode, by growing step.
        held_out: Step and held-out loss, by growing step.
    """

    training: Sequence[Point]
    held_out: Sequence[Point]

    @classmethod
    def of(cls, history: Sequence[Mapping[str, Any]]) -> Course:
        """Take the losses out of a history of events."""
        training = [(float(e["step"]), float(e["loss"])) for e in history if "loss" in e]
        held_out = [(float(e["step"]), float(e["eval_loss"])) for e in history if "eval_loss" in e]
        return cls(sorted(training), sorted(held_out))

    @property
    def last_step(self) -> int:
        """Of the training; 0 where nothing is known."""
        return int(max((step for step, _ in (*self.training, *self.held_out)), default=0))

    @property
    def best(self) -> Point | None:
        """Step and value of the lowest held-out loss, the first of equals; None where it was never measured."""
        return min(self.held_out, key=lambda point: (point[1], point[0]), default=None)

    @property
    def distance(self) -> float | None:
        """Share of the training that came after the lowest held-out loss; None where there was one evaluation."""
        if self.best is None or len(self.held_out) < 2:
            return None
        return (self.last_step - self.best[0]) / self.last_step

    def rise_at(self, step: int) -> float | None:
        """Return how far the held-out loss at a step is above its lowest, relative to that; None where unknown."""
        found = next((loss for at, loss in self.held_out if at == step), None)
        if found is None or self.best is None or self.best[1] <= 0:
            return None
        return found / self.best[1] - 1

    @property
    def late_drop(self) -> float | None:
        """Drop of the held-out loss over the last quarter, relative to where it ended; negative if it rose.

        Between evaluations the quarter's begin is interpolated; None with fewer than two evaluations.
        """
        if len(self.held_out) < 2 or self.held_out[-1][1] <= 0:
            return None
        begin = max(_LAST * self.last_step, self.held_out[0][0])
        before = _at(self.held_out, begin)
        return (before - self.held_out[-1][1]) / self.held_out[-1][1]

    def turns(self, least: float) -> int:
        """Return how often the held-out loss turns between falling and rising; one turn is a valley.

        Args:
            least: Moves up to this share of the lowest loss count as none.
        """
        if self.best is None:
            return 0
        swing = least * self.best[1]
        extreme, direction, turns = self.held_out[0][1], 0, 0
        for _, loss in self.held_out[1:]:
            if direction * (loss - extreme) >= 0 and direction:
                extreme = loss
            elif abs(loss - extreme) > swing:
                turns += direction != 0
                direction, extreme = (1 if loss > extreme else -1), loss
        return turns

    def evaluations_since_gain(self, delta: float) -> int:
        """Return how many evaluations at the end brought no loss that is lower by more than a share ``delta``."""
        lowest, since = float("inf"), 0
        for _, loss in self.held_out:
            if loss < lowest * (1 - delta):
                lowest, since = loss, 0
            else:
                since += 1
        return since

    @property
    def is_stalled(self) -> bool:
        """Whether the training loss did not fall beyond its noise: the last fifth of its steps against the first.

        False with fewer than 20 logged steps, which tell nothing.
        """
        losses = np.array([loss for _, loss in self.training])
        part = len(losses) // _PARTS
        if part < _FEWEST_STEPS:
            return False
        first, last = losses[:part], losses[-part:]
        error = math.sqrt(first.var(ddof=1) / part + last.var(ddof=1) / part)
        return bool(first.mean() - last.mean() <= _SURE * error)


def _at(points: Sequence[Point], x: float) -> float:
    """Return the value of the line through points, at a place between the first and the last."""
    for (left, low), (right, high) in zip(points, points[1:], strict=False):
        if left <= x <= right:
            return low + (high - low) * (x - left) / (right - left)
    return points[-1][1]
