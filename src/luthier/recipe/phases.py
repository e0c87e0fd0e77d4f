"""A training that comes first, as a recipe of its own."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from luthier.recipe.load import LoadedRecipe

_OWN = ("data", "objective", "vocabulary", "method", "train", "evaluate", "gates")
_INHERITED = ("method", "train")
_SHARED = ("model", "seed", "runs_dir")


def phase_of(loaded: LoadedRecipe, number: int) -> LoadedRecipe:
    """Return the recipe of one of the trainings that come first.

    Args:
        loaded: The whole recipe.
        number: Which entry of ``before``, from 0.
    """
    recipe, phase = loaded.recipe, loaded.recipe.before[number]
    values: dict[str, Any] = {name: getattr(phase, name) for name in _OWN}
    inherited = [name for name in _INHERITED if values[name] is None]
    values |= {name: getattr(recipe, name) for name in inherited}
    values |= {"name": f"{recipe.name}.{phase.name}", "before": [], "register_": None}
    origins = dict.fromkeys(_written(phase), "recipe")
    for name in (*inherited, *_SHARED):
        origins |= {p: o for p, o in loaded.origins.items() if p == name or p.startswith(f"{name}.")}
    return LoadedRecipe(
        recipe.model_copy(update=values), origins, loaded.folder, loaded.text, loaded.overrides
    )


def _written(section: BaseModel, path: str = "") -> list[str]:
    """Return the dotted paths of the keys that the user wrote below a section."""
    paths = []
    for name in sorted(section.model_fields_set):
        value, field = getattr(section, name), type(section).model_fields[name]
        own = f"{path}.{field.alias or name}".lstrip(".")
        paths += _written(value, own) if isinstance(value, BaseModel) else [own]
    return paths
