"""The stages in order: the table of contents of the program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from luthier import __version__
from luthier.core.artifact import Artifact
from luthier.core.errors import TemplateError
from luthier.core.events import EventLog, Listener
from luthier.core.hashing import fingerprint, short
from luthier.core.run_folder import RunFolder
from luthier.data.lint import lint
from luthier.data.prepare import DatasetVersion, prepare, read_examples, source_hash
from luthier.data.template import ChatTemplate
from luthier.data.tokenizer import load_tokenizer
from luthier.methods.build import build_method
from luthier.models.load import ResultRecord, load_model, locate_base, weights_hash
from luthier.objectives.build import build_objective
from luthier.objectives.contract import Objective
from luthier.plan.lock import lock_facts
from luthier.plan.resolve import Plan, resolve
from luthier.recipe.load import LoadedRecipe
from luthier.train.stage import TrainedModel, train


def make_plan(loaded: LoadedRecipe) -> Plan:
    """Resolve a recipe; see `luthier.plan.resolve.resolve`."""
    return resolve(loaded, locate_base=locate_base)


@dataclass
class Run:
    """A plan at work: its folder, its events, and what the stages have made so far."""

    plan: Plan
    folder: RunFolder
    events: EventLog
    hashes: dict[str, str]
    artifacts: dict[str, Any] = field(default_factory=dict)

    @property
    def dtype(self) -> torch.dtype:
        """Type of the computation."""
        return torch.bfloat16 if self.plan.recipe.model.dtype == "bfloat16" else torch.float32

    @cached_property
    def template(self) -> ChatTemplate | None:
        """The chat template, linted; None where raw text is trained."""
        recipe = self.plan.recipe
        if recipe.objective.name == "pretraining":
            return None
        template = ChatTemplate(self.tokenizer, recipe.data.chat_template, folder=self.plan.recipe_folder)
        findings = lint(template)
        for finding in findings:
            if finding.level == "warning":
                self.events.emit("warning", message=f"{finding.problem} ({finding.cure})")
        if errors := [f for f in findings if f.level == "error"]:
            text = "\n  ".join(f"{f.code}: {f.problem}\n    → {f.cure}" for f in errors)
            raise TemplateError(f"the chat template cannot be trained and served safely:\n  {text}")
        return template

    @cached_property
    def tokenizer(self) -> Any:
        """The base's tokenizer."""
        return load_tokenizer(
            self.plan.base.folder, trust_remote_code=self.plan.recipe.model.trust_remote_code
        )

    @cached_property
    def objective(self) -> Objective:
        """The recipe's objective."""
        recipe = self.plan.recipe
        text = self.template or self.tokenizer
        return build_objective(recipe.objective, text, recipe.data, packing=recipe.train.packing)


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
    fingerprint: Callable[[Run], str]
    make: Callable[[Run, str], Artifact]


def run(
    plan: Plan, *, until: str | None = None, fresh: bool = False, listeners: tuple[Listener, ...] = ()
) -> Run:
    """Do what a plan says, skipping every stage whose result exists.

    Args:
        plan: From `make_plan`.
        until: Name of the last stage to do; None does all.
        fresh: Delete what an earlier run of the same recipe left.
        listeners: Told about every event.

    Raises:
        GateFailedError: The model is made and reported, and not good enough to be registered.
        LuthierError: Any other fault that the user can mend.
    """
    job = open_run(plan, listeners)
    with job.folder.exclusive():
        if fresh:
            job.folder.clear()
        job.folder.begin(
            recipe_text=plan.recipe_text, plan=plan_record(plan), lock=lock_facts(plan, job.hashes)
        )
        for stage in STAGES:
            if stage.applies(plan):
                job.artifacts[stage.name] = _do(stage, job)
            if stage.name == until:
                break
    return job


def open_run(plan: Plan, listeners: tuple[Listener, ...] = ()) -> Run:
    """Return the run of a plan: its id follows from the recipe, the data and the base."""
    recipe = plan.recipe
    sources = [*recipe.data.train, *recipe.data.eval.sources]
    hashes = {"base": weights_hash(plan.base.folder), "data": source_hash(sources, plan.recipe_folder)}
    identity = fingerprint(recipe.model_dump(by_alias=True, exclude={"runs_dir"}), hashes)
    folder = RunFolder(Path(recipe.runs_dir) / f"{recipe.name}-{short(identity)}")
    events = EventLog(folder.events_path)
    for listener in listeners:
        events.listen(listener)
    return Run(plan, folder, events, hashes)


def _do(stage: Stage, job: Run) -> Artifact:
    """Return a stage's result: the one that exists, a sibling run's, or a new one."""
    digest = stage.fingerprint(job)
    found = stage.artifact.load(job.folder.path / stage.folder)
    if found and found.fingerprint == digest:
        job.events.emit("stage", stage=stage.name, status="cached")
        return found
    if sibling := job.folder.adopt(stage.folder, digest):
        adopted = stage.artifact.load(job.folder.path / stage.folder)
        if adopted:
            job.events.emit("stage", stage=stage.name, status="cached", detail=f"equal to {sibling.name}'s")
            return adopted
    job.events.emit("stage", stage=stage.name, status="begin")
    made = stage.make(job, digest)
    job.events.emit("stage", stage=stage.name, status="done")
    return made


def plan_record(plan: Plan) -> dict[str, Any]:
    """Return the content of ``plan.json``."""
    return {
        "recipe_folder": str(plan.recipe_folder),
        "overrides": list(plan.overrides),
        "values": {path: {"value": v, "from": plan.origin(path)} for path, v in plan.values().items()},
        "base": {
            "folder": str(plan.base.folder),
            "architecture": plan.base.architecture,
            "parameters": plan.base.num_parameters,
        },
        "trainable_parameters": plan.trainable.num_trainable,
        "total_parameters": plan.trainable.num_total,
        "notices": list(plan.notices),
    }


def _data_fingerprint(job: Run) -> str:
    recipe = job.plan.recipe
    return fingerprint(
        __version__,
        recipe.data.model_dump(by_alias=True),
        recipe.objective.model_dump(),
        recipe.seed,
        job.hashes["data"],
        _text_hashes(job),
    )


def _text_hashes(job: Run) -> dict[str, str]:
    return {
        "tokenizer_hash": fingerprint(job.tokenizer.get_vocab(), str(job.tokenizer.special_tokens_map)),
        "template_hash": job.template.fingerprint if job.template else "",
    }


def _make_data(job: Run, digest: str) -> DatasetVersion:
    data = job.plan.recipe.data
    dataset = prepare(
        data.train,
        data.eval,
        data.clean,
        job.objective.encoder,
        folder=job.folder.path / "data",
        recipe_folder=job.plan.recipe_folder,
        seed=job.plan.recipe.seed,
        fingerprint=digest,
        hashes=_text_hashes(job),
        events=job.events,
    )
    for notice in dataset.notices:
        job.events.emit("notice", message=notice)
    return dataset


def _train_fingerprint(job: Run) -> str:
    recipe = job.plan.recipe
    # What changes only the telling or the keeping leaves the weights as they are.
    silent = {"logging_steps", "report_to", "disk_full_wait_minutes", "save_total_limit"}
    return fingerprint(
        job.artifacts["data"].fingerprint,
        recipe.model.model_dump(exclude={"base"}),
        recipe.method.model_dump(),
        recipe.train.model_dump(exclude=silent),
        recipe.seed,
        job.hashes["base"],
    )


def _make_model(job: Run, digest: str) -> TrainedModel:
    recipe, base = job.plan.recipe, job.plan.base
    dataset: DatasetVersion = job.artifacts["data"]
    hashes = _text_hashes(job)
    return train(
        lambda: load_model(base.folder, dtype=job.dtype, trust_remote_code=recipe.model.trust_remote_code),
        build_method(recipe.method),
        job.objective,
        read_examples(dataset, "train"),
        read_examples(dataset, "eval") if recipe.train.eval_strategy != "no" else (),
        recipe.train,
        tokenizer=job.tokenizer,
        record=ResultRecord(
            base=recipe.model.base,
            base_hash=job.hashes["base"],
            method=recipe.method.name,
            dtype=recipe.model.dtype,
            template_hash=hashes["template_hash"],
            tokenizer_hash=hashes["tokenizer_hash"],
        ),
        dtype=job.dtype,
        micro_batch_tokens=job.plan.micro_batch_tokens,
        num_trainable=job.plan.trainable.num_trainable,
        seed=recipe.seed,
        fingerprint=digest,
        run_folder=job.folder.path,
        events=job.events,
    )
