"""What `luthier plan` tells: stages, label budget, and what training will take on this machine."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luthier.core.events import Listener
from luthier.core.files import read_json
from luthier.core.home import cache_folder
from luthier.data.prepare import DatasetVersion, read_examples
from luthier.kernels.patch import Part
from luthier.pipeline.job import Job, open_job
from luthier.pipeline.run import cached_stages
from luthier.pipeline.stages import curate_rows, grow_vocabulary, prepare_data
from luthier.plan.four_bit import bytes_saved
from luthier.plan.optimizers import trained_bytes
from luthier.plan.resolve import Plan
from luthier.plan.trainable import Trainable
from luthier.train.batches import StepPlan
from luthier.train.forecast import (
    Forecast,
    ModelSize,
    count_due,
    forecast_training,
    typical_micro_batch,
)
from luthier.train.probe import probe_cost
from luthier.train.stage import prepare_model


@dataclass(frozen=True)
class Explanation:
    """What a run would do.

    Args:
        run_folder: Where its results would go.
        stages: ``cached`` or ``to do``, by stage.
        budget: The label budget.
        forecast: Of training; None where its result exists.
        trainable: What trains, with the task's head; None where training is done.
        fast_path: Parts of the model that have a fast path; empty without a forecast.
        plain_path: Parts that have none, each with the reason.
    """

    run_folder: Path
    stages: dict[str, str]
    budget: dict[str, Any]
    forecast: Forecast | None
    trainable: Trainable | None
    fast_path: list[str]
    plain_path: list[str]


def explain(plan: Plan, listeners: tuple[Listener, ...] = ()) -> Explanation:
    """Read the data, probe the machine, and leave nothing behind.

    Args:
        plan: From `luthier.pipeline.run.make_plan`.
        listeners: Told about the progress and about notices.

    Raises:
        LuthierError: What a run would refuse too: data or template that cannot be trained.
    """
    job = open_job(plan, listeners, is_recorded=False)
    stages = cached_stages(job)
    if stages["data"] == "cached":
        return _explain(job, stages, job.dataset)
    with tempfile.TemporaryDirectory(prefix="luthier-plan-") as scratch:
        if stages["rows"] != "cached":
            job.artifacts["rows"] = curate_rows(job, "plan", Path(scratch) / "rows", is_stored=False)
        if stages.get("vocabulary") == "to do":
            job.artifacts["vocabulary"] = grow_vocabulary(job, "plan", Path(scratch) / "vocabulary")
        return _explain(job, stages, prepare_data(job, "plan", Path(scratch) / "data"))


def _explain(job: Job, stages: dict[str, str], dataset: DatasetVersion) -> Explanation:
    budget = read_json(dataset.folder / "label_budget.json")
    forecast: Forecast | None = None
    parts: list[Part] = []
    if stages["train"] == "to do":
        forecast, parts = _forecast(job, dataset, eval_tokens=budget["splits"]["eval"]["tokens"])
    return Explanation(
        job.folder.path,
        stages,
        budget,
        forecast,
        job.trainable if forecast else None,
        [part.name for part in parts if not part.num_plain],
        [f"{part.name}: {part.reason}" for part in parts if part.num_plain],
    )


def _forecast(job: Job, dataset: DatasetVersion, *, eval_tokens: int) -> tuple[Forecast, list[Part]]:
    plan, settings = job.plan, job.recipe.train
    rows = read_examples(dataset, "train")
    steps = StepPlan(
        rows, job.objective, settings, micro_batch_tokens=plan.micro_batch_tokens, seed=job.recipe.seed
    )
    parts: list[Part] = []

    def prepare(model: Any) -> None:
        parts[:] = prepare_model(model, settings, job.dtype)

    cost = probe_cost(
        plan.base.folder,
        job.method,
        job.objective,
        [rows[number] for number in typical_micro_batch(steps)],
        settings,
        prepare=prepare,
        dtype=job.dtype,
        num_layers=plan.base.num_layers,
        scratch=cache_folder(),
        four_bit=job.four_bit,
    )
    size = ModelSize(
        job.trainable.num_total,
        job.trainable.num_trainable,
        job.dtype.itemsize,
        trained_bytes(plan.recipe.train),
        bytes_saved(plan.recipe.model, plan.base),
    )
    forecast = forecast_training(
        cost,
        steps,
        eval_tokens,
        size,
        num_evaluations=count_due(steps, settings.eval_strategy, settings.eval_steps),
        num_checkpoints=count_due(steps, settings.save_strategy, settings.save_steps),
    )
    return forecast, parts
