"""Supervised instruction tuning: predict the assistant's turns of a conversation."""

from __future__ import annotations

from luthier.data.encode import ChatEncoder, Encoder, TooLong
from luthier.data.expanded_turns import ExpandedTurns
from luthier.data.template import ChatTemplate, LossOn
from luthier.objectives.language_modeling import LanguageModeling


def build_sft(
    template: ChatTemplate,
    *,
    loss_on: LossOn,
    max_length: int,
    too_long: TooLong,
    packing: bool,
    expands: bool = False,
) -> LanguageModeling:
    """Return the objective for conversations.

    Args:
        template: Renders, tokenizes and masks.
        loss_on: The recipe's key.
        max_length: The recipe's key.
        too_long: The recipe's key.
        packing: The recipe's key.
        expands: Make an example of each assistant turn.
    """
    on = "last_turn" if expands else loss_on
    encoder: Encoder = ChatEncoder(template, loss_on=on, max_length=max_length, too_long=too_long)
    if expands:
        assert isinstance(encoder, ChatEncoder)
        encoder = ExpandedTurns(encoder, template)
    return LanguageModeling(encoder, packing=packing, pad_token_id=template.tokenizer.pad_token_id)
