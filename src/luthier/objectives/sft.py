"""Supervised instruction tuning: predict the assistant's turns of a conversation."""

from __future__ import annotations

from luthier.data.encode import ChatEncoder, TooLong
from luthier.data.template import ChatTemplate, LossOn
from luthier.objectives.language_modeling import LanguageModeling


def build_sft(
    template: ChatTemplate, *, loss_on: LossOn, max_length: int, too_long: TooLong, packing: bool
) -> LanguageModeling:
    """Return the objective for conversations; arguments are the recipe's keys of the same names."""
    encoder = ChatEncoder(template, loss_on=loss_on, max_length=max_length, too_long=too_long)
    return LanguageModeling(encoder, packing=packing, pad_token_id=template.tokenizer.pad_token_id)
