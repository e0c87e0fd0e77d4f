"""From the recipe's section to the objective of sequence classification."""

from __future__ import annotations

from typing import Any

from luthier.data.classification.encode import ClassificationEncoder
from luthier.data.classification.groups import TrainingGroups
from luthier.objectives.classification.objective import Classification
from luthier.recipe.fairness_penalty import FairnessPenalty
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
        groups=_groups(section.fairness),
    )
    return Classification(
        encoder,
        section.problem,
        focal_gamma=section.focal_gamma,
        label_smoothing=section.label_smoothing,
        fairness=section.fairness,
        pad_token_id=tokenizer.pad_token_id,
    )


def _groups(fairness: FairnessPenalty | None) -> TrainingGroups | None:
    if fairness is None:
        return None
    return TrainingGroups(fairness.by, fairness.positive, given_truth=fairness.criterion == "equalized_odds")
