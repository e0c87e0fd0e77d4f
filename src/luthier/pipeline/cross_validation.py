"""Cross-validation: a recipe trained once for each fold, and its metrics with an interval over the folds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from luthier.core.events import Listener
from luthier.evaluate.generalization.folds import fold_interval, fold_p_value
from luthier.evaluate.statistics import Interval
from luthier.pipeline.child_runs import Child, child_recipe, clean_once, do_child
from luthier.recipe.load import LoadedRecipe

_NEVER = 1_000_000
"""Evaluations without improvement: an early end is put off for good, whatever else the recipe says of it."""


@dataclass(frozen=True)
class FoldMetric:
    """A metric over all folds.

    Args:
        metric: Its name.
        lower_is_better: Direction.
        values: Of each fold.
        mean: With the corrected interval.
        partner: What it is compared with: ``base`` or ``baseline``.
        difference: Mean difference to that; None where it stands alone.
        p_value: That there is none.
    """

    metric: str
    lower_is_better: bool
    values: list[float]
    mean: Interval
    partner: str
    difference: Interval | None
    p_value: float | None


@dataclass(frozen=True)
class CrossValidation:
    """What the folds say together.

    Args:
        metrics: Each metric over all folds.
        runs: Run folders, by fold.
        num_train: Training rows of each fold.
        num_eval: Held-out rows of each fold.
        confidence: Coverage of the intervals.
    """

    metrics: list[FoldMetric]
    runs: list[str]
    num_train: list[int]
    num_eval: list[int]
    confidence: float

    def as_json(self) -> dict[str, Any]:
        """Return it for programs."""
        return asdict(self)


def cross_validate(
    loaded: LoadedRecipe, folds: int, *, listeners: tuple[Listener, ...] = ()
) -> CrossValidation:
    """Train a recipe on all folds but one, once for each, and measure it on that one.

    The held-out fold chooses nothing: neither a checkpoint nor an early end, which would make it look better.

    Args:
        loaded: The recipe; however it holds rows out, the folds take that place.
        folds: Their number.
        listeners: Told about every event.

    Raises:
        DataError: The rows cannot be divided into so many folds.
    """
    recipes = [
        child_recipe(loaded, f"fold-{fold}", _changes(loaded, folds, fold)) for fold in range(1, folds + 1)
    ]
    clean_once(recipes, listeners)
    children = [do_child(recipe, listeners) for recipe in recipes]
    share = sum(c.num_eval for c in children) / sum(c.num_train for c in children)
    confidence = loaded.recipe.evaluate.confidence
    return CrossValidation(
        [_over_folds(children, metric, share, confidence) for metric in children[0].metrics],
        [str(child.folder) for child in children],
        [child.num_train for child in children],
        [child.num_eval for child in children],
        confidence,
    )


def _changes(loaded: LoadedRecipe, folds: int, fold: int) -> list[str]:
    recipe, evaluation = loaded.recipe, loaded.recipe.data.eval
    parts = [f"folds: {{folds: {folds}, hold_out: {fold}}}"]
    parts += [f"group_by: '{evaluation.group_by}'"] if evaluation.group_by else []
    parts += ["near_duplicates: together"] if evaluation.near_duplicates == "together" else []
    changes = [f"data.eval={{{', '.join(parts)}}}"]
    if recipe.train.eval_strategy != "no":
        changes.append("train.load_best_model_at_end=false")
    if recipe.train.early_stopping_patience is not None:
        changes.append(f"train.early_stopping_patience={_NEVER}")
    return changes


def _over_folds(children: list[Child], metric: dict[str, Any], share: float, confidence: float) -> FoldMetric:
    name = metric["metric"]
    found = [child.metric(name) for child in children]
    values = [float(each["tuned"]["value"]) for each in found]
    difference, p_value = None, None
    if all(each["base"] is not None for each in found):
        differences = [value - each["base"]["value"] for value, each in zip(values, found, strict=True)]
        difference = fold_interval(differences, share, confidence)
        p_value = fold_p_value(differences, share)
    return FoldMetric(
        name,
        metric["lower_is_better"],
        values,
        fold_interval(values, share, confidence),
        metric["partner"],
        difference,
        p_value,
    )
