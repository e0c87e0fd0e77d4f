"""The Method contract: which parameters train."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import torch


class Method(Protocol):
    """Chooses the trained parameters of a model; every method passes the same contract tests.

    At initialisation the model computes what it computed before; only trained parameters change;
    what `save` writes is loaded by `luthier.models.load.load_trained`; a merged model equals the
    unmerged one.
    """

    def apply(self, model: Any) -> Any:
        """Return the model with exactly the chosen parameters trainable, those in float32."""

    def save(self, model: Any, folder: Path, dtype: torch.dtype) -> None:
        """Write the result in Hugging Face or PEFT layout.

        Args:
            model: What `apply` returned, after training.
            folder: An existing folder.
            dtype: Type of whole-model weights; adapters stay in float32.
        """

    def merge(self, model: Any) -> Any:
        """Return a plain model without adapters; the argument is used up."""


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
