"""`data.profile`: what is in the rows, written beside them."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from luthier.recipe.section import Section


class ProfileSection(Section):
    """Write profile.json and profile.html: classes, lengths, languages, bias, drift from training to held-out rows."""

    enabled: bool = Field(False, description="Write the profile of the rows that are trained and held out.")
    languages: bool = Field(True, description="Tell the language of each row.")
    tokens: bool = Field(
        True, description="Count tokens with the base's tokenizer, in recipes that have a base."
    )
    bins: dict[str, Annotated[list[float], Field(min_length=1)]] = Field(
        default_factory=dict,
        description="Edges of ranges for attributes that hold numbers, e.g. `{price: [10, 100]}`; `age` has "
        "those of most surveys.",
    )

    @model_validator(mode="after")
    def _everything_takes_effect(self) -> Self:
        written = sorted(self.model_fields_set - {"enabled"})
        if not self.enabled and written:
            raise ValueError(f"{written[0]} has no effect without enabled: true")
        if wrong := next((name for name, edges in self.bins.items() if edges != sorted(set(edges))), None):
            raise ValueError(f"bins of {wrong} do not grow")
        return self
