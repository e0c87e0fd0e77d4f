"""What cannot take effect in `evaluate.memorization` and `evaluate.safety`."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from luthier.core.errors import Fault
from luthier.recipe.evaluate_sections.memorization import MEMBERSHIP_FIGURES
from luthier.recipe.schema import Recipe

_OF_TEXT = ("prefix_tokens", "continuation_tokens", "near", "canaries")


def check_memorization(recipe: Recipe, written: Collection[str]) -> Iterator[Fault]:
    """Yield the faults that only the whole recipe shows."""
    section, objective = recipe.evaluate.memorization, recipe.objective
    if section is None:
        return
    path = "evaluate.memorization"
    if objective.has_head:
        for key in _OF_TEXT:
            if f"{path}.{key}" in written:
                problem = f"has no effect: objective {objective.name} writes no text that could be extracted"
                yield Fault(f"{path}.{key}", problem, "leave it out; membership is examined")
        for number, gate in enumerate(recipe.gates):
            if gate.metric in section.figure_names and gate.metric not in MEMBERSHIP_FIGURES:
                problem = (
                    f"{gate.metric} is never measured of objective {objective.name}, which writes no text"
                )
                yield Fault(f"gates[{number}].metric", problem, f"metric: {MEMBERSHIP_FIGURES[0]}")
        return
    if not objective.is_chat and not any(section.prefix_tokens):
        problem = "raw text cannot be continued from 0 tokens"
        yield Fault(f"{path}.prefix_tokens", problem, "name how many tokens of it are known: [8, 32]")
    for number, canary in enumerate(section.canaries):
        where = f"{path}.canaries[{number}]"
        if objective.name == "multitask":
            yield Fault(where, "canaries belong to no task of objective multitask", "leave them out")
        elif objective.is_chat and canary.prompt is None:
            problem = "has no prompt, but the rows of this objective are conversations"
            yield Fault(f"{where}.prompt", problem, "name the user's turn before the canary")
        elif not objective.is_chat and canary.prompt is not None:
            yield Fault(f"{where}.prompt", f"has no effect: {objective.name} reads raw text", "leave it out")


def check_safety(recipe: Recipe, written: Collection[str]) -> Iterator[Fault]:
    """Yield the faults that only the whole recipe shows."""
    if recipe.evaluate.safety is not None and (not recipe.objective.is_chat or recipe.objective.has_head):
        problem = f"asks questions, and objective {recipe.objective.name} makes no model that answers"
        yield Fault("evaluate.safety", problem, "leave it out")
