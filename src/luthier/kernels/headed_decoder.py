"""A decoder under a task's head: its layers run on one packed row, the head sees rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from luthier.kernels.causal_loss import COMPARED_FAMILIES


@dataclass(frozen=True)
class HeadedDecoder:
    """The parts of a (PEFT-wrapped) decoder with the head of a task, e.g. ``LlamaForSequenceClassification``.

    Args:
        base: The transformers model.
        trunk: Everything below the head.
    """

    base: Any
    trunk: nn.Module

    @classmethod
    def of(cls, model: Any) -> HeadedDecoder | None:
        """Take ``model`` apart, or return None if it is no such model of a compared family."""
        base = model.get_base_model() if hasattr(model, "get_base_model") else model
        if getattr(getattr(base, "config", None), "model_type", None) not in COMPARED_FAMILIES:
            return None
        is_headed = base.base_model is not base and base.get_output_embeddings() is None
        return cls(base, base.base_model) if is_headed else None
