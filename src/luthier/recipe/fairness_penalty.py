"""`objective.fairness` in a recipe: groups of rows are pulled together while a classifier trains."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from luthier.recipe.section import Section


class FairnessPenalty(Section):
    """A term of the training loss that pulls groups together: a constraint, or an adversary that is to tell nothing."""

    method: Literal["constraint", "adversary"] = Field(
        "constraint",
        description="`constraint` adds the squared distances between what groups are promised in a micro-batch. "
        "`adversary` trains a small network to tell the group from what the classifier says, and the classifier to "
        "give it nothing to tell by, through reversed gradients (Zhang et al. 2018, Ganin et al. 2016); the network "
        "is no part of the saved model.",
    )

    by: str = Field(
        min_length=1,
        description="Column with the group of a row; the training sources' `attributes` must name it.",
    )
    positive: str = Field(description="The label whose probability is compared.")
    criterion: Literal["demographic_parity", "equalized_odds"] = Field(
        "equalized_odds",
        description="`demographic_parity`: the mean probability of the label, over all rows of a group; "
        "`equalized_odds`: the same over the rows that have the label, and over those that have not. The adversary "
        "is then told which of both a row is.",
    )
    weight: Annotated[float, Field(gt=0.0)] = Field(
        1.0,
        description="Factor of the squared distances between groups in a micro-batch, or of the adversary's reversed "
        "gradient; more takes more accuracy for more equality.",
    )
    adversary_learning_rate: Annotated[float, Field(gt=0.0)] = Field(
        0.03,
        description="Adam's rate for the adversary, the same in all steps; it must learn faster than the classifier.",
    )
