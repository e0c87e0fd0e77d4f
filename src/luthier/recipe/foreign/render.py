"""The YAML of an imported recipe: comments say where each value comes from and what was left out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml

from luthier.recipe.foreign.translate import Translation
from luthier.recipe.yaml_text import read_yaml

_SHORT = 60


def recipe_text(translation: Translation, source: str) -> str:
    """Return the recipe as YAML; comments say where each value comes from and what was left out."""
    comments: dict[str, str] = {}
    for outcome in translation.of("translated"):
        for path in outcome.paths:
            before = f"{comments[path]}, " if path in comments else "from "
            comments[path] = f"{before}{_short(outcome.key)}: {_short(outcome.value)}"
    comments |= {default.path: _one_line(default.why) for default in translation.defaults}
    head = [f"Made by `luthier import {_one_line(source)}`, which is for {translation.tool}."]
    if dropped := translation.of("dropped"):
        head.append("Not carried over:")
        head += [f"  {_short(o.key)}: {_short(o.value)} ({_one_line(o.note or '')})" for o in dropped]
    if changed := [o for o in translation.of("translated") if o.note]:
        head.append("Means something else here:")
        head += [f"  {_short(o.key)}: {_one_line(o.note or '')}" for o in changed]
    head += [f"Check: {_one_line(note)}" for note in translation.notes]
    return (
        "\n".join([*(f"# {line}" for line in head), "", *_lines(translation.recipe, "", comments, "")]) + "\n"
    )


def _lines(value: Mapping[str, Any], path: str, comments: Mapping[str, str], indent: str) -> list[str]:
    lines = []
    for key, child in value.items():
        place = f"{path}.{key}" if path else key
        comment = f"  # {comments[place]}" if place in comments else ""
        if isinstance(child, dict) and child:
            lines += [f"{indent}{key}:{comment}", *_lines(child, place, comments, f"{indent}  ")]
        elif isinstance(child, list) and child and isinstance(child[0], dict):
            lines.append(f"{indent}{key}:{comment}")
            lines += [line for entry in child for line in _entry_lines(entry, f"{indent}  ")]
        else:
            lines.append(f"{indent}{key}: {_scalar(child)}{comment}")
    return lines


def _entry_lines(entry: Mapping[str, Any], indent: str) -> list[str]:
    marks = ("- ", *("  " for _ in entry))
    return [
        f"{indent}{mark}{key}: {_scalar(value)}"
        for mark, (key, value) in zip(marks, entry.items(), strict=False)
    ]


def _scalar(value: Any) -> str:
    """Return a value as YAML on one line.

    PyYAML writes by YAML 1.1, a recipe is read by 1.2: ``1e-4`` as a name, for one, needs quotes only in the latter.
    """
    dumped: str = yaml.safe_dump(
        value, default_flow_style=True, allow_unicode=True, sort_keys=False, width=2**31
    )
    line = dumped.removesuffix("\n").removesuffix("\n...")
    is_safe = "\n" not in line and read_yaml(f"value: {line}")[0] == {"value": value}
    return line if is_safe else json.dumps(value, ensure_ascii=False)


def _short(value: Any) -> str:
    said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    line = _one_line(said)
    return line if len(line) <= _SHORT else f"{line[: _SHORT - 1]}…"


def _one_line(said: str) -> str:
    """Return text that cannot leave its comment: no line breaks, nothing that YAML refuses."""
    return " ".join("".join(c if c.isprintable() else " " for c in said).split())
