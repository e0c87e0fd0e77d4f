"""How the evaluate stage is called: the subject and what it is compared with, from what the stages before it made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from luthier.core.hashing import fingerprint
from luthier.data.prepare import Split, read_examples, read_samples
from luthier.data.read import content_hash
from luthier.evaluate.asked import Asked, Partner
from luthier.evaluate.examination import HeldOut, Subject
from luthier.evaluate.report import Report
from luthier.evaluate.shelf import Kept, Shelf
from luthier.evaluate.stage import evaluate
from luthier.evaluate.statistics import Resampling
from luthier.evaluate.task import evaluate_task
from luthier.methods.contract import Method
from luthier.models.load import is_adapter, load_trained
from luthier.models.shared_weights import brings_token_rows, leaves_base_alone, over_same_weights
from luthier.pipeline.champion import champion_uri, find_champion
from luthier.pipeline.job import Job
from luthier.pipeline.partner import side_of
from luthier.pipeline.story import read_history, story_of


def evaluate_fingerprint(job: Job) -> str:
    """Return the hash of everything that the report follows from."""
    return fingerprint(job.trained.fingerprint, asked_hash(job))


def asked_hash(job: Job) -> str:
    """Return the hash of what a recipe asks of a model, and of the files that it asks with."""
    recipe, folder = job.recipe, job.plan.recipe_folder
    files = [content_hash(folder / name) for name in recipe.evaluate.files_in(folder)]
    champion = champion_uri(job)
    return fingerprint(
        recipe.evaluate.model_dump(exclude_none=True),
        [gate.model_dump() for gate in recipe.gates],
        recipe.seed,
        files,
        champion,
        recipe.register_.champion_alias if recipe.register_ and champion == "" else None,
    )


def make_report(job: Job, digest: str) -> Report:
    """Do the evaluate stage."""
    subject = subject_of(job)
    return judge(
        job,
        subject,
        job.trained.folder,
        base_of(job, subject),
        story=story_of(job),
        folder=job.folder.path / "report",
        digest=digest,
        method=job.method,
        trained_loss=job.trained.eval_loss,
    )


def judge(
    job: Job,
    subject: Subject,
    model_folder: Path,
    partner: Partner | None,
    *,
    story: Mapping[str, Any],
    folder: Path,
    digest: str,
    method: Method | None = None,
    trained_loss: float | None = None,
) -> Report:
    """Evaluate a model as its objective is evaluated.

    Args:
        job: Knows the recipe, and what turns rows into tokens.
        subject: The model.
        model_folder: Of the model.
        partner: What it is compared with; None where it stands alone, or with the baseline of its task.
        story: What the report tells besides.
        folder: Gets the report.
        digest: Fingerprint of the report.
        method: That trained it, for the proofs; None proves nothing.
        trained_loss: Held-out loss that the training measured for these weights and rows.
    """
    recipe, evaluator = job.recipe, job.objective.evaluator
    champion = find_champion(job, subject.held_out.samples)
    if champion is not None and champion.partner is not None:
        champion = replace(champion, partner=_kept(champion.partner, subject))
    partner = partner and _kept(partner, subject)
    if subject.load_base is not None and has_other_tokens(job, model_folder):
        if recipe.evaluate.examinations:
            message = "the base is not examined: the model's vocabulary has tokens that the base never saw"
            job.events.emit("notice", message=message)
        subject = replace(subject, load_base=None)
    asked = Asked(subject, recipe.evaluate, recipe.gates, story, folder, digest, job.events, champion)
    if evaluator is not None:
        return evaluate_task(
            asked, evaluator, model_folder, partner, method=method, trained_loss=trained_loss
        )
    return evaluate(
        asked,
        partner,
        model_folder,
        method=method,
        loss_on=getattr(recipe.objective, "loss_on", "all"),
        max_positions=job.plan.base.max_positions,
        trained_loss=trained_loss,
    )


def _kept(partner: Partner, subject: Subject) -> Partner:
    """Return a partner that is loaded by way of the subject's shelf, so that others are let go for it."""
    if isinstance(partner.load, Kept):
        return partner
    return replace(partner, load=subject.shelf.keep(partner.load))


def has_other_tokens(job: Job, folder: Path) -> bool:
    """Whether a model reads texts as tokens that its base does not have, or that mean others there.

    Examinations ask both models by the model's tokenizer, so such a base cannot be asked; losses and answers are
    compared all the same, for their partner has a tokenizer of its own.
    """
    return job.vocabulary is not None or (is_adapter(folder) and brings_token_rows(folder))


def base_of(job: Job, subject: Subject) -> Partner | None:
    """Return the base that a run started from; None where its head would be random."""
    if subject.load_base is None:
        return None
    side = side_of(job.base_text, read_samples(job.dataset, "eval")) if job.vocabulary else None
    return Partner("base", subject.load_base, side)


def shelved(shelf: Shelf, folder: Path, dtype: torch.dtype, load_base: Callable[[], Any] | None) -> Kept:
    """Return the loading of a saved model by way of a shelf: an adapter over the base's own weights.

    Args:
        shelf: Holds it.
        folder: Of the model.
        dtype: Of its weights.
        load_base: Of its base, by way of the shelf; None where the base is not asked for.
    """
    if not isinstance(load_base, Kept) or not is_adapter(folder) or not leaves_base_alone(folder):
        return shelf.keep(lambda: load_trained(folder, dtype=dtype)[0])
    return shelf.keep(
        lambda: load_trained(folder, dtype=dtype, base=over_same_weights(load_base()))[0], beside=load_base
    )


def subject_of(job: Job, held_out: HeldOut | None = None) -> Subject:
    """Return a run's result, and what is known about it.

    Args:
        job: Of the run.
        held_out: Other rows than those that the run held out.
    """
    section, folder = job.recipe.evaluate, job.trained.folder
    shelf = Shelf()
    load_base = None if job.objective.head is not None else shelf.keep(job.load_base)
    return Subject(
        load=shelved(shelf, folder, job.dtype, load_base),
        load_base=load_base,
        objective=job.objective,
        tokenizer=job.tokenizer,
        template=job.template,
        held_out=held_out or _rows(job, "eval", with_samples=True),
        # Only examinations ask for them.
        trained=_rows(job, "train", with_samples=True) if section.examinations else None,
        history=read_history(folder),
        dtype=job.dtype,
        how=Resampling(section.bootstrap_samples, section.confidence, job.recipe.seed),
        recipe_folder=job.plan.recipe_folder,
        kept_step=job.trained.step,
        shelf=shelf,
    )


def _rows(job: Job, split: Split, *, with_samples: bool) -> HeldOut:
    samples = read_samples(job.dataset, split) if with_samples else ()
    return HeldOut(read_examples(job.dataset, split), samples)
