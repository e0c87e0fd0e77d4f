"""The recipe of `luthier evaluate`: a recipe of which only rows, objective, evaluation and gates are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luthier.core.errors import Fault, RecipeError
from luthier.recipe.load import LoadedRecipe, parse

EVALUATION_KEYS = ("name", "seed", "model", "data", "objective", "evaluate", "gates", "register")
"""What is read; the other keys of a recipe say how to train."""


@dataclass(frozen=True)
class EvaluationRecipe:
    """A whole recipe for a model that is to be judged.

    Args:
        loaded: The recipe, with what the model itself tells in the place of what was not written.
        unread: Keys that were written and only training reads.
        names_trained: Whether it says which rows the model was trained on.
    """

    loaded: LoadedRecipe
    unread: tuple[str, ...]
    names_trained: bool


def evaluation_recipe(
    text: str,
    overrides: Sequence[str],
    *,
    defaults: Mapping[str, Any],
    held_out: Sequence[Mapping[str, Any]],
    folder: Path,
    source: str,
) -> EvaluationRecipe:
    """Read the recipe of an evaluation.

    Args:
        text: The user's YAML; empty where he wrote none.
        overrides: ``--set`` strings.
        defaults: Sections that the model itself tells, such as its objective; what the user wrote wins, but for the
            base, which is the model.
        held_out: Sources from the command line, in the place of those of the recipe.
        folder: Relative paths of the recipe start here.
        source: Name of the recipe in messages.

    Raises:
        RecipeError: It has faults, or names no held-out rows.
    """
    unread: list[str] = []
    names_trained: list[bool] = []

    def complete(values: dict[str, Any]) -> None:
        unread.extend(key for key in values if key not in EVALUATION_KEYS)
        for key in unread:
            del values[key]
        for key, value in defaults.items():
            values.setdefault(key, value)
        if isinstance(values["model"], dict):
            values["model"] = {**defaults["model"], **values["model"], "base": defaults["model"]["base"]}
        data = values.setdefault("data", {})
        if not isinstance(data, dict):
            return  # told when the values are checked
        if held_out:
            own = data.get("eval")
            shared = {"group_by": own["group_by"]} if isinstance(own, dict) and "group_by" in own else {}
            data["eval"] = {"sources": [dict(each) for each in held_out], **shared}
        held = data.get("eval")
        if not (isinstance(held, dict) and held.get("sources")):
            cure = "--data FILE, or data: {eval: {sources: [{path: FILE}]}}"
            raise RecipeError([Fault("data.eval.sources", "names no held-out rows", cure)], source=source)
        names_trained.append(bool(data.get("train")))
        data.setdefault("train", held["sources"])  # a recipe names some; they are not read

    loaded = parse(text.strip() or "{}", overrides, folder=folder, source=source, complete=complete)
    return EvaluationRecipe(loaded, tuple(unread), names_trained[0])
