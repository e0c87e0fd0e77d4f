"""From the recipe's objective section to the objective."""

from __future__ import annotations

from luthier.data.template import ChatTemplate
from luthier.objectives.contract import Objective
from luthier.objectives.pretraining import build_pretraining
from luthier.objectives.sft import build_sft
from luthier.recipe.objective_sections import PretrainingObjective, SftObjective
from luthier.recipe.schema import DataSection


def build_objective(
    section: SftObjective | PretrainingObjective,
    text: ChatTemplate | object,
    data: DataSection,
    *,
    packing: bool,
) -> Objective:
    """Return the objective that a recipe names.

    Args:
        section: The recipe's objective.
        text: The chat template for conversations, the tokenizer for raw text.
        data: Length limits.
        packing: Concatenate rows instead of padding them.
    """
    if isinstance(section, SftObjective):
        assert isinstance(text, ChatTemplate)
        return build_sft(
            text, loss_on=section.loss_on, max_length=data.max_length, too_long=data.too_long, packing=packing
        )
    return build_pretraining(text, max_length=data.max_length, packing=packing)
