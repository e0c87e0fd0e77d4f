"""From the recipe's section to the objective of sequence classification."""

from __future__ import annotations

from typing import Any

from luthier.data.classification.encode import ClassificationEncoder
from luthier.objectives.classification.objective import Classification
from luthier.recipe.objective_sections import ClassificationObjective
from luthier.recipe.schema import DataSection


def build_classification(
    section: ClassificationObjective, tokenizer: Any, data: DataSection
) -> Classification:
    """Return the objective for texts with classes."""
    encoder = ClassificationEncoder(
        tokenizer,
        section.problem,
        labels=None if section.labels is None else tuple(section.labels),
        class_weights=section.class_weights,
        max_length=data.max_length,
        too_long=data.too_long,
        group_field=section.fairness.by if section.fairness else None,
    )
    return Classification(
        encoder,
        section.problem,
        focal_gamma=section.focal_gamma,
        label_smoothing=section.label_smoothing,
        fairness=section.fairness,
        pad_token_id=tokenizer.pad_token_id,
    )
