"""Job: a plan at work, with its folder, its events and what the stages have made so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from luthier.core.errors import RecipeError
from luthier.core.events import EventLog, Listener
from luthier.core.hashing import fingerprint, short
from luthier.core.run_folder import RunFolder
from luthier.data.curate.stage import CuratedRows
from luthier.data.encode import LearningEncoder
from luthier.data.prepare import DatasetVersion
from luthier.data.template import ChatTemplate
from luthier.data.vocabulary.stage import Vocabulary
from luthier.evaluate.report import Report
from luthier.methods.build import build_method
from luthier.methods.contract import Method
from luthier.methods.new_tokens import NewTokens
from luthier.models.heads import with_head
from luthier.models.load import load_model, weights_hash
from luthier.models.quantized import FourBit
from luthier.objectives.contract import Objective
from luthier.pipeline.rows import data_hash, with_pinned_versions
from luthier.pipeline.text_side import TextSide
from luthier.plan.resolve import Plan
from luthier.plan.trainable import Trainable, count_trainable
from luthier.plan.vocabulary import with_vocabulary
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
        before: What is told of the trainings that came first.
    """

    plan: Plan
    folder: RunFolder
    events: EventLog
    input_hashes: dict[str, str]
    artifacts: dict[str, Any] = field(default_factory=dict)
    before: tuple[Mapping[str, Any], ...] = ()
    _text_sides: dict[Path, TextSide] = field(default_factory=dict, repr=False)

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
    def vocabulary(self) -> Vocabulary | None:
        """What the vocabulary stage made; None before it, and where the recipe asks for none."""
        return self.artifacts.get("vocabulary")

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

    @property
    def text(self) -> TextSide:
        """Tokenizer and template: of the base, or of its grown vocabulary once that is made."""
        return self._text_side(self.vocabulary.folder if self.vocabulary else self.plan.base.folder)

    @property
    def base_text(self) -> TextSide:
        """Tokenizer and template of the base."""
        return self._text_side(self.plan.base.folder)

    def _text_side(self, folder: Path) -> TextSide:
        if folder not in self._text_sides:
            # Notices of a template are told once, by the first text side.
            self._text_sides[folder] = TextSide(self.plan, folder, None if self._text_sides else self.events)
        return self._text_sides[folder]

    @property
    def tokenizer(self) -> Any:
        """The tokenizer that rows are encoded with."""
        return self.text.tokenizer

    @property
    def template(self) -> ChatTemplate | None:
        """The chat template, linted; None where something else than conversations is trained.

        Raises:
            TemplateError: It cannot be trained and served safely.
        """
        return self.text.template

    @property
    def objective(self) -> Objective:
        """The recipe's objective; what it learns from the training rows, it knows once the data stage is done."""
        objective = self.text.objective
        if "data" in self.artifacts and isinstance(objective.encoder, LearningEncoder):
            objective.encoder.recall(self.dataset.learned)
        return objective

    @property
    def four_bit(self) -> FourBit | None:
        """How the base is stored in 4 bits; None where it is not."""
        return FourBit.of(self.recipe.model)

    @cached_property
    def trainable(self) -> Trainable:
        """What trains, counted with the task's head and the new tokens; after the data stage.

        Raises:
            RecipeError: The method does not fit the model.
        """
        head, vocabulary = self.objective.head, self.vocabulary
        base = self.plan.base
        if head is not None:
            base = with_head(base, head, trust_remote_code=self.recipe.model.trust_remote_code)
        trainable, faults = count_trainable(self.recipe.method, base)
        if faults:
            raise RecipeError(faults, source=f"recipe {self.recipe.name}")
        if vocabulary is None:
            return trainable
        return with_vocabulary(
            trainable,
            self.recipe.method.name,
            base,
            num_filled=vocabulary.num_filled,
            num_rows=vocabulary.num_rows,
        )

    @cached_property
    def method(self) -> Method:
        """The recipe's method, over the grown vocabulary where there is one."""
        method = build_method(
            self.recipe.method, lambda text: self.tokenizer(text, add_special_tokens=False).input_ids
        )
        section = self.recipe.vocabulary
        if self.vocabulary is None or section is None:
            return method
        return NewTokens(method, self.recipe.method.name, self.vocabulary, section.init)

    @property
    def text_hashes(self) -> dict[str, str]:
        """Hashes of tokenizer and chat template."""
        return self.text.hashes

    def load_base(self) -> Any:
        """Return the base model with the objective's head, newly loaded; a new head's weights follow from the seed."""
        head = self.objective.head
        model = load_model(
            self.plan.base.folder,
            dtype=self.dtype,
            trust_remote_code=self.recipe.model.trust_remote_code,
            head=head,
            new_head_seed=self.recipe.seed,
            four_bit=self.four_bit,
        )
        if head is not None and model.config.get_text_config().pad_token_id is None:
            # Decoders find a row's last token by it.
            model.config.get_text_config().pad_token_id = self.tokenizer.pad_token_id
        return model


def open_job(
    plan: Plan,
    listeners: tuple[Listener, ...] = (),
    *,
    is_recorded: bool = True,
    before: Sequence[Mapping[str, Any]] = (),
) -> Job:
    """Return the job of a plan.

    Its id follows from the recipe, the data and the base, so that the same command finds its own earlier work.

    Args:
        plan: What is to be done.
        listeners: Told about every event.
        is_recorded: Write the events to the run folder; otherwise nothing is written.
        before: What is told of the trainings that came first.
    """
    recipe = plan.recipe
    data = with_pinned_versions(recipe.data, plan.recipe_folder)
    hashes = {"base": weights_hash(plan.base.folder), "data": data_hash(data, plan.recipe_folder)}
    identity = fingerprint(recipe.model_dump(by_alias=True, exclude={"runs_dir"}), hashes)
    folder = RunFolder(Path(recipe.runs_dir) / f"{recipe.name}-{short(identity)}")
    events = EventLog(folder.events_path if is_recorded else None)
    for listener in listeners:
        events.listen(listener)
    return Job(
        replace(plan, recipe=recipe.model_copy(update={"data": data})),
        folder,
        events,
        hashes,
        before=tuple(before),
    )
