"""What cannot take effect in `evaluate.fitting` and `evaluate.generalization`."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from luthier.core.errors import Fault
from luthier.recipe.evaluate_sections.generalization import SHIPPED_TEXTS
from luthier.recipe.schema import Recipe

_COURSE = ("fitting.rise", "fitting.best_step_distance")


def check_fitting(recipe: Recipe, written: Collection[str]) -> Iterator[Fault]:
    """Yield gates on figures that this recipe leaves undefined."""
    for index, gate in enumerate(recipe.gates):
        path = f"gates[{index}].metric"
        if gate.metric in _COURSE and recipe.train.eval_strategy == "no":
            yield Fault(
                path, f"{gate.metric} is undefined with train.eval_strategy: no", "eval_strategy: epoch"
            )
        if gate.metric == "fitting.excess_gap" and recipe.objective.has_head:
            problem = f"{gate.metric} compares with the base, which has no head of its own"
            yield Fault(path, problem, "fitting.gap")
        if gate.metric.startswith("fitting.gap.") and not recipe.objective.has_head:
            yield Fault(path, f"{gate.metric} is of tasks with a head", "fitting.gap")


def check_generalization(recipe: Recipe, written: Collection[str]) -> Iterator[Fault]:
    """Yield keys without effect for this objective, and an attribute that no source has."""
    section, objective = recipe.evaluate.generalization, recipe.objective
    if section is None:
        return
    where = "evaluate.generalization"
    if section.shots and not objective.is_chat:
        yield Fault(
            f"{where}.shots", f"has no effect: {objective.name} reads {objective.reads}", "leave shots out"
        )
    if objective.has_head and section.ability:
        problem = "has no effect: a model with a head predicts no text"
        yield Fault(f"{where}.ability", problem, "leave ability out")
    if objective.has_head and not section.sets and section.by is None:
        yield Fault(where, "examines nothing: a model with a head predicts no text", "name sets, or by")
    if section.by is not None:
        named = {
            name for source in (*recipe.data.train, *recipe.data.eval.sources) for name in source.attributes
        }
        if section.by not in named:
            cure = f"attributes: [{section.by}]"
            yield Fault(f"{where}.by", f"{section.by} is no attribute of a source", cure)
    for index, each in enumerate(section.sets):
        if each.schema_ and each.schema_ not in objective.schemas:
            problem = f"{each.schema_} does not fit objective {objective.name}, which reads {objective.reads}"
            yield Fault(f"{where}.sets[{index}].schema", problem)
    for text in section.ability or ():
        if text not in SHIPPED_TEXTS and not Path(text).suffix:
            known = ", ".join(SHIPPED_TEXTS)
            yield Fault(f"{where}.ability", f"{text} is neither shipped nor a file", f"shipped: {known}")
    for index, gate in enumerate(recipe.gates):
        if gate.metric.startswith("generalization.score.") and not objective.has_head:
            cure = gate.metric.replace(".score.", ".eval_loss.")
            yield Fault(f"gates[{index}].metric", f"{gate.metric} is of tasks with a head", cure)
        if gate.metric.startswith("generalization.shot_answers.") and not section.shot_answers:
            problem = f"{gate.metric} is not measured: shot_answers is 0"
            yield Fault(f"gates[{index}].metric", problem, f"{where}.shot_answers: 16")
