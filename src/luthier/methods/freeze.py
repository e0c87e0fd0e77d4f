"""Freezing: the last layers, weights named by pattern, or the head train, at once or one group after the other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from luthier.core.errors import TrainingError
from luthier.methods.contract import Method, Progress, train_only
from luthier.methods.full import save_whole_model
from luthier.models.heads import head_of
from luthier.plan.base_facts import layer_of
from luthier.plan.freezing import is_trained_by_freeze, schedule_fault, thaw_groups
from luthier.recipe.method_sections import FreezeMethod


class Freeze(Method):
    """Train some weights.

    Args:
        section: Which, and when each of them begins to train.
    """

    def __init__(self, section: FreezeMethod) -> None:
        self._section = section
        self._groups: Mapping[str, int] = {}

    def apply(self, model: Any) -> Any:
        """Freeze all but the chosen weights and a task's head.

        Those that thaw later are marked as trained, too, so that optimizer and checkpoints know them.
        """
        names = [name for name, _ in model.named_parameters()]
        num_layers = 1 + max((n for name in names if (n := layer_of(name)) is not None), default=-1)
        head = head_of(model)
        trained = {
            name
            for name in names
            if head.holds(name) or is_trained_by_freeze(self._section, name, num_layers)
        }
        train_only(model, trained)
        self._groups = thaw_groups(self._section, trained, num_layers)
        return model

    def check_schedule(self, progress: Progress) -> None:
        """Refuse a schedule that ends before the last group has thawed."""
        num_groups = 1 + max(self._groups.values(), default=0)
        if self._thawed_at(num_groups - 1, progress) >= progress.num_steps:
            length = f"{progress.num_steps} steps, {progress.steps_per_epoch} an epoch"
            fault = schedule_fault(self._section, num_groups, length)
            raise TrainingError(fault.problem, where=fault.path, cure=fault.cure)

    def before_step(self, model: Any, progress: Progress) -> None:
        """Thaw what is due. A weight that does not require a gradient gets none, nor anything below it."""
        if self._section.unfreeze_every is None:
            return
        for name, parameter in model.named_parameters():
            if name in self._groups:
                parameter.requires_grad_(self._thawed_at(self._groups[name], progress) <= progress.step)

    def _thawed_at(self, group: int, progress: Progress) -> int:
        """Return the step before which the group thaws."""
        unit = progress.steps_per_epoch if self._section.unfreeze_unit == "epochs" else 1
        return group * (self._section.unfreeze_every or 0) * unit

    def save(self, model: Any, folder: Path, dtype: torch.dtype) -> None:
        """Write the whole model in ``dtype``."""
        save_whole_model(model, folder, dtype)

    def merge(self, model: Any) -> Any:
        """Return the model: nothing is beside its weights."""
        return model
