"""Gates that cannot take effect: on figures that nothing measures, against what is not there, demanding nothing."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from luthier.core.errors import Fault
from luthier.plan.evaluation import measured_metrics
from luthier.plan.examinations import measured_figures
from luthier.plan.held_out import has_eval_rows
from luthier.recipe.evaluate_sections.evaluate import EvaluateSection
from luthier.recipe.evaluate_sections.gate import Gate
from luthier.recipe.schema import Recipe


def check_gates(recipe: Recipe, written: Collection[str], folder: Path) -> Iterator[Fault]:
    """Yield the faults of ``gates:`` and of the champion that they name."""
    for index, gate in enumerate(recipe.gates):
        path = f"gates[{index}]"
        yield from _check_demands(gate, path)
        yield from _check_partner(recipe, gate, path)
        yield from _check_metric(recipe, gate, path, folder)
    asks = any(gate.relative_to == "champion" for gate in recipe.gates)
    if "register.champion_alias" in written and not asks:
        yield Fault("register.champion_alias", "has no effect: no gate is relative to the champion")


def _check_demands(gate: Gate, path: str) -> Iterator[Fault]:
    if (gate.relative_to is None) != (gate.better_by is None):
        present, absent = (
            ("better_by", "relative_to") if gate.relative_to is None else ("relative_to", "better_by")
        )
        yield Fault(f"{path}.{present}", f"has no effect without {absent}")
    if gate.better_by is None and gate.min is None and gate.max is None:
        yield Fault(path, "demands nothing", "add min, max, or relative_to with better_by")
    if gate.min is not None and gate.max is not None and gate.min > gate.max:
        yield Fault(path, f"can never pass: min {gate.min} is above max {gate.max}")


def _check_partner(recipe: Recipe, gate: Gate, path: str) -> Iterator[Fault]:
    if "without_champion" in gate.model_fields_set and gate.relative_to != "champion":
        problem = "has no effect: the gate is not relative to the champion"
        yield Fault(f"{path}.without_champion", problem, "relative_to: champion")
    if gate.relative_to is None:
        return
    is_figure = _is_figure(gate.metric)
    if gate.relative_to == "champion":
        if recipe.register_ is None:
            problem = "champion: no registered model is named"
            yield Fault(f"{path}.relative_to", problem, "register: {name: NAME}")
        return
    partner = "base" if is_figure or not recipe.objective.has_head else "baseline"
    if gate.relative_to != partner:
        why = "there is no such baseline" if partner == "base" else "the base's head is random"
        yield Fault(f"{path}.relative_to", f"{gate.relative_to}: {why}", f"relative_to: {partner}")
    elif is_figure and recipe.objective.has_head:
        problem = "base: the base's head is random, so it was not examined"
        yield Fault(f"{path}.relative_to", problem, "min or max")


def _check_metric(recipe: Recipe, gate: Gate, path: str, folder: Path) -> Iterator[Fault]:
    if not has_eval_rows(recipe):
        yield Fault(f"{path}.metric", f"{gate.metric} needs held-out rows", "data.eval.split: 0.1")
        return
    metrics, figures = measured_metrics(recipe), measured_figures(recipe, folder)
    if gate.figure in metrics or any(fnmatchcase(gate.figure, known) for known in figures):
        return
    by_task = any(measured.endswith(f".{gate.metric}") for measured in metrics)
    if by_task and not gate.task:
        cure = "name the task: it is measured task by task"
    else:
        cure = _nearest(gate.metric, [*sorted(metrics), *figures])
    problem = f"{gate.metric} is not measured by this recipe's evaluate section"
    examination = gate.metric.partition(".")[0]
    if _is_figure(gate.metric) and examination not in recipe.evaluate.examinations:
        cure = f"ask for it: `evaluate: {{{examination}: …}}`"
    yield Fault(f"{path}.metric", problem, cure)


def _nearest(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.55)
    return f"did you mean `{near[0]}`?" if near else f"measured: {', '.join(known) or 'nothing'}"


def _is_figure(metric: str) -> bool:
    """Whether a name is that of an examination's figure; metrics of tasks have dots, too, but are named by `task`."""
    first, dot, _ = metric.partition(".")
    return bool(dot) and first in EvaluateSection.model_fields
