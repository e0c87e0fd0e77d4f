"""How commands take a recipe: a file, a shipped name, or the recipe of a run folder; and `--set`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from luthier.core.errors import LuthierError
from luthier.recipe.load import LoadedRecipe, load, load_run
from luthier.recipe.shipped import shipped_recipe


def recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the RECIPE argument and the ``--set`` option to a command."""
    command = click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="SECTION.KEY=VALUE",
        help="Override a recipe value; may be given several times.",
    )(command)
    return click.argument("recipe", required=False)(command)


def load_recipe(
    recipe: str | None, overrides: tuple[str, ...], *, resume: Path | None = None
) -> LoadedRecipe:
    """Return the recipe that the command line names.

    Raises:
        LuthierError: None is named, or two are.
    """
    if (recipe is None) == (resume is None):
        raise LuthierError("name a recipe, or a run folder with --resume", cure="luthier run recipe.yaml")
    if resume is not None:
        return _recipe_of_run(resume, overrides)
    assert recipe is not None
    path = Path(recipe)
    return load(path if path.exists() else shipped_recipe(recipe) or path, overrides)


def _recipe_of_run(folder: Path, overrides: tuple[str, ...]) -> LoadedRecipe:
    """Return the recipe that a run folder was started with; its runs stay where that folder is."""
    if overrides:
        raise LuthierError(
            "--set cannot change a run that has started", cure="run the recipe with --set instead"
        )
    return load_run(folder)
