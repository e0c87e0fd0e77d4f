"""From the recipe's objective section to the objective."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from luthier.data.template import ChatTemplate
from luthier.objectives.classification.build import build_classification
from luthier.objectives.contract import Objective
from luthier.objectives.multitask.build import build_multitask
from luthier.objectives.pretraining import build_pretraining
from luthier.objectives.question_answering.build import build_question_answering
from luthier.objectives.sft import build_sft
from luthier.objectives.token_classification.build import build_token_classification
from luthier.recipe.objective_sections import (
    ClassificationObjective,
    MultitaskObjective,
    PretrainingObjective,
    QuestionAnsweringObjective,
    SftObjective,
    TokenClassificationObjective,
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
        text,
        loss_on=section.loss_on,
        max_length=data.max_length,
        too_long=data.too_long,
        packing=packing,
        expands=section.expand_turns,
    )


def _pretraining(section: PretrainingObjective, text: Any, data: DataSection, packing: bool) -> Objective:
    concatenates = section.documents == "concatenate"
    return build_pretraining(text, max_length=data.max_length, packing=packing, concatenates=concatenates)


def _classification(
    section: ClassificationObjective, text: Any, data: DataSection, packing: bool
) -> Objective:
    return build_classification(section, text, data)


def _token_classification(
    section: TokenClassificationObjective, text: Any, data: DataSection, packing: bool
) -> Objective:
    return build_token_classification(section, text, data)


def _question_answering(
    section: QuestionAnsweringObjective, text: Any, data: DataSection, packing: bool
) -> Objective:
    return build_question_answering(section, text, data)


def _multitask(section: MultitaskObjective, text: Any, data: DataSection, packing: bool) -> Objective:
    def build(own: Any) -> Objective:
        tokenizer = text.tokenizer if isinstance(text, ChatTemplate) else text
        return build_objective(own, text if own.is_chat else tokenizer, data, packing=packing)

    return build_multitask(section, build)


_BUILDERS: dict[type, Callable[[Any, Any, DataSection, bool], Objective]] = {
    SftObjective: _sft,
    PretrainingObjective: _pretraining,
    ClassificationObjective: _classification,
    TokenClassificationObjective: _token_classification,
    QuestionAnsweringObjective: _question_answering,
    MultitaskObjective: _multitask,
}
