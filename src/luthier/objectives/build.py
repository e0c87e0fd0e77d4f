"""From the recipe's objective section to the objective."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from luthier.data.template import ChatTemplate
from luthier.objectives.classification.build import build_classification
from luthier.objectives.contract import Objective
from luthier.objectives.pretraining import build_pretraining
from luthier.objectives.sft import build_sft
from luthier.recipe.objective_sections import (
    ClassificationObjective,
    PretrainingObjective,
    SftObjective,
)
from luthier.recipe.objective_sections import Objective as ObjectiveSection
from luthier.recipe.schema import DataSection


def build_objective(
    section: ObjectiveSection,
    text: ChatTemplate | object,
    data: DataSection,
    *,
    packing: bool,
) -> Objective:
    """Return the objective that a recipe names.

    Args:
        section: The recipe's objective.
        text: The chat template for conversations, the tokenizer for everything else.
        data: Length limits.
        packing: Concatenate rows instead of padding them; under a task's head only the layers see them so.
    """
    return _BUILDERS[type(section)](section, text, data, packing)


def _sft(section: SftObjective, text: Any, data: DataSection, packing: bool) -> Objective:
    assert isinstance(text, ChatTemplate)
    return build_sft(
        text, loss_on=section.loss_on, max_length=data.max_length, too_long=data.too_long, packing=packing
    )


def _pretraining(section: PretrainingObjective, text: Any, data: DataSection, packing: bool) -> Objective:
    return build_pretraining(text, max_length=data.max_length, packing=packing)


def _classification(
    section: ClassificationObjective, text: Any, data: DataSection, packing: bool
) -> Objective:
    return build_classification(section, text, data)


_BUILDERS: dict[type, Callable[[Any, Any, DataSection, bool], Objective]] = {
    SftObjective: _sft,
    PretrainingObjective: _pretraining,
    ClassificationObjective: _classification,
}
