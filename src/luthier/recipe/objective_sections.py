"""`objective:` in a recipe: what is minimised, a section per objective."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from luthier.recipe.section import Section


class SftObjective(Section):
    """Supervised instruction tuning: predict the assistant's turns."""

    name: Literal["sft"] = "sft"
    loss_on: Literal["assistant", "last_turn", "all"] = Field(
        "assistant",
        description="Tokens that carry loss: every assistant turn, the last assistant turn, or all tokens. A turn "
        "of weight 0 carries none.",
    )


class PretrainingObjective(Section):
    """Continued pretraining: predict every token of raw text."""

    name: Literal["pretraining"]


Objective = Annotated[SftObjective | PretrainingObjective, Field(discriminator="name")]
