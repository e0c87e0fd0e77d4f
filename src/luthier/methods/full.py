"""Full fine-tuning: every weight trains."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch

from luthier.methods.contract import Method, train_only


class Full(Method):
    """Train all weights."""

    def apply(self, model: Any) -> Any:
        """Make every parameter trainable, in float32."""
        train_only(model, {name for name, _ in model.named_parameters()})
        return model

    def save(self, model: Any, folder: Path, dtype: torch.dtype) -> None:
        """Write the whole model in ``dtype``; the model itself keeps its types."""
        save_whole_model(model, folder, dtype)

    def merge(self, model: Any) -> Any:
        """Return the model: nothing is beside its weights."""
        return model


def save_whole_model(model: Any, folder: Path, dtype: torch.dtype) -> None:
    """Save a copy of the weights in one type, with a configuration that says so."""
    state = {name: tensor.to(dtype) for name, tensor in model.state_dict().items()}
    previous = model.config.dtype
    model.save_pretrained(folder, state_dict=state)
    model.config.dtype = previous
    # save_pretrained writes the type of the parameters in memory, not that of the state it was given.
    config = copy.deepcopy(model.config)
    config.dtype = dtype
    config.save_pretrained(folder)
