"""Freezing: the last layers, or weights named by pattern, train; the rest stays as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from luthier.methods.contract import train_only
from luthier.methods.full import save_whole_model
from luthier.plan.base_facts import layer_of
from luthier.plan.trainable import is_trained_by_freeze
from luthier.recipe.method_sections import FreezeMethod


class Freeze:
    """Train some weights.

    Args:
        section: Which: the last N decoder layers, or shell-style name patterns.
    """

    def __init__(self, section: FreezeMethod) -> None:
        self._section = section

    def apply(self, model: Any) -> Any:
        """Freeze all but the chosen weights."""
        names = [name for name, _ in model.named_parameters()]
        num_layers = 1 + max((n for name in names if (n := layer_of(name)) is not None), default=-1)
        train_only(model, {name for name in names if is_trained_by_freeze(self._section, name, num_layers)})
        return model

    def save(self, model: Any, folder: Path, dtype: torch.dtype) -> None:
        """Write the whole model in ``dtype``."""
        save_whole_model(model, folder, dtype)

    def merge(self, model: Any) -> Any:
        """Return the model: nothing is beside its weights."""
        return model
