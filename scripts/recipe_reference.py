"""Write docs/recipe.md, the reference of all recipe keys, from the schema; ``--check`` only compares."""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from luthier.recipe.schema import Recipe, name_of, sections_in

PAGE = Path(__file__).resolve().parents[1] / "docs" / "recipe.md"
HEAD = """# The recipe: every key

Made from `src/luthier/recipe/schema.py` by `make docs`. A key that is not here is an error, with the nearest key
named; a key that cannot take effect beside the others is refused by `luthier plan`, which also prints every resolved
value with where it came from. Values are overridden on the command line with `--set section.key=value`. Paths of
data files start at the recipe's folder; `runs_dir` starts where the command is run.

"""


def page() -> str:
    """Return the whole page."""
    places: dict[type[BaseModel], str] = {}
    for path, model in sorted(paths_of("", Recipe), key=lambda place: place[0].count(".")):
        places.setdefault(model, path)
    return HEAD + "\n".join(section("", Recipe, places))


def paths_of(path: str, model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield every place at which a section can stand, with the section."""
    yield path, model
    for own, inside in sections_of(path, model):
        yield from paths_of(own, inside)


def sections_of(path: str, model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield the places of the sections right below one."""
    for name, field in model.model_fields.items():
        key = field.alias or name
        models = sections_in(field.annotation)
        own = (f"{path}.{key}" if path else key) + ("[]" if get_origin(field.annotation) is list else "")
        for each in models:
            yield own + (f" ({name_of(each)})" if len(models) > 1 else ""), each


def section(path: str, model: type[BaseModel], places: dict[type[BaseModel], str]) -> list[str]:
    """Return a heading and a table of keys, and then the sections inside that are told here.

    Args:
        path: Where the section stands.
        model: The section.
        places: Where each section is told: at the shortest of its paths.
    """
    title = f"`{path}`" if path else "Top level"
    lines = [f"## {title}", "", f"{(model.__doc__ or '').strip().splitlines()[0]}", ""]
    lines += ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    inside: list[str] = []
    for own, each in sections_of(path, model):
        if places[each] == own:
            inside += section(own, each, places)
    for name, field in model.model_fields.items():
        key = field.alias or name
        models = sections_in(field.annotation)
        meaning = (
            field.description or (models[0].__doc__ or "").strip().splitlines()[0]
            if models or field.description
            else ""
        )
        own = f"{path}.{key}" if path else key
        elsewhere = {places[each].split(" (")[0] for each in models if not places[each].startswith(own)}
        if elsewhere:
            meaning += f" Its keys: {', '.join(f'`{place}`' for place in sorted(elsewhere))}."
        lines.append(
            f"| `{key}` | {type_name(field.annotation)} | {default(field)} | {meaning} |".replace("\n", " ")
        )
    return [*lines, "", *inside]


def type_name(annotation: Any) -> str:
    """Return a type as people read it."""
    if annotation is types.NoneType:
        return "none"
    if annotation is Any:
        return "any value"
    if isinstance(annotation, type) and get_origin(annotation) is None:
        if issubclass(annotation, BaseModel):
            return "section"
        return {"str": "text", "int": "whole number", "float": "number", "bool": "true or false"}[
            annotation.__name__
        ]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (list, tuple):
        return f"list of {type_name(arguments[0])}"
    if origin is dict:
        return "mapping of text to text"
    if origin is typing.Annotated:
        return type_name(arguments[0])
    return " or ".join(dict.fromkeys(type_name(argument) for argument in arguments))


def default(field: FieldInfo) -> str:
    """Return a default as it would be written in YAML."""
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined or isinstance(value, BaseModel):
        return "see below"
    if value is None:
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def main() -> None:
    """Rewrite the page, or fail if it would change."""
    text = page()
    if "--check" not in sys.argv:
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
        sys.exit("docs/recipe.md is behind the schema: run `make docs`")


if __name__ == "__main__":
    main()
