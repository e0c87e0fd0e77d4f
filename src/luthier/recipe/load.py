"""Read a recipe from YAML: strict, with the path, line and nearest key of every fault at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from luthier.core.errors import Fault, LuthierError, RecipeError
from luthier.core.files import read_json
from luthier.recipe.faults import dotted, faults_of
from luthier.recipe.schema import DataRecipe, Recipe
from luthier.recipe.yaml_text import NotYamlError, read_yaml

_Recipe = TypeVar("_Recipe", bound=DataRecipe)
Complete = Callable[[dict[str, Any]], None]
"""Adds to the values that a user wrote, before they are checked."""


@dataclass(frozen=True)
class LoadedRecipe:
    """A recipe with the place where each of its values was set.

    Args:
        recipe: The validated recipe, defaults filled in.
        origins: ``recipe`` or ``--set`` by dotted YAML path; a path that is absent has its default.
        folder: Relative data paths in the recipe start here.
        text: The YAML as written, for the run folder.
        overrides: The ``--set`` strings that were applied.
    """

    recipe: Recipe
    origins: Mapping[str, str]
    folder: Path
    text: str
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoadedData:
    """The part of a recipe that says which rows there are; see `LoadedRecipe`."""

    recipe: DataRecipe
    origins: Mapping[str, str]
    folder: Path
    text: str


def load(path: Path, overrides: Sequence[str] = ()) -> LoadedRecipe:
    """Read and check a recipe.

    Args:
        path: The YAML file.
        overrides: ``section.key=value`` strings that win over the file; values are read as YAML.

    Raises:
        RecipeError: The file is missing, is not YAML, or has faults; all are listed.
    """
    return parse(_text_of(path), overrides, folder=path.resolve().parent, source=str(path))


def load_data(path: Path, overrides: Sequence[str] = ()) -> LoadedData:
    """Read and check a recipe of which only the rows are wanted: with a model, or without one; see `load`."""
    text = _text_of(path)
    schema = Recipe if _names_model(text) else DataRecipe
    origins, recipe = _checked(text, overrides, str(path), schema)
    return LoadedData(recipe, origins, path.resolve().parent, text)


def load_run(folder: Path, overrides: Sequence[str] = ()) -> LoadedRecipe:
    """Return the recipe that a run folder was started with; its runs stay where that folder is.

    Args:
        folder: Of the run.
        overrides: Strings that win over those that it was started with.

    Raises:
        LuthierError: It is no run folder.
    """
    try:
        plan = read_json(folder / "plan.json")
        text = (folder / "recipe.yaml").read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise LuthierError(
            "is not a run folder: it has no plan.json and recipe.yaml", where=str(folder)
        ) from error
    settings = [*plan["overrides"], f"runs_dir={folder.resolve().parent}", *overrides]
    return parse(text, settings, folder=Path(plan["recipe_folder"]), source=str(folder / "recipe.yaml"))


def _names_model(text: str) -> bool:
    try:
        values, _, _ = read_yaml(text)
    except NotYamlError:
        return False  # said when the text is checked
    return isinstance(values, dict) and "model" in values


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        cure = "`luthier init` lists the shipped recipes and copies one"
        raise RecipeError([Fault("", f"no file at {path}", cure)]) from error
    except (UnicodeDecodeError, OSError) as error:
        raise RecipeError([Fault("", f"not a UTF-8 text file: {error}")], source=str(path)) from error


def parse(
    text: str,
    overrides: Sequence[str] = (),
    *,
    folder: Path | None = None,
    source: str = "recipe",
    complete: Complete = lambda values: None,
) -> LoadedRecipe:
    """Check the YAML text of a recipe; see `load`. ``complete`` adds what the user need not write."""
    origins, recipe = _checked(text, overrides, source, Recipe, complete)
    return LoadedRecipe(recipe, origins, folder or Path.cwd(), text, tuple(overrides))


def _checked(
    text: str,
    overrides: Sequence[str],
    source: str,
    schema: type[_Recipe],
    complete: Complete = lambda values: None,
) -> tuple[dict[str, str], _Recipe]:
    """Return where each value was set, and the recipe."""
    try:
        values, lines, faults = read_yaml(text)
    except NotYamlError as error:
        raise RecipeError([Fault("", f"not valid YAML: {error}")], source=source) from error
    if not isinstance(values, dict):
        what = "empty" if values is None else f"a {type(values).__name__}"
        raise RecipeError(
            [Fault("", f"a recipe is a mapping of keys to values, this is {what}")], source=source
        )

    origins = dict.fromkeys(_leaf_paths(values), "recipe")
    for override in overrides:
        faults.extend(_override(values, origins, override))
    complete(values)
    set_paths = [path for path, origin in origins.items() if origin == "--set"]
    try:
        recipe = schema.model_validate(values)
    except ValidationError as error:
        raise RecipeError([*faults, *faults_of(error, lines, set_paths)], source=source) from error
    if faults:
        raise RecipeError(faults, source=source)
    return origins, recipe


def _leaf_paths(value: Any, path: str = "") -> list[str]:
    if isinstance(value, dict) and value:
        return [
            leaf
            for key, child in value.items()
            for leaf in _leaf_paths(child, f"{path}.{key}" if path else str(key))
        ]
    return [path]


def _override(values: dict[str, Any], origins: dict[str, str], override: str) -> list[Fault]:
    """Apply one ``--set`` and return its faults."""
    where = f"--set {override}"
    path, separator, raw = override.partition("=")
    keys = path.strip().split(".")
    if not separator or not all(keys):
        return [Fault(where, "is not of the form section.key=value")]
    try:
        value, _, faults = read_yaml(raw)
    except NotYamlError as error:
        return [Fault(where, f"the value is not valid YAML: {error}")]
    if faults:
        return [Fault(where, f"{fault.path} {fault.problem}", fault.cure) for fault in faults]
    place: Any = values
    steps: list[str | int] = []
    for key in keys:
        if not isinstance(place, (dict, list)):
            return [Fault(where, f"{dotted(steps)} holds {place!r}, which has no keys")]
        if isinstance(place, list) and not (key.isdecimal() and int(key) < len(place)):
            return [Fault(where, f"the list has {len(place)} entries, numbered from 0")]
        step: Any = int(key) if isinstance(place, list) else key
        steps.append(step)
        if len(steps) == len(keys):
            place[step] = value
        else:
            if isinstance(place, dict) and place.get(step) is None:
                place[step] = {}
            place = place[step]
    changed = dotted(steps)
    for old in [p for p in origins if p == changed or p.startswith((f"{changed}.", f"{changed}["))]:
        del origins[old]
    origins.update(dict.fromkeys(_leaf_paths(value, changed), "--set"))
    return []
