"""From pydantic's errors to faults in the user's words: YAML path, line, nearest key."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from luthier.core.errors import Fault
from luthier.recipe.schema import Recipe, name_of, sections_in

_SHOWN_CHARACTERS = 80
_UNION_TAGS = {
    (key, name_of(section))
    for key, field in Recipe.model_fields.items()
    for section in sections_in(field.annotation)
    if name_of(section)
}
_NAME_OR_NAMES = "target_modules"
"""The one key that takes a name or a list of names; pydantic reports its faults once for each."""


def faults_of(error: ValidationError, lines: Mapping[str, int], set_paths: Collection[str]) -> list[Fault]:
    """Return one fault for each path that is wrong.

    Args:
        error: What pydantic found.
        lines: Line in the file of each path.
        set_paths: Paths that ``--set`` changed: their faults are not in the file.
    """
    details: list[dict[str, Any]] = [dict(detail) for detail in error.errors(include_url=False)]
    locations = [detail["loc"] for detail in details]
    return [_fault_of(d, lines, set_paths) for d in details if not _is_told_better(d["loc"], locations)]


def _is_told_better(location: tuple[str | int, ...], all_locations: Sequence[tuple[str | int, ...]]) -> bool:
    """Whether another error tells the same fault of a name-or-names key more closely."""
    if location[-2:] == (_NAME_OR_NAMES, "list[str]"):
        return True
    entries = (*location[:-1], "list[str]")
    return location[-2:] == (_NAME_OR_NAMES, "str") and entries not in all_locations


def _fault_of(detail: dict[str, Any], lines: Mapping[str, int], set_paths: Collection[str]) -> Fault:
    kind, value = detail["type"], detail.get("input")
    location = _without_union_tags(detail["loc"])
    path = dotted(location)
    problem, cure = _problem_of(kind, value, location, detail)
    if kind.startswith("union_tag"):
        path = f"{path}.name"
    if any(path == p or path.startswith((f"{p}.", f"{p}[")) for p in set_paths):
        return Fault(path, f"{problem} (set by --set)", cure)
    line = next((lines[p] for p in (path, dotted(location), dotted(location[:-1])) if p in lines), None)
    return Fault(path, problem, cure, line)


def _problem_of(
    kind: str, value: Any, location: Sequence[str | int], detail: dict[str, Any]
) -> tuple[str, str | None]:
    """Return what is wrong and what to do."""
    if kind == "extra_forbidden":
        known = _known_keys(location[:-1], detail)
        near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
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


def _without_union_tags(location: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Drop what pydantic inserts for unions and is in no YAML path: a section's name, a member's type."""
    if len(location) > 1 and (location[0], location[1]) in _UNION_TAGS:
        location = (location[0], *location[2:])
    if len(location) > 2 and location[1] == _NAME_OR_NAMES:
        location = (*location[:2], *location[3:])
    return location


def _known_keys(location: Sequence[str | int], detail: dict[str, Any]) -> list[str]:
    """Return the keys that the section at ``location`` knows."""
    model: Any = Recipe
    tag = detail["loc"][1] if len(detail["loc"]) > 1 else None
    for part in location:
        if isinstance(part, int):
            continue
        models = sections_in(_field(model, part))
        if not models:
            return []
        model = next((m for m in models if tag is not None and name_of(m) == tag), models[0])
    return [field.alias or name for name, field in model.model_fields.items()]


def _field(model: type[BaseModel], key: str) -> Any:
    return next(f.annotation for n, f in model.model_fields.items() if key in (n, f.alias))
