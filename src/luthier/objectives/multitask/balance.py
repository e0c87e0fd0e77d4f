"""TaskBalance: the step's gradient out of the tasks' gradients, weighed, looked at for conflicts, and projected."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from luthier.objectives.contract import Loss
from luthier.objectives.multitask.conflict import cosines
from luthier.objectives.multitask.held_out import CountBy, HeldOutTasks
from luthier.objectives.multitask.pcgrad import project_conflicts
from luthier.objectives.multitask.task_batch import TaskBatch
from luthier.objectives.multitask.weighting import Weighting
from luthier.plan.base_facts import layer_of

_PROJECTION = 0x9C6AD
"""Tells the draws of projections from others of the same seed and step."""


@dataclass(frozen=True)
class GradientRules:
    """What is done with the tasks' gradients.

    Args:
        conflict_steps: Measure the cosines every this many steps; None for never.
        projects: Take conflicts out by PCGrad.
    """

    conflict_steps: int | None = None
    projects: bool = False


class TaskBalance:
    """Makes the loss of a step out of the mean losses of its tasks.

    The loss is the sum over the tasks of share times factor times mean: the mean is over the task's items in the
    whole step, the factor comes from the weighting, and the share is that of the task's rows (or items) among all
    of the step. With one task it is the plain loss.

    Args:
        names: Of the tasks.
        weighting: Factors of the losses.
        parameters: What trains in the model, by name; a weight that two tasks move is shared.
        rules: What is done with gradients.
        count_by: What the shares count.
        held_out_by: What the shares of the held-out loss count.
        seed: Of the projections' orders.
    """

    def __init__(
        self,
        names: Sequence[str],
        weighting: Weighting,
        parameters: Mapping[str, torch.nn.Parameter],
        rules: GradientRules,
        *,
        count_by: CountBy,
        held_out_by: CountBy,
        seed: int,
    ) -> None:
        self._held_out_by: CountBy = held_out_by
        self._names = list(names)
        self._weighting = weighting
        self._parameters = parameters
        self._rules = rules
        self._count_by = count_by
        self._seed = seed
        self._told = _Told(names)

    def begin(self, step: int, batches: Sequence[TaskBatch]) -> None:
        """Count the items of a step; its batches must come task after task."""
        self._step = step
        self._weights: dict[int, float] = defaultdict(float)
        counts: dict[int, float] = defaultdict(float)
        for batch in batches:
            self._weights[batch.task] += batch.weight
            counts[batch.task] += len(batch.places) if self._count_by == "rows" else batch.weight
        total = math.fsum(counts.values())
        self._shares = {task: count / total for task, count in counts.items()}
        self._means = dict.fromkeys(counts, 0.0)
        self._apart: dict[int, dict[str, torch.Tensor]] = {}
        self._running: int | None = None
        is_looked_at = self._rules.conflict_steps is not None and step % self._rules.conflict_steps == 0
        self._is_split = len(counts) > 1 and (
            is_looked_at or self._rules.projects or self._weighting.measures_gradients
        )
        self._is_looked_at = is_looked_at and self._is_split
        self._factors = self._weighting.factors()

    def scaled(self, batch: TaskBatch, loss: Loss) -> torch.Tensor:
        """Return what the backward pass of a micro-batch begins with."""
        task = batch.task
        if self._is_split and self._running not in (None, task):
            self._set_apart()
        self._running = task
        mean = loss.total / self._weights[task]
        self._means[task] += mean.item()
        return mean * (self._shares[task] * self._factors[task])

    def end(self) -> float:
        """Make the gradient of the step whole, and return its loss: the tasks' means by their shares."""
        norms: dict[int, float] = {}
        if self._is_split:
            self._set_apart()
            norms = self._bring_together()
        self._told.step(self._means, self._weights, self._factors)
        if all(map(math.isfinite, (*self._means.values(), *norms.values()))):
            self._weighting.update(self._means, norms)  # what is not finite stops the run, with its rows
        return math.fsum(self._shares[task] * mean for task, mean in self._means.items())

    def report(self) -> dict[str, Any]:
        """Return what the steps since the last report were like, task by task."""
        return self._told.take()

    def held_out(self) -> HeldOutTasks:
        """Return what adds up the held-out loss of each task."""
        return HeldOutTasks(self._names, count_by=self._held_out_by)

    def state(self) -> dict[str, Any]:
        """Return what was learnt between steps, as JSON knows it."""
        return self._weighting.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put back what `state` returned."""
        self._weighting.restore(state)

    def _set_apart(self) -> None:
        """Take the gradient of the task whose batches are done out of the model."""
        assert self._running is not None and self._running not in self._apart, "batches come task after task"
        own = self._apart[self._running] = {}
        for name, parameter in self._parameters.items():
            if parameter.grad is not None:
                own[name] = parameter.grad
                parameter.grad = None

    def _bring_together(self) -> dict[int, float]:
        """Put the sum of the tasks' gradients into the model, and return their norms where they are asked for."""
        tasks = sorted(self._apart)
        seen: dict[str, int] = defaultdict(int)
        for own in self._apart.values():
            for name in own:
                seen[name] += 1
        shared = [name for name, count in seen.items() if count > 1]
        norms = self._norms(_last_layer(shared)) if self._weighting.measures_gradients else {}
        gradients = [[self._of(task, name) for name in shared] for task in tasks]
        if self._is_looked_at:
            self._told.cosines({(tasks[a], tasks[b]): value for (a, b), value in cosines(gradients).items()})
        if self._rules.projects:
            generator = np.random.default_rng([self._seed, self._step, _PROJECTION])
            gradients = project_conflicts(gradients, generator)
        for name, *parts in zip(shared, *gradients, strict=True):
            self._parameters[name].grad = sum(parts[1:], start=parts[0])
        for task in tasks:
            for name, gradient in self._apart[task].items():
                if seen[name] == 1:
                    self._parameters[name].grad = gradient
        self._apart = {}
        return norms

    def _of(self, task: int, name: str) -> torch.Tensor:
        found = self._apart[task].get(name)
        return torch.zeros_like(self._parameters[name]) if found is None else found

    def _norms(self, names: Sequence[str]) -> dict[int, float]:
        """Return the norm of the gradient of each task's unweighted mean loss with respect to some weights."""
        norms = {}
        for task in self._apart:
            square = sum(float(torch.sum(self._of(task, name) ** 2, dtype=torch.float64)) for name in names)
            norms[task] = math.sqrt(square) / (self._shares[task] * self._factors[task])
        return norms


def _last_layer(shared: Sequence[str]) -> list[str]:
    """Return the weights of the last layer among them; all of them where none names a layer."""
    layers = {name: layer for name in shared if (layer := layer_of(name)) is not None}
    last = max(layers.values(), default=None)
    return [name for name, layer in layers.items() if layer == last] or list(shared)


class _Told:
    """What steps were like since it was last asked for."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = list(names)
        self._clear()

    def _clear(self) -> None:
        self._totals: dict[int, float] = defaultdict(float)
        self._weights: dict[int, float] = defaultdict(float)
        self._factors: list[float] = []
        self._cosines: dict[tuple[int, int], list[float]] = defaultdict(list)

    def step(
        self, means: Mapping[int, float], weights: Mapping[int, float], factors: Sequence[float]
    ) -> None:
        """Note a step."""
        for task, mean in means.items():
            self._totals[task] += mean * weights[task]
            self._weights[task] += weights[task]
        self._factors = list(factors)

    def cosines(self, found: Mapping[tuple[int, int], float]) -> None:
        """Note the cosines of a step."""
        for pair, value in found.items():
            self._cosines[pair].append(value)

    def take(self) -> dict[str, Any]:
        """Return what was noted and begin anew."""
        told: dict[str, Any] = {
            "tasks": {
                self._names[task]: {
                    "loss": total / self._weights[task],
                    "items": self._weights[task],
                    "factor": self._factors[task],
                }
                for task, total in sorted(self._totals.items())
            }
        }
        if self._cosines:
            told["gradient_cosines"] = {
                f"{self._names[one]} | {self._names[two]}": sum(values) / len(values)
                for (one, two), values in sorted(self._cosines.items())
            }
        self._clear()
        return told
