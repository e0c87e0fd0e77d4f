"""Translate the training YAML of LLaMA-Factory or Axolotl into a recipe; no key is lost without a word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from luthier.core.errors import Fault, LuthierError, RecipeError
from luthier.recipe.foreign.axolotl import AXOLOTL
from luthier.recipe.foreign.draft import SECTIONS, Default, Draft, Kind, Outcome, Tool, Untranslatable
from luthier.recipe.foreign.llama_factory import LLAMA_FACTORY
from luthier.recipe.foreign.rules import recipe_name
from luthier.recipe.schema import Recipe
from luthier.recipe.section import Section
from luthier.recipe.source_section import Source

_TOOLS = (LLAMA_FACTORY, AXOLOTL)


@dataclass(frozen=True)
class Translation:
    """A recipe made from another tool's file, and what became of every key of it.

    Args:
        tool: ``LLaMA-Factory`` or ``Axolotl``.
        recipe: The recipe's values.
        outcomes: What became of every key, in the order of the file.
        defaults: Values that the other tool takes without a key.
        notes: What a user should check, such as files that are not there.
    """

    tool: str
    recipe: Mapping[str, Any]
    outcomes: tuple[Outcome, ...]
    defaults: tuple[Default, ...]
    notes: tuple[str, ...]

    def of(self, kind: Kind) -> list[Outcome]:
        """Return the keys with one kind of outcome."""
        return [outcome for outcome in self.outcomes if outcome.kind == kind]


def read_foreign(path: Path) -> dict[str, Any]:
    """Read the keys of another tool's YAML.

    Raises:
        RecipeError: The file is missing, is not a YAML mapping, or has a key twice.
    """
    try:
        content = path.read_text(encoding="utf-8")
        node = yaml.compose(content, Loader=yaml.SafeLoader)
        values = yaml.safe_load(content)
    except FileNotFoundError as error:
        raise RecipeError([Fault("", f"no file at {path}")], source="the import") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        problem = f"not a readable YAML file: {' '.join(str(error).split())}"
        raise RecipeError([Fault("", problem)], source=str(path)) from error
    if not isinstance(values, dict) or not isinstance(node, yaml.MappingNode):
        raise RecipeError([Fault("", "not a mapping of keys to values")], source=str(path))
    first: dict[str, int] = {}
    faults = []
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if first.setdefault(key.value, line) != line:
            problem = f"stands twice, first in line {first[key.value]}"
            faults.append(Fault(key.value, problem, "delete one of them", line))
    if faults:
        raise RecipeError(faults, source=str(path))
    return {str(key): value for key, value in values.items()}


def identify(values: Mapping[str, Any], source: str) -> Tool:
    """Tell the tool by keys that only it has.

    Raises:
        LuthierError: The keys are of both tools, or of neither.
    """
    found = {tool.name: sorted(tool.marks & values.keys()) for tool in _TOOLS}
    matching = [tool for tool in _TOOLS if found[tool.name]]
    if len(matching) == 1:
        return matching[0]
    if matching:
        each = "; ".join(f"{name}: {', '.join(keys)}" for name, keys in found.items())
        raise LuthierError(f"has keys of two tools ({each})", where=source, cure="keep the keys of one")
    each = "; ".join(f"{tool.name} by {', '.join(sorted(tool.marks))}" for tool in _TOOLS)
    raise LuthierError(
        "is of no tool that can be imported", where=source, cure=f"files are told by their keys: {each}"
    )


def translate(values: Mapping[str, Any], source: Path, recipe_folder: Path) -> Translation:
    """Translate another tool's values.

    Args:
        values: What `read_foreign` returned.
        source: The file they come from; it names the run where nothing else does.
        recipe_folder: Where the recipe will lie; its relative data paths start there.

    Raises:
        RecipeError: What the file asks for cannot be done here, such as preference training.
        LuthierError: It is not told which tool the file is for.
    """
    tool = identify(values, str(source))
    draft = Draft(values, (Path.cwd(), source.resolve().parent), recipe_folder)
    # In the order of the table: a rule may read what an earlier one has put.
    for key in (*(k for k in tool.rules if k in values), *(k for k in values if k not in tool.rules)):
        _apply(draft, tool, key)
    draft.default("name", recipe_name(source.stem), "from the file's name")
    tool.finish(draft)
    if not draft.faults:
        needed = {"model.base": "base model", "data.train": "data set"}
        draft.faults += [
            Fault(path, f"the file names no {what} that can be read")
            for path, what in needed.items()
            if not draft.has(path)
        ]
    if draft.faults:
        raise RecipeError(draft.faults, source=str(source))
    order = {key: place for place, key in enumerate(values)}
    outcomes = sorted(draft.outcomes, key=lambda o: order.get(_root(o.key, order), len(order)))
    notes = (*draft.notes, *_missing_files(draft.recipe, recipe_folder))
    return Translation(tool.name, _ordered(draft.recipe), tuple(outcomes), tuple(draft.defaults), notes)


def _apply(draft: Draft, tool: Tool, key: str) -> None:
    value = draft.values[key]
    rule = tool.rules.get(key)
    if value is None or (rule is None and (value is False or value in ("", [], {}, "none"))):
        draft.off(key)
    elif rule is not None:
        try:
            rule(draft, key)
        except Untranslatable as error:
            draft.drop(key, str(error))
    elif why := _why(tool.unneeded, key):
        draft.unneeded(key, why)
    else:
        draft.drop(key, _why(tool.without, key) or "`luthier import` does not know this key")


def _why(reasons: Mapping[str, str], key: str) -> str | None:
    return next((why for name, why in reasons.items() if fnmatchcase(key, name)), None)


def _root(key: str, keys: Mapping[str, int]) -> str:
    """Return the file's key that a nested one such as ``datasets[0].split`` belongs to."""
    return key if key in keys else key.partition("[")[0]


def _missing_files(recipe: Mapping[str, Any], folder: Path) -> list[str]:
    data = recipe["data"]
    sources = [*data["train"], *data["eval"].get("sources", [])]
    paths = dict.fromkeys(source["path"] for source in sources)
    return [f"{path}: no such file yet" for path in paths if not (folder / path).is_file()]


def _ordered(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return the recipe's values in the order of the schema."""
    models: list[type[Section]] = [
        Recipe,
        *(model for models in SECTIONS.values() for model in models),
        Source,
    ]
    names = [field.alias or name for model in models for name, field in model.model_fields.items()]
    order = list(dict.fromkeys(names))

    def sort(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: sort(value[key]) for key in sorted(value, key=order.index)}
        return value

    ordered: dict[str, Any] = sort(recipe)
    return ordered
