"""What cannot take effect in an objective of classification."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from luthier.core.errors import Fault
from luthier.recipe.fairness_penalty import FairnessPenalty
from luthier.recipe.objective_sections import ClassificationObjective, MultitaskObjective
from luthier.recipe.schema import Recipe


def check_classification(recipe: Recipe, written: Collection[str]) -> Iterator[Fault]:
    """Yield the faults of the objective's own keys."""
    objective = recipe.objective
    if isinstance(objective, MultitaskObjective):
        yield from _check_tasks(objective)
    if not isinstance(objective, ClassificationObjective):
        return
    for index, gate in enumerate(recipe.gates):
        if gate.metric == "mcc" and gate.relative_to == "baseline":
            problem = (
                "can never pass: what never reads a text has a correlation of 0, and nothing is relative to 0"
            )
            yield Fault(f"gates[{index}].relative_to", problem, "min: 0.5")
        if gate.metric == "calibration_error" and gate.relative_to is not None:
            problem = "can never pass: of a distance from 0, which may be 0, no relative improvement is told"
            yield Fault(f"gates[{index}].relative_to", problem, "max: 0.1")
    if objective.fairness is not None:
        yield from _check_fairness(recipe, objective, objective.fairness, written)
    if objective.labels is not None:
        yield from _check_labels(objective, objective.labels)


def _check_tasks(objective: MultitaskObjective) -> Iterator[Fault]:
    """Refuse an adversary among tasks: their balance makes gradients of the model's weights only."""
    for number, task in enumerate(objective.tasks):
        fairness = getattr(task.objective, "fairness", None)
        if fairness is not None and fairness.method == "adversary":
            path = f"objective.tasks[{number}].objective.fairness.method"
            yield Fault(path, "an adversary trains beside one task only", "method: constraint")


def _check_fairness(
    recipe: Recipe, objective: ClassificationObjective, fairness: FairnessPenalty, written: Collection[str]
) -> Iterator[Fault]:
    path = "objective.fairness"
    if objective.problem != "single_label":
        yield Fault(
            path, "compares the one label of each row, problem is multi_label", "problem: single_label"
        )
    if not any(fairness.by in source.attributes for source in recipe.data.train):
        problem = f"no training source keeps the column {fairness.by!r} with its rows"
        yield Fault(f"{path}.by", problem, f"attributes: [{fairness.by}] in data.train")
    if objective.labels is not None and fairness.positive not in objective.labels:
        problem = f"{fairness.positive!r} is none of objective.labels"
        yield Fault(f"{path}.positive", problem, f"the labels: {', '.join(objective.labels[:20])}")
    is_constraint = fairness.method == "constraint"
    if is_constraint and f"{path}.adversary_learning_rate" in written:
        problem = "has no effect: a constraint has no adversary"
        yield Fault(f"{path}.adversary_learning_rate", problem, "method: adversary")
    if is_constraint and recipe.train.per_device_train_batch_size < 4:
        problem = "compares groups within a micro-batch, which has too few rows to have several of each"
        yield Fault(path, problem, "train.per_device_train_batch_size: 16")


def _check_labels(objective: ClassificationObjective, labels: list[str]) -> Iterator[Fault]:
    if twice := next((name for name in labels if labels.count(name) > 1), None):
        yield Fault("objective.labels", f"names {twice!r} twice")
    least = 2 if objective.problem == "single_label" else 1
    if len(set(labels)) < least:
        yield Fault("objective.labels", f"names {len(labels)} classes, at least {least} were expected")
    if isinstance(objective.class_weights, dict):
        unknown = [name for name in objective.class_weights if name not in labels]
        if unknown:
            problem = f"{unknown[0]!r} is none of objective.labels"
            yield Fault("objective.class_weights", problem, f"the labels: {', '.join(labels[:20])}")
