"""Recipes that come with Luthier: run by name, or copied by `luthier init` to start from."""

from __future__ import annotations

from importlib import resources
from pathlib import Path


def shipped_recipe(name: str) -> Path | None:
    """Return the recipe of that name, or None."""
    return shipped_recipes().get(name)


def shipped_recipes() -> dict[str, Path]:
    """Return all shipped recipes by name."""
    folder = Path(str(resources.files("luthier.recipe.shipped")))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def headline(recipe: Path) -> str:
    """Return a recipe's first comment line, which says what it is for."""
    first = recipe.read_text(encoding="utf-8").splitlines()[0]
    return first.lstrip("# ").strip()
