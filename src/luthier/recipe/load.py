"""Read a recipe from YAML: strict, with the path, line and nearest key of every fault at once."""

from __future__ import annotations

import difflib
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from luthier.core.errors import Fault, RecipeError
from luthier.recipe.schema import Recipe

_FLOAT = re.compile(r"^[-+]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)[eE][-+]?\d+$")


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


class _Loader(yaml.SafeLoader):
    """SafeLoader that reads ``2e-4`` as a number (YAML 1.1 would call it a string)."""


_Loader.yaml_implicit_resolvers = {k: list(v) for k, v in yaml.SafeLoader.yaml_implicit_resolvers.items()}
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))


def load(path: Path, overrides: Sequence[str] = ()) -> LoadedRecipe:
    """Read and check a recipe.

    Args:
        path: The YAML file.
        overrides: ``section.key=value`` strings that win over the file; values are read as YAML.

    Raises:
        RecipeError: The file is missing, is not YAML, or has faults; all are listed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        cure = "`luthier init` lists the shipped recipes and copies one"
        raise RecipeError([Fault("", f"no file at {path}", cure)]) from error
    except (UnicodeDecodeError, IsADirectoryError) as error:
        raise RecipeError([Fault("", f"not a UTF-8 text file: {error}")], source=str(path)) from error
    return parse(text, overrides, folder=path.resolve().parent, source=str(path))


def parse(
    text: str, overrides: Sequence[str] = (), *, folder: Path | None = None, source: str = "recipe"
) -> LoadedRecipe:
    """Check the YAML text of a recipe; see `load`."""
    try:
        node = yaml.compose(text, Loader=_Loader)
        values = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise RecipeError([Fault("", f"not valid YAML: {_one_line(error)}")], source=source) from error
    if not isinstance(values, dict):
        what = "empty" if values is None else f"a {type(values).__name__}"
        raise RecipeError(
            [Fault("", f"a recipe is a mapping of keys to values, this is {what}")], source=source
        )

    lines: dict[str, int] = {}
    faults = list(_walk(node, "", lines))
    origins = dict.fromkeys(_leaf_paths(values), "recipe")
    for override in overrides:
        faults.extend(_override(values, origins, override))
    try:
        recipe = Recipe.model_validate(values)
    except ValidationError as error:
        faults.extend(_faults_of(error, lines))
        recipe = None
    if faults or recipe is None:
        raise RecipeError(faults, source=source)
    return LoadedRecipe(recipe, origins, folder or Path.cwd(), text, tuple(overrides))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _walk(node: yaml.Node | None, path: str, lines: dict[str, int]) -> list[Fault]:
    """Note the line of every path and report keys that stand twice (PyYAML keeps the last, silently)."""
    faults: list[Fault] = []
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            child = f"{path}.{key_node.value}" if path else str(key_node.value)
            if child in lines:
                problem = f"stands twice, first in line {lines[child]}"
                faults.append(Fault(child, problem, "delete one of them", key_node.start_mark.line + 1))
            lines[child] = key_node.start_mark.line + 1
            faults.extend(_walk(value_node, child, lines))
    elif isinstance(node, yaml.SequenceNode):
        for index, value_node in enumerate(node.value):
            lines[f"{path}[{index}]"] = value_node.start_mark.line + 1
            faults.extend(_walk(value_node, f"{path}[{index}]", lines))
    return faults


def _leaf_paths(value: Any, path: str = "") -> list[str]:
    if isinstance(value, dict) and value:
        return [
            leaf
            for key, child in value.items()
            for leaf in _leaf_paths(child, f"{path}.{key}" if path else key)
        ]
    return [path]


def _override(values: dict[str, Any], origins: dict[str, str], override: str) -> list[Fault]:
    """Apply one ``--set`` and return its faults."""
    path, separator, raw = override.partition("=")
    keys = path.strip().split(".")
    if not separator or not all(keys):
        return [Fault(f"--set {override}", "is not of the form section.key=value")]
    try:
        value = yaml.load(raw, Loader=_Loader)
    except yaml.YAMLError as error:
        return [Fault(f"--set {override}", f"the value is not valid YAML: {_one_line(error)}")]
    place: Any = values
    for depth, key in enumerate(keys[:-1]):
        place = _child(place, key)
        if not isinstance(place, (dict, list)):
            parent = ".".join(keys[: depth + 1])
            return [Fault(f"--set {override}", f"{parent} holds {place!r}, which has no keys")]
    if isinstance(place, list):
        if not keys[-1].isdigit() or int(keys[-1]) >= len(place):
            return [Fault(f"--set {override}", f"the list has {len(place)} entries, numbered from 0")]
        place[int(keys[-1])] = value
    else:
        place[keys[-1]] = value
    for old in [p for p in origins if p == path or p.startswith(f"{path}.")]:
        del origins[old]
    origins.update(dict.fromkeys(_leaf_paths(value, path), "--set"))
    return []


def _child(place: dict[str, Any] | list[Any], key: str) -> Any:
    if isinstance(place, list):
        return place[int(key)] if key.isdigit() and int(key) < len(place) else None
    if place.get(key) is None:
        place[key] = {}
    return place[key]


def _faults_of(error: ValidationError, lines: Mapping[str, int]) -> list[Fault]:
    return [_fault_of(dict(detail), lines) for detail in error.errors(include_url=False)]


def _fault_of(detail: dict[str, Any], lines: Mapping[str, int]) -> Fault:
    """Turn one pydantic error into a fault in the user's words."""
    location = _without_union_tags(detail["loc"])
    path = _dotted(location)
    line = next((lines[p] for p in (path, _dotted(location[:-1])) if p in lines), None)
    kind, value = detail["type"], detail.get("input")
    if kind == "extra_forbidden":
        known = _known_keys(location[:-1], detail)
        near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
        cure = f"did you mean `{near[0]}`?" if near else f"known keys here: {', '.join(sorted(known))}"
        return Fault(path, "unknown key", cure, line)
    if kind == "missing":
        return Fault(path, "is required and absent", None, line)
    if kind == "union_tag_invalid":
        expected = detail["ctx"]["expected_tags"].replace("'", "")
        names = difflib.get_close_matches(str(detail["ctx"]["tag"]), expected.split(", "), n=1)
        cure = f"did you mean `{names[0]}`?" if names else f"known: {expected}"
        return Fault(f"{path}.name", f"{detail['ctx']['tag']!r} is not known", cure, line)
    if kind == "union_tag_not_found":
        return Fault(f"{path}.name", "is required and absent", None, line)
    message = detail["msg"][0].lower() + detail["msg"][1:]
    hint = (
        "write it without quotes"
        if kind.startswith(("int_", "float_", "bool_")) and isinstance(value, str)
        else None
    )
    return Fault(path, f"{value!r} is wrong: {message}", hint, line)


def _dotted(location: Sequence[str | int]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


_UNION_TAGS = {
    ("objective", "sft"),
    ("objective", "pretraining"),
    ("method", "full"),
    ("method", "freeze"),
    ("method", "lora"),
}


def _without_union_tags(location: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Drop what pydantic inserts for unions and is in no YAML path: a section's name, a member's type."""
    if len(location) > 1 and (location[0], location[1]) in _UNION_TAGS:
        location = (location[0], *location[2:])
    return tuple(
        part for part in location if not (isinstance(part, str) and part.startswith(("list[", "str")))
    )


def _known_keys(location: Sequence[str | int], detail: dict[str, Any]) -> list[str]:
    """Return the keys that the section at ``location`` knows."""
    model: Any = Recipe
    tag = detail["loc"][1] if len(detail["loc"]) > 1 else None
    for part in location:
        if isinstance(part, int):
            continue
        models = [m for m in _models_in(_field(model, part)) if isinstance(m, type)]
        tagged = [
            m
            for m in models
            if "name" in m.model_fields and tag in get_args(m.model_fields["name"].annotation)
        ]
        if not models:
            return []
        model = (tagged or models)[0]
    return [field.alias or name for name, field in model.model_fields.items()]


def _field(model: type[BaseModel], key: str) -> Any:
    return next(f.annotation for n, f in model.model_fields.items() if key in (n, f.alias))


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, UnionType, list, dict) or get_args(annotation):
        return [
            m
            for argument in get_args(annotation)
            if isinstance(argument, Hashable)
            for m in _models_in(argument)
        ]
    return []
