"""Evaluate a model that is there: a run's result or one that was made anywhere, on its own rows or on others."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from luthier import __version__
from luthier.core.errors import LuthierError
from luthier.core.events import EventLog, Listener
from luthier.core.files import read_json
from luthier.core.hashing import fingerprint
from luthier.core.run_folder import RunFolder
from luthier.data.sample import Sample
from luthier.evaluate.asked import Partner
from luthier.evaluate.examination import HeldOut, Subject
from luthier.evaluate.report import Report
from luthier.evaluate.shelf import Shelf
from luthier.evaluate.statistics import Resampling
from luthier.models.heads import saved_head
from luthier.models.load import (
    ResultRecord,
    base_of_adapter,
    is_adapter,
    load_model,
    locate_base,
    weights_hash,
)
from luthier.pipeline.evaluation import asked_hash, base_of, judge, shelved, subject_of
from luthier.pipeline.foreign_model import check_labels, foreign_job, objective_of, recall_classes
from luthier.pipeline.held_out import ReadRows, encode_rows, read_rows
from luthier.pipeline.job import Job
from luthier.pipeline.partner import partner_of
from luthier.pipeline.run import gates_or_raise, make_plan
from luthier.pipeline.stages import STAGES
from luthier.pipeline.story import story_of
from luthier.plan.resolve import rebased
from luthier.recipe.evaluation import evaluation_recipe
from luthier.recipe.load import load_run
from luthier.recipe.source_section import Source

_CHANGEABLE = ("evaluate", "gates", "register")
"""What `--set` may change of a run's own recipe: the rest made the model."""


@dataclass(frozen=True)
class Request:
    """What is to be evaluated.

    Args:
        folder: Of the model.
        name: Of the model, for people.
        out: Gets the report.
        run: Folder of the run that made it, by whose own recipe it is judged; None judges by ``recipe``.
        recipe: A YAML file with rows, evaluation and gates; None takes what the model tells.
        held_out: Sources that replace the held-out rows.
        against: Folder and name of another model to compare with; None compares with the base where it is known.
        overrides: ``--set`` strings.
    """

    folder: Path
    name: str
    out: Path
    run: Path | None = None
    recipe: Path | None = None
    held_out: tuple[Source, ...] = ()
    against: tuple[Path, str] | None = None
    overrides: tuple[str, ...] = ()


def evaluate_model(request: Request, listeners: Sequence[Listener] = ()) -> Report:
    """Evaluate a model and write its report.

    Raises:
        GateFailedError: A gate failed; the report is written.
        LuthierError: Any other fault that the user can mend.
    """
    if request.out.exists() and not (request.out / "report.json").is_file():
        raise LuthierError(
            "exists and is no report", where=str(request.out), cure="name a new folder: --out DIR"
        )
    events = EventLog(None)
    for listener in listeners:
        events.listen(listener)
    is_own = request.run is not None and request.recipe is None
    report = _of_run(request, events) if is_own else _of_model(request, events)
    gates_or_raise(report)
    return report


def _of_run(request: Request, events: EventLog) -> Report:
    """Judge a run's result by its own recipe."""
    assert request.run is not None
    job = _finished_job(request.run, request.overrides, events)
    read = _rows_of(job, request.held_out) if request.held_out else None
    subject = subject_of(job, read.held_out if read else None)
    partner = _partner(job, request, subject.held_out.samples) or base_of(job, subject)
    story = story_of(job)
    if read:
        story = {**story, "data": {**story["data"], **read.told()}}
        if request.against is None and job.vocabulary is not None:
            raise LuthierError(
                "the base reads other rows with another vocabulary",
                where=str(request.run),
                cure="leave --data out, or name a model: --against",
            )
    return judge(
        job,
        subject,
        job.trained.folder,
        partner,
        story=story,
        folder=request.out,
        digest=fingerprint(job.trained.fingerprint, asked_hash(job), read.content if read else None),
        method=None if read else job.method,
        trained_loss=None if read else job.trained.eval_loss,
    )


def _finished_job(run: Path, overrides: Sequence[str], events: EventLog) -> Job:
    """Return a run's job with what its stages made; only what is asked of the model may be another."""
    for override in overrides:
        if override.partition("=")[0].partition(".")[0].strip() not in _CHANGEABLE:
            raise LuthierError(
                f"--set {override} would be another model",
                where=str(run),
                cure=f"change {', '.join(_CHANGEABLE)}; other rows: --data FILE",
            )
    plan = make_plan(load_run(run, overrides))
    if plan.before:
        plan = rebased(plan, Path(read_json(run / "plan.json")["base"]["folder"]))
    job = Job(plan, RunFolder(run.resolve()), events, dict(read_json(run / "lock.json")["hashes"]))
    for stage in STAGES:
        if stage.name in ("evaluate", "register") or not stage.applies(plan):
            continue
        made = stage.artifact.load(job.folder.path / stage.folder)
        if made is None:
            cure = f"finish it: luthier run --resume {run}"
            raise LuthierError(f"the run has no result of stage {stage.name} yet", where=str(run), cure=cure)
        job.artifacts[stage.name] = made
    return job


def _of_model(request: Request, events: EventLog) -> Report:
    """Judge any model by the recipe of the evaluation."""
    folder, record = request.folder, ResultRecord.load(request.folder)
    model = {"base": str(folder), **({"dtype": record.dtype} if record else {})}
    recipe = evaluation_recipe(
        request.recipe.read_text(encoding="utf-8") if request.recipe else "",
        request.overrides,
        defaults={"name": "evaluation", "model": model, "objective": objective_of(folder)},
        held_out=[source.model_dump(by_alias=True, exclude_defaults=True) for source in request.held_out],
        folder=request.recipe.resolve().parent if request.recipe else Path.cwd(),
        source=str(request.recipe or "the command line"),
    )
    if recipe.unread:
        message = f"{', '.join(recipe.unread)}: read by training only"
        events.emit("notice", message=message)
    job = foreign_job(recipe.loaded, folder, request.out, events)
    read = _rows_of(job, job.recipe.data.eval.sources)
    trained = None
    if recipe.names_trained and job.recipe.evaluate.examinations:
        trained = encode_rows(
            read_rows(job.recipe.data.train, job.plan.recipe_folder), job.objective, "train"
        )
    subject = _subject(job, folder, read.held_out, trained.held_out if trained else None)
    partner = _partner(job, request, read.held_out.samples)
    if partner is None and (partner := _base_partner(job, folder, read)) and subject.load_base:
        partner = replace(partner, load=subject.load_base)
    return judge(
        job,
        subject,
        folder,
        partner,
        story={
            "run": {
                "name": request.name,
                "id": "",
                "objective": job.recipe.objective.name,
                "method": record.method if record else "",
                "base": str(request.folder),
                "finished": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
            },
            "data": read.told(),
            "made_with": {"Luthier": __version__, "Weights": weights_hash(folder), "Rows": read.content,
                          "Computation": job.recipe.model.dtype, "Seed": str(job.recipe.seed)},
        },
        folder=request.out,
        digest=fingerprint(weights_hash(folder), read.content, job.recipe.model_dump(), asked_hash(job)),
    )  # fmt: skip


def _rows_of(job: Job, sources: Sequence[Source]) -> ReadRows:
    """Return held-out rows from files, in the form that a job's objective judges."""
    folder = job.plan.recipe_folder if sources == job.recipe.data.eval.sources else Path.cwd()
    entries = read_rows(sources, folder, group_by=job.recipe.data.eval.group_by)
    samples = [entry for entry in entries if isinstance(entry, Sample)]
    made_here = "data" in job.artifacts
    head = job.objective.head if made_here else saved_head(Path(job.recipe.model.base))
    check_labels(head, samples)
    if not made_here:
        recall_classes(job.objective, head, samples)
    read = encode_rows(entries, job.objective, "eval")
    if warning := read.warning():
        job.events.emit("warning", message=warning)
    return read


def _subject(job: Job, folder: Path, held_out: HeldOut, trained: HeldOut | None) -> Subject:
    section = job.recipe.evaluate
    base = base_of_adapter(folder) if is_adapter(folder) and job.objective.head is None else None
    shelf = Shelf()
    load_base = shelf.keep(lambda: load_model(base, dtype=job.dtype)) if base else None
    return Subject(
        load=shelved(shelf, folder, job.dtype, load_base),
        load_base=load_base,
        objective=job.objective,
        tokenizer=job.tokenizer,
        template=job.template,
        held_out=held_out,
        trained=trained,
        history=(),
        dtype=job.dtype,
        how=Resampling(section.bootstrap_samples, section.confidence, job.recipe.seed),
        recipe_folder=job.plan.recipe_folder,
        shelf=shelf,
    )


def _partner(job: Job, request: Request, samples: Sequence[Sample]) -> Partner | None:
    if request.against is None:
        return None
    folder, name = request.against
    return partner_of(job, folder, name, samples)


def _base_partner(job: Job, folder: Path, read: ReadRows) -> Partner | None:
    """Return what a language model was tuned from, where it says so and that is there."""
    if job.objective.head is not None:
        return None
    if is_adapter(folder):
        return partner_of(job, base_of_adapter(folder), "base", read.held_out.samples)
    record = ResultRecord.load(folder)
    if record is None:
        return None
    try:
        base = locate_base(record.base)
    except LuthierError:
        return None
    return (
        partner_of(job, base, "base", read.held_out.samples)
        if weights_hash(base) == record.base_hash
        else None
    )
