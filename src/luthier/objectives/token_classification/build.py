"""From the recipe's section to the objective of token classification."""

from __future__ import annotations

from typing import Any

from luthier.data.tagging.encode import TagEncoder
from luthier.objectives.token_classification.objective import TokenClassification
from luthier.recipe.objective_sections import TokenClassificationObjective
from luthier.recipe.schema import DataSection


def build_token_classification(
    section: TokenClassificationObjective, tokenizer: Any, data: DataSection
) -> TokenClassification:
    """Return the objective for words with tags."""
    encoder = TagEncoder(
        tokenizer,
        scheme=section.scheme,
        invalid_tags=section.invalid_tags,
        label_on=section.label_on,
        max_length=data.max_length,
        too_long=data.too_long,
    )
    return TokenClassification(
        encoder, label_smoothing=section.label_smoothing, pad_token_id=tokenizer.pad_token_id
    )
