"""Continued pretraining: predict every token of raw text."""

from __future__ import annotations

from typing import Any

from luthier.data.encode import Encoder, TextEncoder
from luthier.data.full_blocks import FullBlocks
from luthier.objectives.language_modeling import LanguageModeling


def build_pretraining(
    tokenizer: Any, *, max_length: int, packing: bool, concatenates: bool = False
) -> LanguageModeling:
    """Return the objective for raw text, cut into blocks of at most ``max_length`` tokens.

    Args:
        tokenizer: Of the base.
        max_length: Longest block in tokens.
        packing: Concatenate blocks instead of padding them; none sees another.
        concatenates: Join training documents to full blocks, in which they see one another.
    """
    encoder: Encoder = TextEncoder(tokenizer, max_length=max_length)
    if concatenates:
        assert isinstance(encoder, TextEncoder)
        encoder = FullBlocks(encoder, max_length=max_length)
    return LanguageModeling(encoder, packing=packing, pad_token_id=tokenizer.pad_token_id)
