"""Hooks around a step: those of the method, and of an objective that trains weights of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from luthier.methods.contract import Progress, StepHooks
from luthier.objectives.contract import HookedObjective, Objective

_OBJECTIVE = "objective/"
"""Marks what the objective keeps in a checkpoint, among what the method keeps."""


def hooks_of(method: StepHooks | None, objective: Objective) -> StepHooks:
    """Return the method's hooks, together with those of the objective where it has some."""
    first = method or StepHooks()
    own = objective.hooks if isinstance(objective, HookedObjective) else None
    return first if own is None else JoinedHooks(first, own)


class JoinedHooks(StepHooks):
    """Calls the method's hooks, then the objective's."""

    def __init__(self, method: StepHooks, objective: StepHooks) -> None:
        self._method = method
        self._objective = objective

    def check_schedule(self, progress: Progress) -> None:
        """Refuse a schedule that cannot take effect."""
        self._method.check_schedule(progress)
        self._objective.check_schedule(progress)

    def before_step(self, model: Any, progress: Progress) -> None:
        """Prepare the next step."""
        self._method.before_step(model, progress)
        self._objective.before_step(model, progress)

    def penalty(self, model: Any) -> torch.Tensor | None:
        """Return the sum of both terms."""
        terms = [term for h in (self._method, self._objective) if (term := h.penalty(model)) is not None]
        return torch.stack(terms).sum() if terms else None

    def after_step(self, model: Any, progress: Progress) -> None:
        """React to a step."""
        self._method.after_step(model, progress)
        self._objective.after_step(model, progress)

    def report(self) -> dict[str, float]:
        """Return what both tell."""
        return {**self._method.report(), **self._objective.report()}

    def state(self, model: Any) -> dict[str, torch.Tensor]:
        """Return what both keep."""
        own = self._objective.state(model)
        return {**self._method.state(model), **{f"{_OBJECTIVE}{key}": tensor for key, tensor in own.items()}}

    def restore(self, model: Any, tensors: Mapping[str, torch.Tensor]) -> None:
        """Put back what `state` returned."""
        is_own = {key: key.startswith(_OBJECTIVE) for key in tensors}
        self._method.restore(model, {key: t for key, t in tensors.items() if not is_own[key]})
        own = {key.removeprefix(_OBJECTIVE): t for key, t in tensors.items() if is_own[key]}
        self._objective.restore(model, own)
