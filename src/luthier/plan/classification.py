"""What cannot take effect in an objective of classification."""

from __future__ import annotations

from collections.abc import Iterator

from luthier.core.errors import Fault
from luthier.recipe.objective_sections import ClassificationObjective
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
    if objective.labels is not None:
        yield from _check_labels(objective, objective.labels)


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
