"""Trainings that come first: each is a run of its own, and its result, as a whole model, is the next one's base."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from luthier.core.artifact import Artifact
from luthier.core.files import atomic_folder
from luthier.core.hashing import fingerprint
from luthier.methods.full import save_whole_model
from luthier.models.chat_model import load_text_side
from luthier.models.load import load_trained
from luthier.pipeline.job import Job

_FOLDER = "whole"


@dataclass(frozen=True)
class WholeModel(Artifact):
    """A result without adapters, ready to be a base."""

    stage: ClassVar[str] = "whole"


def whole_model(job: Job) -> Path:
    """Return a folder that holds a job's result as a whole model; adapters are merged once.

    They are merged in float32 and saved in the type that the job computed in.
    """
    trained = job.trained
    if not (trained.folder / "adapter_config.json").is_file():
        return trained.folder
    folder = job.folder.path / _FOLDER
    digest = fingerprint(trained.fingerprint, str(job.dtype))
    if (found := WholeModel.load(folder)) and found.fingerprint == digest:
        return folder
    import torch

    job.events.emit("step", stage="train", name="merge")
    model, text_folder = load_trained(trained.folder, dtype=torch.float32, base_form="original")
    tokenizer, _ = load_text_side(text_folder)
    with atomic_folder(folder) as partial:
        save_whole_model(job.method.merge(model), partial, job.dtype)
        tokenizer.save_pretrained(partial)
    WholeModel(folder, digest).save()
    return folder


def told_of(job: Job) -> dict[str, Any]:
    """Return what the next run's receipt and report tell of a training that came before it."""
    trained, report = job.trained, job.report
    metrics = report.metrics if report else []
    return {
        "name": job.recipe.name,
        "run": job.folder.name,
        "objective": job.recipe.objective.name,
        "method": job.recipe.method.name,
        "rows_hash": job.dataset.content_hash,
        "train_examples": job.dataset.num_train,
        "steps": trained.step,
        "tokens": trained.num_tokens,
        "seconds": trained.seconds,
        "parameters": trained.num_trainable,
        "model_fingerprint": trained.fingerprint,
        "metrics": {m["metric"]: [m["base"]["value"], m["tuned"]["value"]] for m in metrics},
    }
