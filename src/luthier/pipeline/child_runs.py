"""Child runs: a recipe done several times with some values changed, each in a run folder of its own.

Stages that are equal are taken from each other and from earlier runs, so that an interrupted series goes on where it
stopped when the same command is given again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luthier.core.errors import RecipeError
from luthier.core.events import Listener
from luthier.evaluate.statistics import Interval
from luthier.pipeline.run import make_plan, run
from luthier.recipe.load import LoadedRecipe, parse


@dataclass(frozen=True)
class Child:
    """A run of a series.

    Args:
        folder: Its run folder.
        num_train: Training rows.
        num_eval: Held-out rows.
        metrics: Of its report.
    """

    folder: Path
    num_train: int
    num_eval: int
    metrics: Sequence[dict[str, Any]]

    def metric(self, name: str) -> dict[str, Any]:
        """Return a metric of the report."""
        return next(each for each in self.metrics if each["metric"] == name)

    def interval(self, name: str) -> Interval:
        """Return the model's value of a metric."""
        return Interval(**self.metric(name)["tuned"])


def do_child(
    loaded: LoadedRecipe, suffix: str, changes: Sequence[str], listeners: tuple[Listener, ...]
) -> Child:
    """Do a recipe with some values changed; it has no gates, no examinations, and registers nothing.

    Args:
        loaded: The recipe.
        suffix: Of the run's name.
        changes: ``section.key=value`` strings.
        listeners: Told about every event.

    Raises:
        LuthierError: As `luthier.pipeline.run.run`.
    """
    recipe = loaded.recipe
    own = [f"name={recipe.name[: 63 - len(suffix)]}.{suffix}"]
    own += ["gates=[]"] if recipe.gates else []
    own += ["register=null"] if recipe.register_ else []
    own += [f"evaluate.{name}=null" for name in recipe.evaluate.examinations]
    child = parse(
        loaded.text,
        [*loaded.overrides, *own, *changes],
        folder=loaded.folder,
        source=f"{recipe.name}.{suffix}",
    )
    job = run(make_plan(child), until="evaluate", listeners=listeners)
    if job.report is None:
        raise RecipeError([], source="no rows are held out")
    return Child(job.folder.path, job.dataset.num_train, job.dataset.num_eval, job.report.metrics)
