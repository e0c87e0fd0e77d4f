"""`data.label_errors`: rows whose label is probably wrong, and what becomes of them."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from luthier.recipe.section import Section


class LabelErrorsSection(Section):
    """Label errors, found by confident learning over an encoder's embeddings (classification rows)."""

    action: Literal["off", "report", "drop"] = Field(
        "off",
        description="`report` lists the rows whose label is probably wrong; `drop` leaves them out. Some are hard "
        "rows with a right label: look at the report before you drop.",
    )
    base: str = Field(
        "minilm",
        min_length=1,
        description="Sentence encoder: a catalogue name, a folder or a hub id. `minilm` reads English.",
    )
    label_field: str = Field("label", min_length=1, description="Field that holds the label.")
    num_folds: int = Field(
        5,
        ge=2,
        le=50,
        description="Each row is judged by a classifier trained on the other folds; labels with fewer rows than folds "
        "are not judged.",
    )
    filter_by: Literal[
        "low_normalized_margin",
        "low_self_confidence",
        "confident_learning",
        "both",
        "prune_by_noise_rate",
        "prune_by_class",
        "predicted_neq_given",
    ] = Field(
        "low_normalized_margin",
        description="cleanlab's rule: `low_normalized_margin` is best where classes are confused with similar ones, "
        "`low_self_confidence` where labels are wrong at random; `predicted_neq_given` finds most, and much else.",
    )

    @model_validator(mode="after")
    def _everything_takes_effect(self) -> Self:
        if self.action == "off" and (idle := sorted(self.model_fields_set - {"action"})):
            raise ValueError(f"{idle[0]} has no effect while action is off")
        return self
