"""What each stage depends on and how it is called; `STAGES` is the order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luthier.core.artifact import Artifact
from luthier.core.hashing import fingerprint
from luthier.data.curate.stage import CuratedRows, Place, curate_each
from luthier.data.prepare import DatasetVersion, prepare, read_examples
from luthier.data.train_share import Share
from luthier.data.vocabulary.stage import Vocabulary, listed_terms, make_vocabulary
from luthier.evaluate.report import Report
from luthier.models.chat_model import stop_token_ids
from luthier.models.load import ResultRecord
from luthier.pipeline.evaluation import evaluate_fingerprint, make_report
from luthier.pipeline.job import Job
from luthier.pipeline.rows import DATA_MODELS, ENCODING_KEYS, rows_fingerprint
from luthier.pipeline.story import lineage, read_history
from luthier.plan.held_out import has_eval_rows
from luthier.plan.resolve import Plan
from luthier.registry.mlflow_registry import TrackedRun
from luthier.registry.stage import ModelVersion, register
from luthier.train.stage import TrainedModel, train


@dataclass(frozen=True)
class Stage:
    """One step of a run.

    Args:
        name: What people call it.
        folder: Its result's place below the run folder.
        artifact: The class of its result.
        applies: Whether the recipe asks for it.
        fingerprint: Hash of everything that determines the result; equal means skipped.
        make: Makes the result.
    """

    name: str
    folder: str
    artifact: type[Artifact]
    applies: Callable[[Plan], bool]
    fingerprint: Callable[[Job], str]
    make: Callable[[Job, str], Artifact]


def rows_digest(job: Job) -> str:
    """Return the hash of everything that a job's rows follow from."""
    digest = rows_fingerprint(job.recipe.data, job.recipe.seed, job.input_hashes["data"])
    return fingerprint(digest, job.text_hashes["tokenizer_hash"]) if _counts_tokens(job) else digest


def _counts_tokens(job: Job) -> bool:
    profile = job.recipe.data.profile
    return profile.enabled and profile.tokens


def _make_rows(job: Job, digest: str) -> CuratedRows:
    return curate_rows(job, digest, job.folder.path / "rows")


def curate_rows(job: Job, digest: str, folder: Path, *, is_stored: bool = True) -> CuratedRows:
    """Do the rows stage into a folder; no version of a data set is made unless ``is_stored``."""
    [made] = curate_places(job, [Place(job.recipe.data.eval, folder, digest)], is_stored=is_stored)
    return made


def curate_places(job: Job, places: Sequence[Place], *, is_stored: bool = True) -> list[CuratedRows]:
    """Clean the rows of a job once, and divide them in several ways; see `curate_rows`."""
    data = job.recipe.data
    return curate_each(
        data if is_stored else data.model_copy(update={"snapshot": None}),
        places,
        recipe_folder=job.plan.recipe_folder,
        seed=job.recipe.seed,
        models=DATA_MODELS,
        events=job.events,
        tokenizer=job.tokenizer if _counts_tokens(job) else None,
    )


def _vocabulary_fingerprint(job: Job) -> str:
    section = job.recipe.vocabulary
    assert section
    terms = [] if section.add_tokens == "auto" else listed_terms(section, job.plan.recipe_folder)
    what = section.model_dump(exclude={"init", "add_tokens"})
    return fingerprint(
        job.rows.fingerprint,
        what,
        section.add_tokens == "auto",
        terms,
        job.base_text.hashes["tokenizer_hash"],
    )


def _make_vocabulary(job: Job, digest: str) -> Vocabulary:
    return grow_vocabulary(job, digest, job.folder.path / "vocabulary")


def grow_vocabulary(job: Job, digest: str, folder: Path) -> Vocabulary:
    """Do the vocabulary stage into a folder, and tell its notices."""
    section = job.recipe.vocabulary
    assert section
    vocabulary = make_vocabulary(
        job.rows,
        job.base_text.tokenizer,
        section,
        num_base_rows=job.plan.base.vocab_size,
        recipe_folder=job.plan.recipe_folder,
        folder=folder,
        fingerprint=digest,
        events=job.events,
    )
    for notice in vocabulary.notices:
        job.events.emit("notice", message=notice)
    return vocabulary


def _data_fingerprint(job: Job) -> str:
    data = job.recipe.data.model_dump(include=ENCODING_KEYS)
    seed = job.recipe.seed if job.recipe.data.train_share else None
    return fingerprint(job.rows.fingerprint, data, seed, job.recipe.objective.model_dump(), job.text_hashes)


def _make_data(job: Job, digest: str) -> DatasetVersion:
    return prepare_data(job, digest, job.folder.path / "data")


def prepare_data(job: Job, digest: str, folder: Path) -> DatasetVersion:
    """Do the data stage into a folder, and tell its notices."""
    dataset = prepare(
        job.rows,
        job.objective.encoder,
        where=", ".join(source.path for source in job.recipe.data.train),
        folder=folder,
        fingerprint=digest,
        hashes=job.text_hashes,
        events=job.events,
        share=Share(job.recipe.data.train_share or 1.0, job.recipe.seed),
    )
    for notice in dataset.notices:
        job.events.emit("notice", message=notice)
    return dataset


def _train_fingerprint(job: Job) -> str:
    recipe = job.recipe
    # What changes only the telling or the keeping leaves the weights as they are.
    silent = {"logging_steps", "report_to", "disk_full_wait_minutes", "save_total_limit", "memory_budget_gb"}
    return fingerprint(
        job.dataset.fingerprint,
        recipe.model.model_dump(exclude={"base"}),
        recipe.method.model_dump(),
        recipe.vocabulary.init if recipe.vocabulary else None,
        recipe.train.model_dump(exclude=silent),
        recipe.seed,
        job.input_hashes["base"],
    )


def _make_model(job: Job, digest: str) -> TrainedModel:
    recipe = job.recipe
    return train(
        job.load_base,
        job.method,
        job.objective,
        read_examples(job.dataset, "train"),
        read_examples(job.dataset, "eval") if recipe.train.eval_strategy != "no" else (),
        recipe.train,
        tokenizer=job.tokenizer,
        stop_token_ids=() if job.objective.head else stop_token_ids(job.tokenizer, job.template),
        record=ResultRecord(
            base=_base_name(job),
            base_hash=job.input_hashes["base"],
            method=recipe.method.name,
            dtype=recipe.model.dtype,
            four_bit=vars(job.four_bit) if job.four_bit else None,
            objective={**recipe.objective.model_dump(), "max_length": recipe.data.max_length},
            **job.text_hashes,
        ),
        dtype=job.dtype,
        micro_batch_tokens=job.plan.micro_batch_tokens,
        num_trainable=job.trainable.num_trainable,
        seed=recipe.seed,
        fingerprint=digest,
        run_folder=job.folder.path,
        events=job.events,
    )


def _base_name(job: Job) -> str:
    """Return the base as every folder can find it: a path relative to the recipe becomes absolute."""
    if job.before:
        return str(job.plan.base.folder.resolve())
    base = job.recipe.model.base
    beside = job.plan.recipe_folder / base
    return str(beside.resolve()) if beside.exists() else base


def _register_fingerprint(job: Job) -> str:
    judged = job.report.fingerprint if job.report else job.trained.fingerprint
    assert job.recipe.register_
    return fingerprint(judged, job.recipe.register_.model_dump())


def _make_version(job: Job, digest: str) -> ModelVersion:
    section = job.recipe.register_
    assert section
    report = job.report
    metrics: dict[str, Any] = {}
    for metric in report.metrics if report else ():
        metrics[f"{metric['partner']}_{metric['metric']}"] = metric["base"]["value"]
        metrics[metric["metric"]] = metric["tuned"]["value"]
    for figure in report.figures if report else ():
        if figure["value"] is not None:
            metrics[figure["name"]] = figure["value"]["value"]
    records = [job.folder.path / name for name in ("recipe.yaml", "plan.json", "lock.json", "receipt.json")]
    reports = [report.folder / name for name in ("report.json", "report.html")] if report else []
    return register(
        section.name,
        section.alias,
        job.trained.folder,
        TrackedRun(
            run=job.folder.name,
            parameters=job.plan.values(),
            metrics=metrics,
            history=read_history(job.trained.folder),
            tags={f"luthier.{name}": value for name, value in lineage(job).items()},
            files=[path for path in (*records, *reports) if path.is_file()],
        ),
        tracking_uri=section.tracking_uri,
        folder=job.folder.path / "register",
        fingerprint=digest,
    )


STAGES: tuple[Stage, ...] = (
    Stage("rows", "rows", CuratedRows, lambda plan: True, rows_digest, _make_rows),
    Stage(
        "vocabulary",
        "vocabulary",
        Vocabulary,
        lambda plan: plan.recipe.vocabulary is not None,
        _vocabulary_fingerprint,
        _make_vocabulary,
    ),
    Stage("data", "data", DatasetVersion, lambda plan: True, _data_fingerprint, _make_data),
    Stage("train", "model", TrainedModel, lambda plan: True, _train_fingerprint, _make_model),
    Stage(
        "evaluate",
        "report",
        Report,
        lambda plan: has_eval_rows(plan.recipe),
        evaluate_fingerprint,
        make_report,
    ),
    Stage(
        "register",
        "register",
        ModelVersion,
        lambda plan: plan.recipe.register_ is not None,
        _register_fingerprint,
        _make_version,
    ),
)
