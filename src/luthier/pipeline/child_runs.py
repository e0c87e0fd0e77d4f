"""Child runs: a recipe done several times with some values changed, each in a run folder of its own.

Stages that are equal are taken from each other and from earlier runs, so that an interrupted series goes on where it
stopped when the same command is given again.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luthier.core.errors import RecipeError
from luthier.core.events import Listener
from luthier.data.curate.stage import CuratedRows, Place
from luthier.evaluate.statistics import Interval
from luthier.pipeline.job import open_job
from luthier.pipeline.run import announce, begin, make_plan, run
from luthier.pipeline.stages import curate_places, rows_digest
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


def child_recipe(loaded: LoadedRecipe, suffix: str, changes: Sequence[str]) -> LoadedRecipe:
    """Return a recipe with some values changed; it has no gates, no examinations, and keeps nothing beside its run.

    Args:
        loaded: The recipe.
        suffix: Of the run's name.
        changes: ``section.key=value`` strings.
    """
    recipe = loaded.recipe
    own = [f"name={recipe.name[: 63 - len(suffix)]}.{suffix}"]
    own += ["gates=[]"] if recipe.gates else []
    own += ["register=null"] if recipe.register_ else []
    own += ["data.snapshot=null"] if recipe.data.snapshot else []
    own += [f"evaluate.{name}=null" for name in recipe.evaluate.examinations]
    return parse(
        loaded.text,
        [*loaded.overrides, *own, *changes],
        folder=loaded.folder,
        source=f"{recipe.name}.{suffix}",
    )


def clean_once(children: Sequence[LoadedRecipe], listeners: tuple[Listener, ...]) -> None:
    """Make the rows of recipes that differ in how they divide them: read and cleaned once, divided for each.

    Rows that an earlier call made are left as they are.

    Args:
        children: From `child_recipe`.
        listeners: Told about every event.
    """
    plans = [make_plan(child) for child in children]
    if any(plan.before for plan in plans):
        return  # their rows follow from trainings that come first; each run makes its own
    jobs = [open_job(plan, listeners) for plan in plans]
    with ExitStack() as stack:
        places = []
        for job in jobs:
            stack.enter_context(job.folder.exclusive())
            folder, digest = job.folder.path / "rows", rows_digest(job)
            made = CuratedRows.load(folder)
            if made is None or made.fingerprint != digest:
                begin(job)
                places.append(Place(job.recipe.data.eval, folder, digest))
        if len(places) > 1:
            curate_places(jobs[0], places)


def do_child(child: LoadedRecipe, listeners: tuple[Listener, ...]) -> Child:
    """Do a recipe up to its report.

    Args:
        child: From `child_recipe`.
        listeners: Told about every event.

    Raises:
        LuthierError: As `luthier.pipeline.run.run`.
    """
    plan = make_plan(child)
    announce(plan, listeners)
    job = run(plan, until="evaluate", listeners=listeners)
    if job.report is None:
        raise RecipeError([], source="no rows are held out")
    return Child(job.folder.path, job.dataset.num_train, job.dataset.num_eval, job.report.metrics)
