"""What each stage depends on and how it is called; `STAGES` is the order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luthier.core.artifact import Artifact
from luthier.core.hashing import fingerprint
from luthier.data.curate.stage import CuratedRows, curate
from luthier.data.example import Rejection
from luthier.data.full_blocks import FillingEncoder
from luthier.data.prepare import DatasetVersion, prepare, read_examples, read_samples
from luthier.data.vocabulary.stage import Vocabulary, listed_terms, make_vocabulary
from luthier.evaluate.examination import HeldOut
from luthier.evaluate.same_text import BaseSide
from luthier.evaluate.stage import Report, evaluate
from luthier.evaluate.task import evaluate_task
from luthier.models.chat_model import stop_token_ids
from luthier.models.load import ResultRecord
from luthier.pipeline.job import Job
from luthier.pipeline.rows import DATA_MODELS, ENCODING_KEYS, rows_fingerprint
from luthier.pipeline.story import lineage, read_history, story_of
from luthier.plan.checks import has_eval_rows
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


def _rows_fingerprint(job: Job) -> str:
    digest = rows_fingerprint(job.recipe.data, job.recipe.seed, job.input_hashes["data"])
    return fingerprint(digest, job.text_hashes["tokenizer_hash"]) if _counts_tokens(job) else digest


def _counts_tokens(job: Job) -> bool:
    profile = job.recipe.data.profile
    return profile.enabled and profile.tokens


def _make_rows(job: Job, digest: str) -> CuratedRows:
    return curate_rows(job, digest, job.folder.path / "rows")


def curate_rows(job: Job, digest: str, folder: Path, *, is_stored: bool = True) -> CuratedRows:
    """Do the rows stage into a folder; no version of a data set is made unless ``is_stored``."""
    data = job.recipe.data
    return curate(
        data if is_stored else data.model_copy(update={"snapshot": None}),
        folder=folder,
        recipe_folder=job.plan.recipe_folder,
        seed=job.recipe.seed,
        fingerprint=digest,
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
    return fingerprint(job.rows.fingerprint, data, job.recipe.objective.model_dump(), job.text_hashes)


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


def _evaluate_fingerprint(job: Job) -> str:
    recipe = job.recipe
    gates = [gate.model_dump() for gate in recipe.gates]
    return fingerprint(job.trained.fingerprint, recipe.evaluate.model_dump(), gates, recipe.seed)


def _make_report(job: Job, digest: str) -> Report:
    recipe = job.recipe
    if job.objective.evaluator is not None:
        return _make_task_report(job, digest)
    is_chat = job.template is not None
    return evaluate(
        job.load_base,
        job.trained.folder,
        HeldOut(read_examples(job.dataset, "eval"), read_samples(job.dataset, "eval") if is_chat else ()),
        job.objective,
        recipe.evaluate,
        recipe.gates,
        method=job.method,
        loss_on=getattr(recipe.objective, "loss_on", "all"),
        tokenizer=job.tokenizer,
        template=job.template,
        dtype=job.dtype,
        max_positions=job.plan.base.max_positions,
        trained_loss=job.trained.eval_loss,
        story=story_of(job),
        seed=recipe.seed,
        folder=job.folder.path / "report",
        fingerprint=digest,
        events=job.events,
        base_side=_base_side(job) if job.vocabulary else None,
    )


def _base_side(job: Job) -> BaseSide:
    """Return the held-out rows as the base reads them, whose vocabulary is another one."""
    text = job.base_text
    encoder = text.objective.encoder
    if isinstance(encoder, FillingEncoder):
        encoder = encoder.by_row
    encoded = (encoder(sample) for sample in read_samples(job.dataset, "eval"))
    rows = [example for result in encoded if not isinstance(result, Rejection) for example in result]
    return BaseSide(text.objective, rows, text.tokenizer, text.template)


def _make_task_report(job: Job, digest: str) -> Report:
    evaluator = job.objective.evaluator
    assert evaluator is not None
    return evaluate_task(
        job.trained.folder,
        HeldOut(read_examples(job.dataset, "eval"), read_samples(job.dataset, "eval")),
        evaluator,
        job.recipe.evaluate,
        job.recipe.gates,
        method=job.method,
        dtype=job.dtype,
        trained_loss=job.trained.eval_loss,
        story=story_of(job),
        seed=job.recipe.seed,
        folder=job.folder.path / "report",
        fingerprint=digest,
        events=job.events,
    )


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
    Stage("rows", "rows", CuratedRows, lambda plan: True, _rows_fingerprint, _make_rows),
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
        _evaluate_fingerprint,
        _make_report,
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
