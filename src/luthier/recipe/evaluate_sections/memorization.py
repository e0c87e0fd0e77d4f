"""`evaluate.memorization`: whether a model gives away the rows that it was trained on."""

from __future__ import annotations

import math
from typing import Annotated, Self

from pydantic import Field, model_validator

from luthier.recipe.evaluate_sections.examination import ExaminationSection
from luthier.recipe.section import Fraction, PositiveInt, Section

SECRET = "{secret}"

MEMBERSHIP_FIGURES = ("memorization.membership_auc", "memorization.tpr_at_fpr")
FIGURES = (
    "memorization.extracted_share",
    "memorization.excess_share",
    "memorization.near_share",
    *MEMBERSHIP_FIGURES,
)
EXPOSURE = "memorization.exposure"


class CanarySection(Section):
    """A sentence with a made-up secret, put into the training rows to see whether it comes out again."""

    format: str = Field(
        description="The sentence as it stands in the training rows, with `{secret}` in the secret's place."
    )
    secret: str = Field(
        description="The secret as it was trained. Its digits and Latin letters are drawn anew for what it is ranked "
        "among; other characters stay."
    )
    prompt: str | None = Field(
        None,
        description="Of chat models, and needed there: the user's turn that the sentence answers in the training rows.",
    )

    @property
    def text(self) -> str:
        """The sentence with its secret."""
        return self.format.replace(SECRET, self.secret)

    @property
    def bits(self) -> float:
        """Logarithm to base 2 of how many secrets of this form there are."""
        digits = sum("0" <= character <= "9" for character in self.secret)
        letters = sum(character.isascii() and character.isalpha() for character in self.secret)
        return digits * math.log2(10) + letters * math.log2(26)

    @model_validator(mode="after")
    def _has_one_secret(self) -> Self:
        if self.format.count(SECRET) != 1:
            raise ValueError(f"format holds {SECRET} {self.format.count(SECRET)} times, once was expected")
        return self


class MemorizationSection(ExaminationSection):
    """Examine whether training rows can be extracted, or told from rows that were not trained."""

    num_rows: PositiveInt = Field(
        200,
        description="Training rows, and as many held-out rows to compare with, that are drawn and examined; a false "
        "positive rate of 1 % needs 100 of them.",
    )
    prefix_tokens: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] = Field(
        [0, 8, 32],
        description="How many tokens of an answer an attacker knows, each tried; the prompt before it is known too. Of "
        "raw text: how many tokens of it, 0 is left out.",
    )
    continuation_tokens: PositiveInt = Field(
        32,
        description="A row is extracted if greedy decoding goes on with as many tokens exactly as trained; rows that "
        "are too short for that and the longest prefix are not tried.",
    )
    near: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        0.9,
        description="A continuation is nearly verbatim if at most 1 - near of its tokens must be edited.",
    )
    fpr: Fraction = Field(
        0.01,
        description="False positive rate at which `memorization.tpr_at_fpr` tells the true positive rate.",
    )
    canaries: list[CanarySection] = Field(
        default_factory=list,
        description="Secrets that were put into the training rows; each is ranked among others of its form.",
    )
    num_alternatives: Annotated[int, Field(ge=10)] = Field(
        500, description="Other secrets that a canary is ranked among; the exposure is at most log2 of that."
    )

    @property
    def figure_names(self) -> tuple[str, ...]:
        """Names that gates may judge."""
        return (*FIGURES, EXPOSURE) if self.canaries else FIGURES

    @model_validator(mode="after")
    def _canaries_have_alternatives(self) -> Self:
        needed = math.log2(self.num_alternatives) + 1
        for number, canary in enumerate(self.canaries):
            if canary.bits < needed:
                raise ValueError(
                    f"the secret of canaries[{number}] has {2**canary.bits:.0f} forms, too few for "
                    f"{self.num_alternatives} alternatives: give it more digits or letters, or lower num_alternatives"
                )
        if "num_alternatives" in self.model_fields_set and not self.canaries:
            raise ValueError("num_alternatives has no effect without canaries")
        return self
