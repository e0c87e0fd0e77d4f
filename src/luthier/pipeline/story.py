"""What a run tells about itself: the report's facts, the receipt, the lineage, the summary of a run folder."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from luthier.core.files import read_json
from luthier.core.run_folder import RunFolder
from luthier.data.prepare import DatasetVersion
from luthier.evaluate.report import Report
from luthier.models.heads import saved_head
from luthier.pipeline.job import Job
from luthier.plan.lock import lock_facts
from luthier.registry.stage import ModelVersion
from luthier.train.stage import HISTORY_FILE, TrainedModel


def read_history(model_folder: Path) -> list[dict[str, Any]]:
    """Return the logged steps and evaluations that made a model."""
    history: list[dict[str, Any]] = read_json(model_folder / HISTORY_FILE)
    return history


def lineage(job: Job) -> dict[str, str]:
    """Return the hashes of everything that the model came from."""
    return {
        "base": job.recipe.model.base,
        "base_hash": job.input_hashes["base"],
        "data_hash": job.input_hashes["data"],
        "rows_hash": job.dataset.content_hash,
        **{name: value for name, value in job.text_hashes.items() if value},
        "model_fingerprint": job.trained.fingerprint,
    }


def story_of(job: Job) -> dict[str, Any]:
    """Return the facts that the report tells besides its measurements."""
    trained, recipe = job.trained, job.recipe
    lock = lock_facts(job.plan, {})
    packages = ", ".join(f"{name} {version}" for name, version in lock["packages"].items())
    return {
        "run": {
            "name": recipe.name,
            "id": job.folder.name,
            "objective": recipe.objective.name,
            "method": recipe.method.name,
            "base": recipe.model.base,
            "finished": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        },
        "training": {
            "steps": trained.step,
            "parameters": trained.num_trainable,
            "total_parameters": job.trainable.num_total,
            "tokens": trained.num_tokens,
            "supervised_tokens": trained.num_items,
            "seconds": trained.seconds,
            "tokens_per_second": trained.tokens_per_second,
            "tensors_moved": trained.tensors_moved[0],
            "tensors_trained": trained.tensors_moved[1],
        },
        "data": {
            **read_json(job.dataset.folder / "label_budget.json"),
            "eval_examples": job.dataset.num_eval,
        },
        "before": list(job.before),
        "vocabulary": {"num_added": job.vocabulary.num_added, "fertility": job.vocabulary.fertility}
        if job.vocabulary
        else None,
        "history": read_history(trained.folder),
        "made_with": {
            "Luthier": lock["luthier"],
            "Packages": packages,
            "Machine": f"{lock['hardware']['name']}, {lock['hardware']['cores']} cores",
            "Computation": recipe.model.dtype,
            "Seed": str(recipe.seed),
            **lineage(job),
        },
    }


def proofs_of(job: Job) -> dict[str, Any]:
    """Return what was proved so far, for ``receipt.json``."""
    proofs: dict[str, Any] = {"before": list(job.before)} if job.before else {}
    if "data" in job.artifacts:
        dataset = job.dataset
        proofs["data"] = {
            "rows_hash": dataset.content_hash,
            "train_examples": dataset.num_train,
            "eval_examples": dataset.num_eval,
            "left_out": dataset.num_rejected,
            "supervised_tokens": dataset.num_supervised,
        }
    if vocabulary := job.vocabulary:
        proofs["vocabulary"] = {
            "tokens_added": vocabulary.num_added,
            "embedding_rows": vocabulary.num_rows,
            "left_out": vocabulary.skipped,
            "fertility": vocabulary.fertility,
            "tokenizer_hash": job.text_hashes["tokenizer_hash"],
        }
    if "train" in job.artifacts:
        trained = job.trained
        proofs["train"] = {
            "tensors_moved": trained.tensors_moved[0],
            "tensors_trained": trained.tensors_moved[1],
            "frozen_weights_unchanged": trained.frozen_unchanged,
            "trained_parameters": trained.num_trainable,
        }
    if job.report:
        proofs["evaluate"] = {**job.report.proofs, "gates": job.report.gates, "passed": job.report.passed}
    if version := job.artifacts.get("register"):
        proofs["register"] = version.as_json()
    return proofs


def summarize(folder: RunFolder) -> dict[str, Any]:
    """Return what a run folder holds, in figures; parts that are not done are absent."""
    summary: dict[str, Any] = {"run": str(folder.path)}
    path = folder.path
    if before := folder.receipt().get("before"):
        summary["before"] = before
    if data := DatasetVersion.load(path / "data"):
        summary["data"] = {
            "train": data.num_train,
            "eval": data.num_eval,
            "rejected": data.num_rejected,
            "supervised_tokens": data.num_supervised,
        }
    if model := TrainedModel.load(path / "model"):
        summary["train"] = {
            "parameters": model.num_trainable,
            "steps": model.num_steps,
            "step": model.step,
            "seconds": model.seconds,
            "tokens_per_second": model.tokens_per_second,
            "eval_loss": model.eval_loss,
            "folder": str(path / "model"),
        }
        summary["next"] = "chat" if saved_head(path / "model") is None else "predict"
    if report := Report.load(path / "report"):
        summary["metrics"] = report.metrics
        summary["figures"] = report.figures
        summary["findings"] = report.findings
        summary["gates"] = report.gates
        summary["passed"] = report.passed
        summary["report"] = str(path / "report" / "report.html")
        if generations := read_json(path / "report" / "report.json")["generations"]:
            summary["example"] = generations[0]
    if version := ModelVersion.load(path / "register"):
        summary["registered"] = version.as_json()
    return summary
