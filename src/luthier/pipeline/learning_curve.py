"""The learning curve over data size: a recipe trained on growing shares of its rows, and what more rows would bring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from luthier.core.events import Listener
from luthier.evaluate.fitting.power_law import Forecast, forecast
from luthier.evaluate.statistics import Interval
from luthier.pipeline.child_runs import child_recipe, do_child
from luthier.recipe.load import LoadedRecipe

_LEAST_DROP = 0.01


@dataclass(frozen=True)
class LearningCurve:
    """Held-out loss by number of training rows.

    Args:
        shares: Of the training rows, growing.
        num_train: Training rows of each.
        losses: Held-out loss of each, on the same rows.
        runs: Run folders.
        forecast: For twice the rows.
        verdict: In a sentence, for a person.
    """

    shares: list[float]
    num_train: list[int]
    losses: list[Interval]
    runs: list[str]
    forecast: Forecast
    verdict: str

    def as_json(self) -> dict[str, Any]:
        """Return it for programs."""
        return asdict(self)


def learning_curve(
    loaded: LoadedRecipe, shares: Sequence[float], *, listeners: tuple[Listener, ...] = ()
) -> LearningCurve:
    """Train a recipe on shares of its training rows, and fit a power law to the held-out losses.

    Args:
        loaded: The recipe.
        shares: From 0 to 1, three at least.
        listeners: Told about every event.

    Raises:
        DataError: Two shares have the same rows.
    """
    children = []
    has_answers = loaded.recipe.objective.is_chat and loaded.recipe.evaluate.num_generations
    for share in sorted(shares):
        changes = ["evaluate.num_generations=0", "evaluate.metrics=[perplexity]"] if has_answers else []
        changes += [f"data.train_share={share}"] if share < 1 else []
        children.append(do_child(child_recipe(loaded, f"share-{share * 100:g}", changes), listeners))
    rows = [child.num_train for child in children]
    losses = [child.interval("eval_loss") for child in children]
    recipe = loaded.recipe
    ahead = forecast(rows, losses, 2 * rows[-1], confidence=recipe.evaluate.confidence, seed=recipe.seed)
    return LearningCurve(
        sorted(shares), rows, losses, [str(child.folder) for child in children], ahead, verdict(ahead)
    )


def verdict(ahead: Forecast) -> str:
    """Return whether more rows help."""
    if not ahead.is_sound:
        return (
            f"the losses follow no power law: the curve misses one by {ahead.misfit:.0%}, so nothing is forecast. With "
            "as many epochs, fewer rows also train fewer steps: compare them at train.max_steps, or train more epochs"
        )
    drop = ahead.drop
    span = f"{drop.value:.1%} ({drop.low:.1%} to {drop.high:.1%})"
    if drop.low > _LEAST_DROP:
        return f"more rows help: twice as many are expected to lower the loss by {span}"
    if drop.high <= _LEAST_DROP:
        return f"more rows of this kind hardly help: twice as many lower the loss by {span}"
    return f"not sure whether more rows help: twice as many lower the loss by {span}"
