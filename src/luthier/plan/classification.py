"""What cannot take effect in an objective of classification."""

from __future__ import annotations

from collections.abc import Iterator

from luthier.core.errors import Fault
from luthier.recipe.objective_sections import ClassificationObjective, FairnessPenalty
from luthier.recipe.schema import Recipe


def check_classification(recipe: Recipe) -> Iterator[Fault]:
    """Yield the faults of the objective's own keys."""
    objective = recipe.objective
    if not isinstance(objective, ClassificationObjective):
        return
    for index, gate in enumerate(recipe.gates):
        if gate.metric == "mcc" and gate.relative_to == "baseline":
            problem = (
                "can never pass: what never reads a text has a correlation of 0, and nothing is relative to 0"
            )
            yield Fault(f"gates[{index}].relative_to", problem, "min: 0.5")
    if objective.fairness is not None:
        yield from _check_fairness(recipe, objective, objective.fairness)
    if objective.labels is not None:
        yield from _check_labels(objective, objective.labels)


def _check_fairness(
    recipe: Recipe, objective: ClassificationObjective, fairness: FairnessPenalty
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
    if recipe.train.per_device_train_batch_size < 4:
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
