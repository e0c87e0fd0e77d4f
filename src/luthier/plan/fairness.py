"""What cannot take effect in the examination of fairness, given what the model is for."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from luthier.core.errors import Fault
from luthier.recipe.evaluate_sections.fairness import QUALITY_FIGURES, RATE_FIGURES
from luthier.recipe.objective_sections import ClassificationObjective
from luthier.recipe.schema import Recipe

_OWN_FIELDS = ("label", "group", "source", "task")


def check_fairness(recipe: Recipe, written: Collection[str]) -> Iterator[Fault]:
    """Yield the faults of ``evaluate.fairness`` beside the objective, the sources and the gates."""
    section, objective = recipe.evaluate.fairness, recipe.objective
    assert section is not None
    path = "evaluate.fairness"
    is_classifier = isinstance(objective, ClassificationObjective)
    if section.groups and is_classifier:
        labels = objective.labels if isinstance(objective, ClassificationObjective) else None
        if section.positive is None:
            yield Fault(f"{path}.positive", "is missing: whose rates are compared?", "positive: LABEL")
        elif labels is not None and section.positive not in labels:
            problem = f"{section.positive!r} is none of objective.labels"
            yield Fault(f"{path}.positive", problem, f"the labels: {', '.join(labels[:20])}")
    if section.positive is not None and not is_classifier:
        problem = "has no effect: the objective predicts no classes"
        yield Fault(f"{path}.positive", problem, "leave it out: groups are compared by loss")
    if objective.has_head:
        for key in ("templates", "crows_pairs", "bbq"):
            if getattr(section, key):
                problem = "is for language models: a task's head gives no sentence a probability"
                yield Fault(f"{path}.{key}", problem, "groups and swaps examine classifiers")
    if objective.has_head and not is_classifier:
        for key in ("swaps", "swap_words"):
            if getattr(section, key):
                yield Fault(f"{path}.{key}", "words are swapped for classifiers and language models only")
    sources = (*recipe.data.train, *recipe.data.eval.sources)
    kept = {name for source in sources for name in source.attributes}
    for number, field in enumerate(section.groups):
        if field not in _OWN_FIELDS and field not in kept:
            problem = f"no source keeps the column {field!r} with its rows"
            yield Fault(f"{path}.groups[{number}]", problem, f"attributes: [{field}] in the sources")
    yield from _check_gates(recipe, is_classifier=is_classifier)


def _check_gates(recipe: Recipe, *, is_classifier: bool) -> Iterator[Fault]:
    """Refuse gates on figures that this kind of model does not have."""
    absent = QUALITY_FIGURES if is_classifier else RATE_FIGURES
    for number, gate in enumerate(recipe.gates):
        name = gate.metric.rpartition(".")[2]
        lacks_flips = gate.metric == "fairness.swaps.flip_rate" and not is_classifier
        if not gate.metric.startswith("fairness.") or not (name in absent or lacks_flips):
            continue
        cure = (
            "accuracy_difference, or a criterion such as equal_opportunity_difference"
            if is_classifier
            else "fairness.swaps.change"
            if lacks_flips
            else "loss_difference"
        )
        yield Fault(f"gates[{number}].metric", f"{gate.metric} is not measured of such a model", cure)
