"""Command line options made from a section of the recipe: one name, one description, one check for both."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import click
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from luthier.core.errors import Fault, RecipeError
from luthier.recipe.section import Section

_S = TypeVar("_S", bound=Section)
_Command = Callable[..., Any]


def section_options(
    section: type[Section], *, leave_out: tuple[str, ...] = ()
) -> Callable[[_Command], _Command]:
    """Return a decorator that adds an option for each key of a section; an option not given is None or empty.

    Args:
        section: Truth values become flags, choices choices, lists options that may be given again.
        leave_out: Keys that the command has options of its own for.
    """

    def decorate(command: _Command) -> _Command:
        for name, field in reversed(section.model_fields.items()):
            if name not in leave_out:
                command = _option(name, field)(command)
        return command

    return decorate


def given_options(section: type[Section], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the options of a section that were given."""
    values = {name: options[name] for name in section.model_fields if name in options}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
        if value not in (None, (), False)
    }


def section_in_file(path: Path | None) -> dict[str, Any]:
    """Return the keys of a section that a YAML file holds.

    Raises:
        RecipeError: The file is missing, or is no mapping.
    """
    if path is None:
        return {}
    from luthier.recipe.yaml_text import NotYamlError, read_yaml

    try:
        values, _, faults = read_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError([Fault("", f"cannot be read: {error.strerror}")], source=str(path)) from error
    except (NotYamlError, UnicodeDecodeError) as error:
        raise RecipeError([Fault("", f"not valid YAML: {error}")], source=str(path)) from error
    if not isinstance(values, dict):
        what = "nothing" if values is None else f"a {type(values).__name__}"
        raise RecipeError(
            [Fault("", f"holds {what}, a mapping of keys to values was expected")], source=str(path)
        )
    if faults:
        raise RecipeError(faults, source=str(path))
    return values


def checked_section(section: type[_S], values: Mapping[str, Any], *, source: str) -> _S:
    """Return a section.

    Raises:
        RecipeError: Keys are unknown or values wrong; all are named.
    """
    try:
        return section.model_validate(dict(values))
    except ValidationError as error:
        faults = [_fault(section, dict(detail)) for detail in error.errors(include_url=False)]
        raise RecipeError(faults, source=source) from error


def _option(name: str, field: FieldInfo) -> Callable[[_Command], _Command]:
    flag = f"--{name.replace('_', '-')}"
    kind, is_many = _kind_of(field.annotation)
    if kind is bool:
        return click.option(flag, name, is_flag=True, help=field.description)
    return click.option(flag, name, type=kind, multiple=is_many, help=field.description)


def _kind_of(annotation: Any) -> tuple[Any, bool]:
    """Return the type of an option, and whether it may be given again."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        (inner,) = (argument for argument in arguments if argument is not NoneType)
        return _kind_of(inner)
    if origin is Annotated:
        return _kind_of(arguments[0])
    if origin is list:
        return _kind_of(arguments[0])[0], True
    if origin is Literal:
        return click.Choice(arguments), False
    return annotation, False


def _fault(section: type[Section], detail: dict[str, Any]) -> Fault:
    path = ".".join(map(str, detail["loc"]))
    if detail["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(detail["loc"][-1]), section.model_fields, n=1)
        cure = f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(section.model_fields)}"
        return Fault(path, "unknown key", cure)
    return Fault(path, detail["msg"].removeprefix("Value error, "))
