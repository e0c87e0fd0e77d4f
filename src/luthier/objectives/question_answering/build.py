"""From the recipe's section to the objective of extractive question answering."""

from __future__ import annotations

from typing import Any

from luthier.data.extractive.encode import SpanEncoder
from luthier.objectives.question_answering.objective import QuestionAnswering
from luthier.objectives.question_answering.reading import Reading
from luthier.recipe.objective_sections import QuestionAnsweringObjective
from luthier.recipe.schema import DataSection


def build_question_answering(
    section: QuestionAnsweringObjective, tokenizer: Any, data: DataSection
) -> QuestionAnswering:
    """Return the objective for questions with answers in a context."""
    encoder = SpanEncoder(
        tokenizer,
        doc_stride=section.doc_stride,
        may_be_none=section.version_2_with_negative,
        max_length=data.max_length,
        too_long=data.too_long,
    )
    reading = Reading(
        n_best_size=section.n_best_size,
        max_answer_length=section.max_answer_length,
        may_be_none=section.version_2_with_negative,
        threshold=section.null_score_diff_threshold,
    )
    return QuestionAnswering(encoder, reading, pad_token_id=tokenizer.pad_token_id)
