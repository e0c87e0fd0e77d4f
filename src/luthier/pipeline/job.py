"""Job: a plan at work, with its folder, its events and what the stages have made so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from luthier.core.errors import TemplateError
from luthier.core.events import EventLog, Listener
from luthier.core.hashing import fingerprint, short
from luthier.core.run_folder import RunFolder
from luthier.data.curate.stage import CuratedRows
from luthier.data.lint import lint
from luthier.data.prepare import DatasetVersion
from luthier.data.template import ChatTemplate
from luthier.data.tokenizer import load_tokenizer
from luthier.evaluate.stage import Report
from luthier.methods.build import build_method
from luthier.methods.contract import Method
from luthier.models.load import load_model, weights_hash
from luthier.objectives.build import build_objective
from luthier.objectives.contract import Objective
from luthier.pipeline.rows import data_hash
from luthier.plan.resolve import Plan
from luthier.recipe.schema import Recipe
from luthier.train.stage import TrainedModel


@dataclass
class Job:
    """A plan at work.

    Args:
        plan: What is to be done.
        folder: Where the results go.
        events: Told about everything.
        input_hashes: Of ``base`` and ``data``.
        artifacts: What the stages have made, by stage name.
    """

    plan: Plan
    folder: RunFolder
    events: EventLog
    input_hashes: dict[str, str]
    artifacts: dict[str, Any] = field(default_factory=dict)

    @property
    def recipe(self) -> Recipe:
        """The resolved recipe."""
        return self.plan.recipe

    @property
    def rows(self) -> CuratedRows:
        """What the rows stage made."""
        made: CuratedRows = self.artifacts["rows"]
        return made

    @property
    def dataset(self) -> DatasetVersion:
        """What the data stage made."""
        made: DatasetVersion = self.artifacts["data"]
        return made

    @property
    def trained(self) -> TrainedModel:
        """What the train stage made."""
        made: TrainedModel = self.artifacts["train"]
        return made

    @property
    def report(self) -> Report | None:
        """What the evaluate stage made; None where nothing is held out."""
        return self.artifacts.get("evaluate")

    @property
    def dtype(self) -> torch.dtype:
        """Type of frozen weights and of the computation."""
        return torch.bfloat16 if self.recipe.model.dtype == "bfloat16" else torch.float32

    @cached_property
    def tokenizer(self) -> Any:
        """The base's tokenizer."""
        return load_tokenizer(self.plan.base.folder, trust_remote_code=self.recipe.model.trust_remote_code)

    @cached_property
    def template(self) -> ChatTemplate | None:
        """The chat template, linted; None where raw text is trained.

        Raises:
            TemplateError: It cannot be trained and served safely.
        """
        if self.recipe.objective.name == "pretraining":
            return None
        template = ChatTemplate(
            self.tokenizer, self.recipe.data.chat_template, folder=self.plan.recipe_folder
        )
        for notice in template.notices:
            self.events.emit("notice", message=notice)
        findings = lint(template)
        for finding in findings:
            if finding.level == "warning":
                self.events.emit("warning", message=f"{finding.problem} ({finding.cure})")
        if errors := [f for f in findings if f.level == "error"]:
            text = "".join(f"\n  {f.code}: {f.problem}\n    → {f.cure}" for f in errors)
            raise TemplateError(f"the chat template cannot be trained and served safely:{text}")
        return template

    @cached_property
    def objective(self) -> Objective:
        """The recipe's objective."""
        text = self.template or self.tokenizer
        recipe = self.recipe
        return build_objective(recipe.objective, text, recipe.data, packing=recipe.train.packing)

    @cached_property
    def method(self) -> Method:
        """The recipe's method."""
        return build_method(self.recipe.method)

    @cached_property
    def text_hashes(self) -> dict[str, str]:
        """Hashes of tokenizer and chat template."""
        vocabulary = [sorted(self.tokenizer.get_vocab().items()), str(self.tokenizer.special_tokens_map)]
        template = self.template
        return {
            "tokenizer_hash": fingerprint(vocabulary),
            "template_hash": template.fingerprint if template else "",
        }

    def load_base(self) -> Any:
        """Return the base model, newly loaded."""
        return load_model(
            self.plan.base.folder,
            dtype=self.dtype,
            trust_remote_code=self.recipe.model.trust_remote_code,
        )


def open_job(plan: Plan, listeners: tuple[Listener, ...] = (), *, is_recorded: bool = True) -> Job:
    """Return the job of a plan.

    Its id follows from the recipe, the data and the base, so that the same command finds its own earlier work.

    Args:
        plan: What is to be done.
        listeners: Told about every event.
        is_recorded: Write the events to the run folder; otherwise nothing is written.
    """
    recipe = plan.recipe
    hashes = {"base": weights_hash(plan.base.folder), "data": data_hash(recipe.data, plan.recipe_folder)}
    identity = fingerprint(recipe.model_dump(by_alias=True, exclude={"runs_dir"}), hashes)
    folder = RunFolder(Path(recipe.runs_dir) / f"{recipe.name}-{short(identity)}")
    events = EventLog(folder.events_path if is_recorded else None)
    for listener in listeners:
        events.listen(listener)
    return Job(plan, folder, events, hashes)
