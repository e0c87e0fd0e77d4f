"""Whether a recipe holds rows out, which decides what can be evaluated."""

from __future__ import annotations

from luthier.recipe.schema import Recipe


def has_eval_rows(recipe: Recipe) -> bool:
    """Return whether the recipe holds rows out."""
    return recipe.data.eval.divides or bool(recipe.data.eval.sources)
