"""Prefix tuning: trained keys and values before every row in every layer, through PEFT (arXiv:2101.00190)."""

from __future__ import annotations

from typing import Any

import torch

from luthier.methods.soft_prompt import SoftPrompt
from luthier.recipe.method_sections import PrefixMethod


class Prefix(SoftPrompt):
    """Train keys and values, or a small network that makes them."""

    _section: PrefixMethod

    def config(self, model: Any) -> Any:
        """Return PEFT's configuration."""
        from peft import PrefixTuningConfig

        return PrefixTuningConfig(
            num_virtual_tokens=self._section.num_virtual_tokens,
            prefix_projection=self._section.prefix_projection,
            encoder_hidden_size=self._section.encoder_hidden_size,  # type: ignore[arg-type]  # None is the default
        )

    def initialise(self, model: Any) -> None:
        """Begin with what the base computes for real tokens: random keys draw attention to noise (section 7.4)."""
        from peft import initialize_kv_prefix_from_past_key_values

        if self._section.prefix_projection:
            return
        base = model.get_base_model()
        if self._section.prefix_init_text is not None:
            tokens = self.text_tokens(self._section.prefix_init_text, "prefix_init_text")
        else:
            size = base.get_input_embeddings().weight.shape[0]
            tokens = torch.randint(size, (self._section.num_virtual_tokens,)).tolist()
        trunk = getattr(base, base.base_model_prefix)
        with torch.no_grad():
            outputs = trunk(input_ids=torch.tensor([tokens], device=base.device), use_cache=True)
        initialize_kv_prefix_from_past_key_values(model, past_key_values=outputs.past_key_values)
