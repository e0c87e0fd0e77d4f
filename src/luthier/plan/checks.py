"""The compatibility table: combinations of recipe keys that cannot take effect, each refused with a cure."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Collection, Iterator
from pathlib import Path

from luthier.core.errors import Fault
from luthier.core.version_address import is_address
from luthier.plan.base_facts import BaseFacts
from luthier.plan.classification import check_classification
from luthier.plan.compatibility import check_method, check_method_against_base
from luthier.plan.evaluation import check_evaluation
from luthier.plan.four_bit import check_four_bit, check_four_bit_against_base
from luthier.plan.gates import check_gates
from luthier.plan.held_out import has_eval_rows
from luthier.plan.multitask import check_multitask
from luthier.plan.optimizers import check_optimizer
from luthier.plan.vocabulary import check_vocabulary, check_vocabulary_against_base
from luthier.recipe.objective_sections import SftObjective
from luthier.recipe.schema import DataSection, Recipe
from luthier.recipe.source_section import Source

SOURCE_SUFFIXES = (".json", ".jsonl", ".csv", ".tsv", ".parquet", ".conll", ".txt")


def check_recipe(recipe: Recipe, written: Collection[str], folder: Path) -> Iterator[Fault]:
    """Yield the faults of a recipe that need no model.

    Args:
        recipe: The recipe.
        written: Dotted paths that the user wrote; a default that takes no effect is no fault.
        folder: Relative data paths start here.
    """
    yield from check_data(recipe.data, written, folder)
    yield from _check_reading(recipe, written)
    yield from check_vocabulary(recipe, written, folder)
    yield from _check_turns(recipe)
    yield from _check_train(recipe, written)
    yield from check_optimizer(recipe, written)
    yield from check_method(recipe, written)
    yield from check_four_bit(recipe, written)
    yield from check_multitask(recipe, written)
    yield from check_classification(recipe, written)
    yield from check_evaluation(recipe, written, folder)
    yield from check_gates(recipe, written, folder)
    if recipe.register_ and importlib.util.find_spec("mlflow") is None:
        yield Fault("register", "needs mlflow, which is not installed", "pip install 'luthier[registry]'")


def check_data(data: DataSection, written: Collection[str], folder: Path) -> Iterator[Fault]:
    """Yield the faults of a recipe's rows, whatever they are for; see `check_recipe`."""
    evaluation = data.eval
    for path, source in _sources(data):
        yield from _check_source(source, path, folder)
    ways = [name for name in ("split", "folds", "out_of_domain", "sources") if getattr(evaluation, name)]
    if len(ways) > 1 and set(ways) not in ({"split", "out_of_domain"}, {"folds", "out_of_domain"}):
        cure = "keep one way of holding rows out; out_of_domain goes with split or folds"
        yield Fault("data.eval", f"has both {ways[0]} and {ways[1]}", cure)
    if not (evaluation.divides or evaluation.sources) and "data.eval.group_by" in written:
        yield Fault("data.eval.group_by", "has no effect: no rows are held out", "split: 0.1")
    if not evaluation.divides and "data.eval.near_duplicates" in written:
        if not evaluation.sources:
            yield Fault("data.eval.near_duplicates", "has no effect: no rows are held out", "split: 0.1")
        elif data.clean.deduplicate.kind in ("near", "semantic"):
            kind = data.clean.deduplicate.kind
            problem = f"has no effect beside deduplicate: {kind}, which compares with the sources, too"
            yield Fault("data.eval.near_duplicates", problem, "leave it out")
    yield from _check_curation(data)


def _sources(data: DataSection) -> list[tuple[str, Source]]:
    """Return every source with its path in the recipe."""
    held_out = [(f"data.eval.sources[{index}]", source) for index, source in enumerate(data.eval.sources)]
    return [*((f"data.train[{index}]", source) for index, source in enumerate(data.train)), *held_out]


def _check_reading(recipe: Recipe, written: Collection[str]) -> Iterator[Fault]:
    """Yield what does not fit between the rows and the objective."""
    objective = recipe.objective
    for path, source in _sources(recipe.data):
        if source.schema_ and source.schema_ not in objective.schemas:
            problem = (
                f"{source.schema_} does not fit objective {objective.name}, which reads {objective.reads}"
            )
            yield Fault(f"{path}.schema", problem)
    if "data.chat_template" in written and not objective.is_chat:
        yield Fault("data.chat_template", f"has no effect: {objective.name} reads {objective.reads}")
    if "data.too_long" in written and objective.name == "pretraining":
        yield Fault("data.too_long", "has no effect: pretraining cuts raw text into blocks")


def _check_curation(data: DataSection) -> Iterator[Fault]:
    """Yield what cannot take effect in the steps between the files and the split."""
    named = {name for source in (*data.train, *data.eval.sources) for name in source.attributes}
    domain = data.eval.out_of_domain
    if domain is not None and domain.field not in named:
        cure = f"attributes: [{domain.field}]"
        yield Fault("data.eval.out_of_domain.field", f"{domain.field} is no attribute of a source", cure)
    if data.decontaminate.enabled and not data.decontaminate.against and not data.eval.sources:
        problem = "compares with no rows: there are no eval.sources"
        yield Fault("data.decontaminate", problem, "name files: `against: [FILE]`")
    yield from _check_classes(data, named)


def _check_classes(data: DataSection, named: Collection[str]) -> Iterator[Fault]:
    """Yield fields that are to tell the class of a row and that no row has once it is read."""
    by = [data.balance.by] if isinstance(data.balance.by, str) else data.balance.by or []
    fields = [("data.balance.by", name) for name in by]
    if data.augment.label_field is not None:
        fields.append(("data.augment.label_field", data.augment.label_field))
    if data.label_errors.action != "off":
        fields.append(("data.label_errors.label_field", data.label_errors.label_field))
    known = {"label", "group", "source", "task", *named}
    for path, name in fields:
        if name in known:
            continue
        is_label = any(source.columns.get("label") == name for source in data.train)
        cure = f"label: the column {name} is read as that" if is_label else f"attributes: [{name}]"
        yield Fault(path, f"{name} is no attribute of a source", cure)


def _check_source(source: Source, path: str, folder: Path) -> Iterator[Fault]:
    if source.roles and source.schema_ not in (None, "messages"):
        yield Fault(f"{path}.roles", f"has no effect with schema {source.schema_}", "schema: messages")
    for known in {"system", "user", "assistant", "tool", "developer"}.intersection(source.roles):
        yield Fault(f"{path}.roles", f"{known} is known already")
    file = folder / source.path
    suffixes = [s for s in file.suffixes if s != ".gz"]
    if is_address(file):
        return  # what it names, the rows stage finds or refuses before it reads a row
    if not file.is_file():
        yield Fault(f"{path}.path", f"no file at {file}", _cure_of_missing(file, source.path))
    elif not suffixes or suffixes[-1] not in SOURCE_SUFFIXES:
        yield Fault(
            f"{path}.path", f"{file.name} is of no known kind", f"known: {', '.join(SOURCE_SUFFIXES)}"
        )


def _cure_of_missing(file: Path, written: str) -> str:
    if Path(written).exists():
        return f"paths start at the recipe's folder; from there it is {os.path.relpath(written, file.parent)}"
    folder = file.parent
    near = sorted(p.name for p in folder.glob("*") if p.suffix in SOURCE_SUFFIXES) if folder.is_dir() else []
    return f"files in that folder: {', '.join(near[:5])}" if near else "paths start at the recipe's folder"


def _check_turns(recipe: Recipe) -> Iterator[Fault]:
    objective = recipe.objective
    if isinstance(objective, SftObjective) and objective.expand_turns and objective.loss_on != "assistant":
        problem = f"has no effect: with expand_turns each example's loss is on its own turn, not on {objective.loss_on}"
        yield Fault("objective.loss_on", problem, "loss_on: assistant")


def _check_train(recipe: Recipe, written: Collection[str]) -> Iterator[Fault]:
    train = recipe.train
    for kind in ("eval", "save"):
        strategy, steps = getattr(train, f"{kind}_strategy"), getattr(train, f"{kind}_steps")
        if strategy == "steps" and steps is None:
            yield Fault(f"train.{kind}_steps", f"is required with {kind}_strategy: steps")
        if strategy != "steps" and steps is not None:
            yield Fault(
                f"train.{kind}_steps",
                f"has no effect with {kind}_strategy: {strategy}",
                f"{kind}_strategy: steps",
            )
    if train.max_steps is not None and "train.num_train_epochs" in written:
        yield Fault("train.num_train_epochs", "has no effect beside max_steps", "keep one of the two")
    if train.warmup_steps is not None and "train.warmup_ratio" in written:
        yield Fault("train.warmup_ratio", "has no effect beside warmup_steps", "keep one of the two")
    if train.early_stopping_patience is None and "train.early_stopping_threshold" in written:
        yield Fault("train.early_stopping_threshold", "has no effect without early_stopping_patience")
    without = "there are no held-out rows" if not has_eval_rows(recipe) else None
    if train.eval_strategy == "no":
        without = without or "eval_strategy is no"
    if without:
        if train.early_stopping_patience is not None:
            yield Fault("train.early_stopping_patience", f"has no effect: {without}")
        if train.load_best_model_at_end and "train.load_best_model_at_end" in written:
            yield Fault("train.load_best_model_at_end", f"has no effect: {without}")
    if not has_eval_rows(recipe):
        for key in ("eval_strategy", "per_device_eval_batch_size"):
            if f"train.{key}" in written and getattr(train, key) != "no":
                yield Fault(
                    f"train.{key}", "has no effect: there are no held-out rows", "data.eval.split: 0.1"
                )


def check_against_base(
    recipe: Recipe, base: BaseFacts, written: Collection[str] = ("data.max_length",)
) -> Iterator[Fault]:
    """Yield the faults that depend on the base; see `check_recipe`."""
    if not recipe.objective.has_head and not base.is_causal_lm:
        problem = f"is a {base.architecture}, which does not predict the next token"
        yield Fault("model.base", problem, f"objective {recipe.objective.name} needs a causal language model")
    yield from check_vocabulary_against_base(recipe, base)
    yield from check_method_against_base(recipe, base)
    yield from check_four_bit_against_base(recipe, base)
    if recipe.data.max_length > base.max_positions and "data.max_length" in written:
        problem = f"{recipe.data.max_length} exceeds the {base.max_positions} positions of the base"
        yield Fault("data.max_length", problem)
