"""Prompt tuning (arXiv:2104.08691) and P-tuning (arXiv:2103.10385): trained embeddings before every row."""

from __future__ import annotations

from typing import Any

import torch

from luthier.methods.soft_prompt import SoftPrompt
from luthier.recipe.method_sections import PromptMethod, PTuningMethod


class Prompt(SoftPrompt):
    """Train the embeddings themselves."""

    _section: PromptMethod

    def config(self, model: Any) -> Any:
        """Return PEFT's configuration; a text is put in later, so that no tokenizer is named in it."""
        from peft import PromptTuningConfig

        first = self._section.prompt_tuning_init
        return PromptTuningConfig(
            num_virtual_tokens=self._section.num_virtual_tokens,
            prompt_tuning_init="RANDOM" if first == "TEXT" else first,
        )

    def initialise(self, model: Any) -> None:
        """Begin with the embeddings of a text."""
        if self._section.prompt_tuning_init == "TEXT":
            tokens = self.text_tokens(self._section.prompt_tuning_init_text or "", "prompt_tuning_init_text")
            table = model.get_base_model().get_input_embeddings().weight
            with torch.no_grad():
                model.prompt_encoder["default"].embedding.weight.copy_(table[tokens])


class PTuning(SoftPrompt):
    """Train embeddings and a small network that they pass through; afterwards only its output is kept."""

    _section: PTuningMethod

    def config(self, model: Any) -> Any:
        """Return PEFT's configuration."""
        from peft import PromptEncoderConfig

        section = self._section
        width = model.get_input_embeddings().weight.shape[1]
        return PromptEncoderConfig(
            num_virtual_tokens=section.num_virtual_tokens,
            encoder_reparameterization_type=section.encoder_reparameterization_type,
            encoder_hidden_size=section.encoder_hidden_size or width,
            encoder_num_layers=section.encoder_num_layers or 2,
            encoder_dropout=section.encoder_dropout,
        )
