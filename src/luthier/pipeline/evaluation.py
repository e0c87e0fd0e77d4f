"""How the evaluate stage is called: the subject and what it is compared with, from what the stages before it made."""

from __future__ import annotations

from typing import Any

from luthier.core.hashing import fingerprint
from luthier.data.prepare import Split, read_examples, read_samples
from luthier.data.read import content_hash
from luthier.evaluate.asked import Asked, Partner
from luthier.evaluate.examination import HeldOut, Subject
from luthier.evaluate.report import Report
from luthier.evaluate.stage import evaluate
from luthier.evaluate.statistics import Resampling
from luthier.evaluate.task import evaluate_task
from luthier.models.chat_model import ChatModel
from luthier.models.load import load_trained
from luthier.pipeline.champion import champion_uri, find_champion, side_of
from luthier.pipeline.job import Job
from luthier.pipeline.story import read_history, story_of


def evaluate_fingerprint(job: Job) -> str:
    """Return the hash of everything that the report follows from."""
    recipe = job.recipe
    sections = recipe.evaluate.examinations.values()
    files = [content_hash(job.plan.recipe_folder / name) for section in sections for name in section.files]
    return fingerprint(
        job.trained.fingerprint,
        recipe.evaluate.model_dump(exclude_none=True),
        [gate.model_dump() for gate in recipe.gates],
        recipe.seed,
        files,
        champion_uri(job),
        recipe.register_.champion_alias if recipe.register_ and champion_uri(job) == "" else None,
    )


def make_report(job: Job, digest: str) -> Report:
    """Do the evaluate stage."""
    folder, evaluator = job.trained.folder, job.objective.evaluator
    asked = Asked(
        subject_of(job),
        job.recipe.evaluate,
        job.recipe.gates,
        story_of(job),
        job.folder.path / "report",
        digest,
        job.events,
        find_champion(job),
    )
    if evaluator is not None:
        return evaluate_task(asked, evaluator, folder, method=job.method, trained_loss=job.trained.eval_loss)
    side = side_of(job, job.base_text) if job.vocabulary else None
    return evaluate(
        asked,
        Partner("base", job.load_base, side),
        folder,
        method=job.method,
        loss_on=getattr(job.recipe.objective, "loss_on", "all"),
        max_positions=job.plan.base.max_positions,
        trained_loss=job.trained.eval_loss,
    )


def subject_of(job: Job) -> Subject:
    """Return a run's result, and what is known about it."""
    evaluate_section, folder = job.recipe.evaluate, job.trained.folder
    has_head, examines = job.objective.head is not None, bool(evaluate_section.examinations)

    def load() -> Any:
        if has_head:
            return load_trained(folder, dtype=job.dtype)[0]
        return ChatModel.from_folder(folder, base_form="packed").model

    return Subject(
        load=load,
        # A base whose vocabulary is smaller cannot read the rows.
        load_base=None if has_head or job.vocabulary else job.load_base,
        objective=job.objective,
        tokenizer=job.tokenizer,
        template=job.template,
        held_out=_rows(job, "eval", with_samples=has_head or examines or job.template is not None),
        # Only examinations ask for them.
        trained=_rows(job, "train", with_samples=True) if examines else None,
        history=read_history(folder),
        dtype=job.dtype,
        how=Resampling(evaluate_section.bootstrap_samples, evaluate_section.confidence, job.recipe.seed),
        recipe_folder=job.plan.recipe_folder,
        kept_step=job.trained.step,
    )


def _rows(job: Job, split: Split, *, with_samples: bool) -> HeldOut:
    samples = read_samples(job.dataset, split) if with_samples else ()
    return HeldOut(read_examples(job.dataset, split), samples)
