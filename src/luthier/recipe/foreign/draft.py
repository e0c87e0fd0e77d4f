"""A recipe in the making: what became of each key of another tool's file, and why."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from luthier.core.errors import Fault
from luthier.recipe.method_sections import FreezeMethod, LoraMethod
from luthier.recipe.objective_sections import SftObjective
from luthier.recipe.schema import (
    CleanSection,
    DataSection,
    EvalSection,
    ModelSection,
    Recipe,
    TrainSection,
    sections_in,
)
from luthier.recipe.section import Section
from luthier.recipe.vocabulary_section import VocabularySection

SECTIONS: dict[str, tuple[type[Section], ...]] = {
    "": (Recipe,),
    "model": (ModelSection,),
    "data": (DataSection,),
    "data.eval": (EvalSection,),
    "data.clean": (CleanSection,),
    "objective": (SftObjective,),
    "method": (LoraMethod, FreezeMethod),
    "train": (TrainSection,),
    "vocabulary": (VocabularySection,),
}
"""The schema of the sections that an import writes, by path."""

Kind = Literal["translated", "dropped", "unneeded", "off"]


@dataclass(frozen=True)
class Outcome:
    """What became of one key.

    Args:
        key: The other tool's key, e.g. ``lora_rank`` or ``datasets[0].type``.
        value: What the file says.
        kind: ``translated``; ``dropped``, which changes what is trained or written; ``unneeded``,
            which changes nothing; ``off``, a null or false that needs no counterpart.
        paths: The recipe paths that it set.
        note: What differs in meaning, or why it was left out and what to do instead.
    """

    key: str
    value: Any
    kind: Kind
    paths: tuple[str, ...] = ()
    note: str | None = None


@dataclass(frozen=True)
class Default:
    """A recipe value that the file does not hold: the other tool's default, or what follows from its keys."""

    path: str
    value: Any
    why: str


class Untranslatable(Exception):
    """A value has no counterpart; the text says why or what to do instead."""


Rule = Callable[["Draft", str], None]
"""Puts, drops or switches off one key of a draft; raises Untranslatable."""


@dataclass(frozen=True)
class Tool:
    """How the files of one tool are read.

    Args:
        name: For people.
        marks: Keys that only this tool has.
        rules: What to do with each key that has a counterpart.
        unneeded: Keys that change nothing here, with the reason.
        without: Keys (or beginnings of keys, ending in ``*``) that have no counterpart, with the reason.
        finish: Reads what needs several keys at once, and puts the tool's defaults.
    """

    name: str
    marks: frozenset[str]
    rules: Mapping[str, Rule]
    unneeded: Mapping[str, str]
    without: Mapping[str, str]
    finish: Callable[[Draft], None]


class Draft:
    """Collects recipe values and the outcome of every key.

    Args:
        values: The other tool's file.
        look_in: Folders where its relative paths may start, the likeliest first.
        recipe_folder: Where the recipe will lie; its relative data paths start there.
    """

    def __init__(self, values: Mapping[str, Any], look_in: Sequence[Path], recipe_folder: Path) -> None:
        self.values = values
        self.recipe: dict[str, Any] = {}
        self.outcomes: list[Outcome] = []
        self.defaults: list[Default] = []
        self.notes: list[str] = []
        self.faults: list[Fault] = []
        self._look_in = look_in
        self._recipe_folder = recipe_folder

    def get(self, path: str) -> Any:
        """Return the recipe value at a dotted path, or None."""
        place: Any = self.recipe
        for part in path.split("."):
            place = place.get(part) if isinstance(place, dict) else None
        return place

    def has(self, path: str) -> bool:
        """Return whether a recipe value is set, be it null."""
        section, _, name = path.rpartition(".")
        return name in ((self.get(section) if section else self.recipe) or {})

    def put(self, key: str, path: str, value: Any, note: str | None = None, *, said: Any = None) -> None:
        """Set a recipe value from ``key``; a second path for the same key joins its outcome.

        Raises:
            Untranslatable: The recipe does not take this value.
        """
        self._set(path, value)
        known = next((o for o in self.outcomes if o.key == key), None)
        if known:
            notes = "; ".join(n for n in (known.note, note) if n) or None
            self.outcomes.remove(known)
            self.outcomes.append(replace(known, paths=(*known.paths, path), note=notes))
        else:
            said = self.values.get(key) if said is None else said
            self.outcomes.append(Outcome(key, said, "translated", (path,), note))

    def default(self, path: str, value: Any, why: str) -> None:
        """Set a recipe value that no key gave."""
        if not self.has(path):
            self._set(path, value)
            self.defaults.append(Default(path, value, why))

    def drop(self, key: str, why: str, *, said: Any = None) -> None:
        """List a key that has no counterpart."""
        self._end(key, "dropped", why, said)

    def unneeded(self, key: str, why: str, *, said: Any = None) -> None:
        """List a key that changes nothing here."""
        self._end(key, "unneeded", why, said)

    def off(self, key: str) -> None:
        """Note a key whose value switches something off that is off anyway."""
        self._end(key, "off", None, None)

    def withdraw(self, path: str, why: str) -> None:
        """Take back a recipe value that has no effect beside the others."""
        if not self.has(path):
            return
        section, _, name = path.rpartition(".")
        del (self.get(section) if section else self.recipe)[name]
        self.defaults = [d for d in self.defaults if d.path != path]
        for index, outcome in enumerate(self.outcomes):
            if path in outcome.paths:
                self.outcomes[index] = replace(outcome, kind="unneeded", paths=(), note=why)

    def locate(self, path: str) -> str | None:
        """Return a file's path as the recipe must write it, or None where there is no such file."""
        for folder in self._look_in:
            if (folder / path).exists():
                if Path(path).is_absolute():
                    return path
                found = os.path.relpath((folder / path).resolve(), self._recipe_folder.resolve())
                return Path(found).as_posix()
        return None

    def read_beside(self, path: str) -> tuple[Path, str] | None:
        """Return the place and text of a file that the other tool would read, or None."""
        file = next((f / path for f in self._look_in if (f / path).is_file()), None)
        return (file, file.read_text(encoding="utf-8")) if file else None

    def _end(self, key: str, kind: Kind, note: str | None, said: Any) -> None:
        self.outcomes = [o for o in self.outcomes if o.key != key]
        self.outcomes.append(Outcome(key, self.values.get(key) if said is None else said, kind, (), note))

    def _set(self, path: str, value: Any) -> None:
        check_value(path, value)
        section, _, name = path.rpartition(".")
        place = self.recipe
        for part in section.split(".") if section else ():
            place = place.setdefault(part, {})
        place[name] = value


def check_value(path: str, value: Any) -> None:
    """Check a value against the recipe's schema.

    Raises:
        Untranslatable: The schema does not take it.
    """
    section, _, name = path.rpartition(".")
    if path in ("objective.name", "method.name", "data.eval"):
        return
    fields = [
        f for model in SECTIONS[section] for n, f in model.model_fields.items() if (f.alias or n) == name
    ]
    annotation: Any = fields[0].annotation
    if fields[0].metadata:
        annotation = Annotated[(annotation, *fields[0].metadata)]
    try:
        # A section is strict by itself, and takes no other configuration.
        config = None if sections_in(annotation) else ConfigDict(strict=True)
        TypeAdapter(annotation, config=config).validate_python(value)
    except ValidationError as error:
        message = error.errors(include_url=False)[0]["msg"]
        raise Untranslatable(f"{path} does not take {value!r}: {message[0].lower()}{message[1:]}") from error
