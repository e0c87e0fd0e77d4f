"""LoRA: low-rank adapters beside frozen linear layers, through PEFT (arXiv:2106.09685)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from luthier.recipe.method_sections import LoraMethod


class Lora:
    """Train low-rank adapters.

    Args:
        section: Rank, scale, dropout and target modules.
    """

    def __init__(self, section: LoraMethod) -> None:
        self._section = section

    def apply(self, model: Any) -> Any:
        """Return a ``peft.PeftModel``; its adapters are float32 and start as the identity (B is zero)."""
        from peft import LoraConfig, TaskType, get_peft_model

        section = self._section
        targets = section.target_modules
        if isinstance(targets, str) and targets != "all-linear":
            targets = [targets]  # PEFT would read a single name as a pattern for the whole path
        config = LoraConfig(
            task_type=TaskType.CAUSAL_LM,
            r=section.r,
            lora_alpha=section.lora_alpha,
            lora_dropout=section.lora_dropout,
            target_modules=targets,
        )
        return get_peft_model(model, config, autocast_adapter_dtype=True)

    def save(self, model: Any, folder: Path, dtype: torch.dtype) -> None:
        """Write ``adapter_model.safetensors`` in float32 and ``adapter_config.json``."""
        model.save_pretrained(folder, save_embedding_layers=False)

    def merge(self, model: Any) -> Any:
        """Return the base with the adapters added into its weights, in float32.

        bfloat16 would round most of a small update away (logits then differ by up to 1).
        """
        return model.float().merge_and_unload(safe_merge=True)
