"""What adapters that PEFT makes have in common: where they sit, the head beside them, how they are saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from luthier.core.errors import ModelError
from luthier.methods.contract import Method, in_float32
from luthier.models.heads import head_of
from luthier.models.quantized import is_packed, matrix_shape
from luthier.plan.adapted_layers import adapted_layers, short_names
from luthier.plan.base_facts import layer_of


def linear_layers_in(model: Any) -> dict[str, tuple[int, int]]:
    """Return (outputs, inputs) of the linear layers inside the decoder layers, by name, as the plan knows them."""
    from transformers.pytorch_utils import Conv1D

    head = head_of(model)
    return {
        name: matrix_shape(module)
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear | Conv1D)
        and layer_of(f"{name}.") is not None
        and not head.holds(name)
    }


def names_in(model: Any, chosen: Any) -> list[str]:
    """Return names for PEFT that mean the chosen modules and no others."""
    return short_names(chosen, [name for name, _ in model.named_modules()])


class PeftAdapter(Method):
    """A method that is one of PEFT's configurations.

    Args:
        section: The recipe's method.
    """

    def __init__(self, section: Any) -> None:
        self._section = section

    def apply(self, model: Any) -> Any:
        """Return a ``peft.PeftModel``; what trains in it is float32."""
        from peft import TaskType, get_peft_model

        head = head_of(model)
        config = self.config(model)
        config.task_type = TaskType[head.peft_task]
        config.modules_to_save = list(head.modules) or None
        return in_float32(get_peft_model(model, config, autocast_adapter_dtype=True))

    def config(self, model: Any) -> Any:
        """Return PEFT's configuration for this model."""
        raise NotImplementedError

    def target_names(self, model: Any) -> list[str]:
        """Return the names of the layers to adapt."""
        chosen, _ = adapted_layers(self._section, linear_layers_in(model))
        return names_in(model, chosen)

    def save(self, model: Any, folder: Path, dtype: torch.dtype) -> None:
        """Write ``adapter_model.safetensors`` in float32 and ``adapter_config.json``."""
        model.save_pretrained(folder, save_embedding_layers=False)

    def merge(self, model: Any) -> Any:
        """Return the base with the adapters worked into its weights, in float32."""
        return merged(model)


def merged(model: Any) -> Any:
    """Return the base of a ``peft.PeftModel`` with the adapters worked into its weights, in float32.

    bfloat16 would round most of a small update away (logits then differ by up to 1), and 4 bits nearly all of it.

    Raises:
        ModelError: The base is in 4 bits.
    """
    if any(is_packed(module) for module in model.modules()):
        raise ModelError(
            "an adapter cannot be worked into weights of 4 bits: they would round it away",
            cure="merge it into the base as it was: luthier export --merged",
        )
    return model.float().merge_and_unload(safe_merge=True)
