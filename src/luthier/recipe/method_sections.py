"""`method:` in a recipe: which weights train, a section per method."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from luthier.recipe.section import PositiveInt, Section


class FullMethod(Section):
    """Train every weight."""

    name: Literal["full"]


class FreezeMethod(Section):
    """Train some layers or named weights; the rest stays as it is."""

    name: Literal["freeze"]
    trainable_layers: PositiveInt | None = Field(None, description="Train the last N decoder layers.")
    trainable_patterns: list[str] = Field(
        default_factory=list,
        description="Train the weights whose names match one of these shell-style patterns, e.g. `*.mlp.*`.",
    )


class LoraMethod(Section):
    """Low-rank adapters beside frozen weights (arXiv:2106.09685)."""

    name: Literal["lora"] = "lora"
    r: PositiveInt = Field(8, description="Rank of the adapters.")
    lora_alpha: PositiveInt = Field(
        16, description="Scale: the adapter's output is multiplied by lora_alpha / r."
    )
    lora_dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(
        0.0, description="Dropout on the adapter's input."
    )
    target_modules: str | list[str] = Field(
        "all-linear", description="Names of the linear layers to adapt, or `all-linear` (all but the head)."
    )


Method = Annotated[FullMethod | FreezeMethod | LoraMethod, Field(discriminator="name")]
