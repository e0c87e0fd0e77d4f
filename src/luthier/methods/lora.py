"""LoRA: low-rank adapters beside frozen linear layers, through PEFT (arXiv:2106.09685); rsLoRA, DoRA and PiSSA."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from luthier.methods.peft_adapter import PeftAdapter
from luthier.methods.pissa import as_plain_lora, initial_factors
from luthier.models.quantized import PackedWeight, weight_of
from luthier.recipe.method_sections import LoraMethod


class Lora(PeftAdapter):
    """Train low-rank adapters.

    Args:
        section: Rank, scale, dropout, first values and target modules.
    """

    _section: LoraMethod

    def __init__(self, section: LoraMethod) -> None:
        super().__init__(section)
        self._initial: dict[str, torch.Tensor] = {}

    def apply(self, model: Any) -> Any:
        """Return a ``peft.PeftModel``; its adapters are float32 and start as the identity."""
        applied = super().apply(model)
        if self._section.init_lora_weights == "pissa":
            self._initial = initial_factors(applied)
        if self._section.use_dora:
            _measure_lengths(applied)
        return applied

    def config(self, model: Any) -> Any:
        """Return PEFT's configuration."""
        from peft import LoraConfig

        section = self._section
        initial: Any = section.init_lora_weights
        return LoraConfig(
            r=section.r,
            lora_alpha=section.lora_alpha,
            lora_dropout=section.lora_dropout,
            target_modules=self.target_names(model),
            rank_pattern=dict(section.rank_pattern),
            alpha_pattern=dict(section.alpha_pattern),
            use_rslora=section.use_rslora,
            use_dora=section.use_dora,
            init_lora_weights=True if initial == "kaiming" else initial,
        )

    def save(self, model: Any, folder: Path, dtype: torch.dtype) -> None:
        """Write the adapter in PEFT's layout; one of PiSSA as an ordinary one over the untouched base."""
        if self._section.init_lora_weights == "pissa":
            as_plain_lora(model, self._initial, folder)
        else:
            super().save(model, folder, dtype)


@torch.no_grad()
def _measure_lengths(model: Any) -> None:
    """Set DoRA's lengths to those of the base's rows in float32.

    PEFT measures them in the base's type but compares with lengths in float32: over a bfloat16 base the adapter would
    begin up to 0.2 % away from the identity.
    """
    for module in model.modules():
        if "default" in getattr(module, "lora_magnitude_vector", ()):
            weight = weight_of(module.get_base_layer())
            weight = weight.dense(torch.float32) if isinstance(weight, PackedWeight) else weight.float()
            inputs = 0 if module.fan_in_fan_out else 1
            module.lora_magnitude_vector["default"].weight.copy_(torch.linalg.norm(weight, dim=inputs))
