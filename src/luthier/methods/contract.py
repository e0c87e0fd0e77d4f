"""The Method contract: which parameters train, and what happens around a step because of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from luthier.core.errors import ModelError
from luthier.plan.compatibility import merge_refusal


@dataclass(frozen=True)
class Progress:
    """Where training stands.

    Args:
        step: Optimizer steps done.
        num_steps: Steps of the whole run.
        steps_per_epoch: Steps of one pass over the rows.
    """

    step: int
    num_steps: int
    steps_per_epoch: int


class StepHooks:
    """What a method does around each step of the loop; most do nothing.

    What a hook does follows from the model, `Progress` and what `state` returns, so that a resumed run does the same.
    """

    def check_schedule(self, progress: Progress) -> None:
        """Refuse a schedule that cannot take effect in so many steps.

        Raises:
            TrainingError: With the numbers that would.
        """

    def before_step(self, model: Any, progress: Progress) -> None:
        """Prepare the model for the next step."""

    def penalty(self, model: Any) -> torch.Tensor | None:
        """Return a term that is added once to the mean loss of a step, with gradient; None for none."""
        return None

    def after_step(self, model: Any, progress: Progress) -> None:
        """React to a step: the weights are updated, the gradients are still there."""

    def report(self) -> dict[str, float]:
        """Return what the log tells of the steps since the last report."""
        return {}

    def state(self, model: Any) -> dict[str, torch.Tensor]:
        """Return what checkpoints must keep beside the trained weights."""
        return {}

    def restore(self, model: Any, tensors: Mapping[str, torch.Tensor]) -> None:
        """Put back what `state` returned."""


class Method(StepHooks, ABC):
    """Chooses the trained parameters of a model; every method passes the same contract tests.

    Where the model has a task's head (`luthier.models.heads.head_of`), the head trains whole beside what the method
    chooses: through PEFT by ``task_type`` and ``modules_to_save``, with no adapter inside it.

    At initialisation the model computes what it computed before, unless the method's entry in
    `luthier.plan.compatibility` says otherwise; only trained parameters change; what `save` writes is loaded by
    `luthier.models.load.load_trained`; a merged model equals the unmerged one.
    """

    @abstractmethod
    def apply(self, model: Any) -> Any:
        """Return the model with exactly the chosen parameters trainable, those in float32."""

    @abstractmethod
    def save(self, model: Any, folder: Path, dtype: torch.dtype) -> None:
        """Write the result in Hugging Face or PEFT layout.

        Args:
            model: What `apply` returned, after training.
            folder: An existing folder.
            dtype: Type of whole-model weights; adapters stay in float32.
        """

    @abstractmethod
    def merge(self, model: Any) -> Any:
        """Return a plain model without adapters; the argument is used up.

        Raises:
            ModelError: The method computes what no plain model can.
        """


def refused_merge(method: str) -> ModelError:
    """Return the error of a method whose result is more than a plain model computes."""
    refused = merge_refusal(method)
    assert refused is not None, f"{method} can be merged"
    return ModelError(f"{method} cannot be merged: {refused.reason}", cure=refused.cure)


def trained_parameters(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """Return the parameters that train, by name, in a fixed order."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def train_only(model: torch.nn.Module, names: set[str]) -> None:
    """Make exactly the named parameters trainable and hold them in float32.

    float32 because steps of fine-tuning are smaller than bfloat16's resolution: an update of
    one part in a thousand of a bfloat16 weight rounds to nothing.
    """
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in names)
        if name in names:
            parameter.data = parameter.data.float()


def in_float32(model: Any) -> Any:
    """Hold what trains in float32, as `train_only` does, and return the model: PEFT casts adapters, but no head."""
    for parameter in trained_parameters(model).values():
        parameter.data = parameter.data.float()
    return model
