"""Continued pretraining: predict every token of raw text."""

from __future__ import annotations

from typing import Any

from luthier.data.encode import TextEncoder
from luthier.objectives.language_modeling import LanguageModeling


def build_pretraining(tokenizer: Any, *, max_length: int, packing: bool) -> LanguageModeling:
    """Return the objective for raw text, cut into blocks of at most ``max_length`` tokens."""
    encoder = TextEncoder(tokenizer, max_length=max_length)
    return LanguageModeling(encoder, packing=packing, pad_token_id=tokenizer.pad_token_id)
