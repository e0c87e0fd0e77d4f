"""`evaluate.fitting`: whether the model learnt too much of the training rows, too little, or what it should."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from luthier.recipe.evaluate_sections.examination import ExaminationSection
from luthier.recipe.section import PositiveInt

Share = Annotated[float, Field(ge=0.0)]


class FittingSection(ExaminationSection):
    """Over- and under-fitting: training rows and held-out rows under equal conditions, and the course of training.

    The limits are those of verdicts; what a model must meet to be registered, gates say.
    """

    rows: PositiveInt = Field(
        500, description="Most rows of each side, training and held out, that are measured; spread evenly."
    )
    max_gap_ratio: Share = Field(
        0.1,
        description="Over-fitted from here on: how much worse held-out rows may be than training rows, relative to "
        "these: in loss, or under a head in its first metric. 0.1 is the limit of SageMaker Debugger's rule Overfit.",
    )
    max_rise: Share = Field(
        0.05,
        description="Trained too long from here on: rise of the held-out loss above its lowest, relative to that.",
    )
    min_gain: Share = Field(
        0.05,
        description="Under-fitted below this: how much lower the loss of training rows must be than the base's, or "
        "under a head than the baseline's, relative to that.",
    )
    min_progress: Share = Field(
        0.01,
        description="Still improving from here on: drop of the held-out loss over the last quarter of the training, "
        "relative to that loss; smaller moves count as none.",
    )

    @property
    def figure_names(self) -> tuple[str, ...]:
        """See `ExaminationSection`; ``fitting.gap.*`` are the metrics of a task with a head."""
        own = ("train_loss", "gap", "gap_ratio", "excess_gap", "rise", "best_step_distance", "gap.*")
        return tuple(f"fitting.{name}" for name in own)
