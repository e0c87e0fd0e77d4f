"""From pydantic's errors to faults in the user's words: YAML path, line, nearest key."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from luthier.core.errors import Fault
from luthier.recipe.schema import Recipe, sections_in

_SHOWN_CHARACTERS = 80
_NAME_OR_NAMES = "target_modules"
"""The one key that takes a name or a list of names; pydantic reports its faults once for each."""


def faults_of(
    error: ValidationError,
    lines: Mapping[str, int],
    set_paths: Collection[str],
    *,
    root: type[BaseModel] = Recipe,
) -> list[Fault]:
    """Return one fault for each path that is wrong.

    Args:
        error: What pydantic found.
        lines: Line in the file of each path.
        set_paths: Paths that ``--set`` changed: their faults are not in the file.
        root: What the file holds.
    """
    details: list[dict[str, Any]] = [dict(detail) for detail in error.errors(include_url=False)]
    locations = [detail["loc"] for detail in details]
    return [_fault_of(d, lines, set_paths, root) for d in details if not _is_told_better(d["loc"], locations)]


def _is_told_better(location: tuple[str | int, ...], all_locations: Sequence[tuple[str | int, ...]]) -> bool:
    """Whether another error tells the same fault of a name-or-names key more closely."""
    if location[-2:] == (_NAME_OR_NAMES, "list[str]"):
        return True
    entries = (*location[:-1], "list[str]")
    return location[-2:] == (_NAME_OR_NAMES, "str") and entries not in all_locations


def _fault_of(
    detail: dict[str, Any], lines: Mapping[str, int], set_paths: Collection[str], root: type[BaseModel]
) -> Fault:
    kind, value = detail["type"], detail.get("input")
    location = _without_union_tags(detail["loc"], root)
    path = dotted(location)
    problem, cure = _problem_of(kind, value, location, detail, root)
    if kind.startswith("union_tag"):
        path = f"{path}.{detail['ctx']['discriminator'].strip(chr(39))}"
    if any(path == p or path.startswith((f"{p}.", f"{p}[")) for p in set_paths):
        return Fault(path, f"{problem} (set by --set)", cure)
    line = next((lines[p] for p in (path, dotted(location), dotted(location[:-1])) if p in lines), None)
    return Fault(path, problem, cure, line)


def _problem_of(
    kind: str, value: Any, location: Sequence[str | int], detail: dict[str, Any], root: type[BaseModel]
) -> tuple[str, str | None]:
    """Return what is wrong and what to do."""
    if kind == "extra_forbidden":
        known = _known_keys(detail, root)
        near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.55)
        return (
            "unknown key",
            f"did you mean `{near[0]}`?" if near else f"known keys here: {', '.join(sorted(known))}",
        )
    if kind == "invalid_key":
        return "unknown key", "keys are words"
    if kind in ("missing", "union_tag_not_found"):
        return "is required and absent", None
    if kind == "union_tag_invalid":
        tag, expected = str(detail["ctx"]["tag"]), detail["ctx"]["expected_tags"].replace("'", "")
        near = difflib.get_close_matches(tag, expected.split(", "), n=1)
        return f"{tag!r} is not known", f"did you mean `{near[0]}`?" if near else f"known: {expected}"
    if kind in ("model_type", "model_attributes_type"):
        # pydantic's own words name the class.
        keys = _keys_of(_walk(detail["loc"], root)[1])
        return (
            f"{_shown(value)} is wrong: a section was expected",
            f"its keys: {', '.join(keys)}" if keys else None,
        )
    message = detail["msg"][0].lower() + detail["msg"][1:]
    if detail["loc"][-2:] == (_NAME_OR_NAMES, "str"):
        message = "input should be a name or a list of names"
    return f"{_shown(value)} is wrong: {message}", _cure_of_type(kind, value)


def _cure_of_type(kind: str, value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    if kind.startswith("bool_"):
        return "write true or false, without quotes"
    return "write it without quotes" if kind.startswith(("int_", "float_")) else None


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python refuses to spell numbers of more than 4,300 digits
        return "this number"
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def dotted(location: Sequence[str | int]) -> str:
    """Return a YAML path, e.g. ``data.train[0].path``."""
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def _without_union_tags(location: tuple[str | int, ...], root: type[BaseModel]) -> tuple[str | int, ...]:
    """Drop what pydantic inserts for unions and is in no YAML path: a section's name, a member's type."""
    location = _walk(location, root)[0]
    if len(location) > 2 and location[1] == _NAME_OR_NAMES:
        location = (*location[:2], *location[3:])
    return location


def _walk(
    location: Sequence[str | int], root: type[BaseModel]
) -> tuple[tuple[str | int, ...], list[type[BaseModel]]]:
    """Follow a location of pydantic through the sections; return it without tags, and the sections at its end."""
    path: list[str | int] = []
    models: list[type[BaseModel]] = [root]
    for part in location:
        tagged = [model for model in models if len(models) > 1 and part in _tags_of(model)]
        if tagged:
            models = tagged
            continue
        path.append(part)
        if isinstance(part, str):
            models = sections_in(_field(models[0], part)) if models else []
    return tuple(path), models


def _tags_of(model: type[BaseModel]) -> tuple[Any, ...]:
    """Return the values of the field that tells a section from the others of its union."""
    field = model.model_fields.get("name") or model.model_fields.get("kind")
    return get_args(field.annotation) if field else ()


def _known_keys(detail: dict[str, Any], root: type[BaseModel]) -> list[str]:
    """Return the keys that the section of an unknown key knows."""
    return _keys_of(_walk(detail["loc"][:-1], root)[1])


def _keys_of(models: Sequence[type[BaseModel]]) -> list[str]:
    return [field.alias or name for name, field in models[0].model_fields.items()] if models else []


def _field(model: type[BaseModel], key: str) -> Any:
    return next((f.annotation for n, f in model.model_fields.items() if key in (n, f.alias)), None)
