"""Recipe to Plan: every default filled in, every fault found, the base looked at, nothing loaded."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from luthier.core.errors import Fault, LuthierError, RecipeError
from luthier.plan.answer_metrics import GENERATED
from luthier.plan.base_facts import BaseFacts, read_base_facts
from luthier.plan.checks import check_against_base, check_recipe
from luthier.plan.compatibility import TRAITS, unpacked
from luthier.plan.evaluation import measured_metrics
from luthier.plan.four_bit import bytes_saved
from luthier.plan.freezing import schedule_faults
from luthier.plan.hardware import Hardware, detect_hardware
from luthier.plan.held_out import has_eval_rows
from luthier.plan.memory import MOST_TOKENS, MemoryNeed, memory_need
from luthier.plan.optimizers import check_optimizer_here
from luthier.plan.trainable import Trainable, count_trainable
from luthier.plan.vocabulary import most_trainable
from luthier.recipe.load import LoadedRecipe
from luthier.recipe.method_sections import FreezeMethod
from luthier.recipe.objective_sections import MultitaskObjective
from luthier.recipe.phases import phase_of
from luthier.recipe.schema import Recipe

_SHARE_OF_MEMORY = 0.8


@dataclass(frozen=True)
class Plan:
    """What will happen, in every value.

    Args:
        recipe: The recipe with derived values put in the place of defaults.
        origins: By dotted path, for values that are no defaults: ``recipe``, ``--set``, or ``derived: reason``.
        recipe_folder: Relative data paths start here.
        recipe_text: The YAML as written.
        overrides: The ``--set`` strings that were applied to it.
        base: The base's configuration and shapes.
        trainable: What the method will train.
        hardware: The machine the plan was made for.
        notices: Sentences that the user should read.
        before: Plans of the trainings that come first; until those are done, ``base`` is where they start from.
    """

    recipe: Recipe
    origins: Mapping[str, str]
    recipe_folder: Path
    recipe_text: str
    overrides: tuple[str, ...]
    base: BaseFacts
    trainable: Trainable
    hardware: Hardware
    notices: tuple[str, ...] = ()
    before: tuple[Plan, ...] = ()

    @property
    def rows_per_step(self) -> int:
        """Rows in one optimizer step on one process."""
        return self.recipe.train.per_device_train_batch_size * self.recipe.train.gradient_accumulation_steps

    @property
    def memory_need(self) -> MemoryNeed:
        """What training keeps in memory, from shapes alone."""
        return memory_need(self.recipe, self.base, self.trainable)

    @property
    def micro_batch_tokens(self) -> int:
        """Longest packed micro-batch in tokens; cutting a step there changes memory and speed only.

        A row longer than that makes a micro-batch of its own.
        """
        budget_gb = self.recipe.train.memory_budget_gb
        assert budget_gb is not None, "resolve derives it"
        fitting = self.memory_need.tokens_within(int(budget_gb * 1e9))
        return min(max(fitting, 1), max(MOST_TOKENS, self.recipe.data.max_length))

    def values(self) -> dict[str, Any]:
        """Return every recipe value by dotted path, in the order of the schema."""
        return dict(_flatten(self.recipe.model_dump(by_alias=True)))

    def origin(self, path: str) -> str:
        """Return where a value came from."""
        parts = re.sub(r"\[\d+\]", r".\g<0>", path).split(".")  # data.train[0].path: the list is a step too
        prefixes = (".".join(parts[:n]).replace(".[", "[") for n in range(len(parts), 0, -1))
        return next((self.origins[p] for p in prefixes if p in self.origins), "default")


def resolve(loaded: LoadedRecipe, *, locate_base: Callable[[str], Path]) -> Plan:
    """Check a recipe against itself, its files, its base and this machine.

    Args:
        loaded: The recipe as read.
        locate_base: Returns the local folder of a base (`luthier.models.load.locate_base`).

    Raises:
        RecipeError: All faults, before any weight is loaded.
    """
    recipe, origins = loaded.recipe, dict(loaded.origins)
    faults = list(check_recipe(recipe, origins.keys(), loaded.folder))
    if "bert_score" in measured_metrics(recipe):
        try:
            locate_base(recipe.evaluate.bert_score_encoder)
        except LuthierError as error:
            faults.append(Fault("evaluate.bert_score_encoder", error.problem, error.cure))
    before, phase_faults = _resolve_phases(loaded, locate_base)
    faults += phase_faults
    hardware = detect_hardware()
    faults += check_optimizer_here(recipe, hardware)
    base: BaseFacts | None = None
    trainable = Trainable(0, 0)
    try:
        base = read_base_facts(_base_folder(recipe.model.base, loaded.folder, locate_base))
    except LuthierError as error:
        faults.append(Fault("model.base", error.problem, error.cure))
    if base:
        faults.extend(check_against_base(recipe, base, origins.keys()))
        trainable, method_faults = count_trainable(recipe.method, base)
        faults.extend(method_faults)
        if isinstance(recipe.method, FreezeMethod) and not method_faults:
            faults.extend(schedule_faults(recipe.method, base, recipe.train))
        trainable = most_trainable(trainable, recipe, base)
    if faults or base is None:
        raise RecipeError(faults, source=f"recipe {recipe.name}")
    recipe, derived = with_derived_values(recipe, base, hardware)
    origins.update(derived)
    plan = Plan(
        recipe=recipe,
        origins=origins,
        recipe_folder=loaded.folder,
        recipe_text=loaded.text,
        overrides=loaded.overrides,
        base=base,
        trainable=trainable,
        hardware=hardware,
        notices=tuple(_notices(recipe, hardware)),
        before=before,
    )
    return replace(plan, notices=(*plan.notices, *_memory_notices(plan)))


def rebased(plan: Plan, folder: Path) -> Plan:
    """Return a plan over another base: the result of the training before it.

    Raises:
        RecipeError: The recipe does not fit that base.
    """
    base = read_base_facts(folder)
    trainable, faults = count_trainable(plan.recipe.method, base)
    faults += check_against_base(plan.recipe, base, plan.origins.keys())
    if faults:
        raise RecipeError(faults, source=f"recipe {plan.recipe.name}")
    return replace(plan, base=base, trainable=most_trainable(trainable, plan.recipe, base))


def _resolve_phases(
    loaded: LoadedRecipe, locate_base: Callable[[str], Path]
) -> tuple[tuple[Plan, ...], list[Fault]]:
    """Return the plans of the trainings that come first, and their faults at their places in the recipe."""
    plans, faults = [], []
    for number in range(len(loaded.recipe.before)):
        try:
            plans.append(resolve(phase_of(loaded, number), locate_base=locate_base))
        except RecipeError as error:
            own = (f for f in error.faults if f.path != "model.base")  # said once, by the recipe itself
            faults += [Fault(f"before[{number}].{f.path}", f.problem, f.cure) for f in own]
    return tuple(plans), faults


def _base_folder(name: str, recipe_folder: Path, locate_base: Callable[[str], Path]) -> Path:
    """A relative folder or file is looked for beside the recipe first, as data files are."""
    beside = recipe_folder / name
    return locate_base(str(beside) if beside.exists() else name)


def with_derived_values(recipe: Recipe, base: BaseFacts, hardware: Hardware) -> tuple[Recipe, dict[str, str]]:
    """Put values in place of ``auto`` and of defaults that the recipe's other keys rule out."""
    changes: dict[str, dict[str, Any]] = {}
    origins: dict[str, str] = {}

    def derive(section: str, key: str, value: Any, reason: str) -> None:
        changes.setdefault(section, {})[key] = value
        origins[f"{section}.{key}"] = f"derived: {reason}"

    if recipe.model.dtype == "auto":
        native = hardware.has_native_bfloat16
        why = f"{'' if native else 'no '}native bfloat16 on {hardware.device_name}"
        derive("model", "dtype", "bfloat16" if native else "float32", why)
    if recipe.train.memory_budget_gb is None:
        budget = round(_SHARE_OF_MEMORY * hardware.memory_bytes / 1e9, 1)
        whole = f"{hardware.memory_bytes / 1e9:.0f} GB of this machine"
        derive("train", "memory_budget_gb", budget, f"{_SHARE_OF_MEMORY:.0%} of the {whole}")
    if (refused := TRAITS[recipe.method.name].packing) and recipe.train.packing and not unpacked(recipe):
        derive("train", "packing", False, refused.reason)
    if not has_eval_rows(recipe):
        derive("train", "eval_strategy", "no", "no held-out rows")
    if not has_eval_rows(recipe) or recipe.train.eval_strategy == "no":
        derive("train", "load_best_model_at_end", False, "no evaluation during training")
    if recipe.data.max_length > base.max_positions:
        derive("data", "max_length", base.max_positions, "positions of the base")
    objective = recipe.objective
    if isinstance(objective, MultitaskObjective) and objective.count_by is None:
        counted = objective.default_count_by
        why = "tasks with heads" if objective.has_head else "all tokens of generative tasks count alike"
        derive("objective", "count_by", counted, why)
    if not objective.is_chat:
        if not set(recipe.evaluate.metrics) <= set(objective.metrics):
            measured = list(objective.metrics) if objective.has_head else ["perplexity"]
            derive("evaluate", "metrics", measured, f"metrics of objective {objective.name}")
        derive("evaluate", "num_generations", 0, f"objective {objective.name} has no prompts to answer")
    elif not recipe.evaluate.num_generations and "perplexity" in recipe.evaluate.metrics:
        measured = [metric for metric in recipe.evaluate.metrics if metric not in GENERATED]
        derive("evaluate", "metrics", measured, "num_generations is 0")
    updates = {name: getattr(recipe, name).model_copy(update=values) for name, values in changes.items()}
    return recipe.model_copy(update=updates), origins


_TEXT = ("sft", "pretraining")
_HIGH_RATE = 3e-4
"""Peak rate that published recipes of full fine-tuning do not go beyond; those of adapters begin about there."""


def _notices(recipe: Recipe, hardware: Hardware) -> list[str]:
    notices = []
    if recipe.before:
        names = ", ".join(f"{recipe.name}.{phase.name} ({phase.objective.name})" for phase in recipe.before)
        notices.append(
            f"before: {names} comes first; what is told here is of the last training, over the first base"
        )
    if recipe.model.dtype == "bfloat16" and not hardware.has_native_bfloat16:
        notices.append(f"model.dtype: {hardware.device_name} emulates bfloat16; float32 is faster here")
    if not has_eval_rows(recipe):
        notices.append("data.eval: no rows are held out, so nothing can show whether the model got better")
    if refused := TRAITS[recipe.method.name].merging:
        notices.append(f"method.name: {recipe.method.name} cannot be merged: {refused.reason}")
    rate = recipe.train.learning_rate
    if recipe.method.name in ("full", "freeze") and recipe.objective.name in _TEXT and rate > _HIGH_RATE:
        notices.append(
            f"train.learning_rate: {rate:g} suits adapters; where the base's own weights train, 1e-05 to 1e-04 is "
            "usual, and more makes it forget what it knew"
        )
    if recipe.model.trust_remote_code:
        notices.append("model.trust_remote_code: code from the model's repository will run on this machine")
    return notices


def _memory_notices(plan: Plan) -> list[str]:
    """Warn where the longest row that the recipe allows may not fit the budget."""
    need, longest = plan.memory_need, plan.recipe.data.max_length
    expected_gb = (need.fixed_bytes + longest * need.bytes_per_token) / 1e9
    budget_gb = plan.recipe.train.memory_budget_gb or 0.0
    if expected_gb <= budget_gb:
        return []
    cures = ["a smaller data.max_length"]
    if not plan.recipe.train.gradient_checkpointing:
        cures.insert(0, "train.gradient_checkpointing: true")
    if bytes_saved(plan.recipe.model.model_copy(update={"load_in_4bit": True}), plan.base) > 0:
        cures += [] if plan.recipe.model.load_in_4bit else ["model.load_in_4bit: true"]
    if plan.recipe.method.name != "lora":
        cures.insert(0, "method: {name: lora}")
    return [
        f"train.memory_budget_gb: a row of data.max_length ({longest} tokens) takes about {expected_gb:.1f} GB, "
        f"more than {budget_gb:g}; helps: {', '.join(cures)}"
    ]


def _flatten(value: Any, path: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        return [
            pair for key, child in value.items() for pair in _flatten(child, f"{path}.{key}" if path else key)
        ]
    if isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value):
        return [pair for i, child in enumerate(value) for pair in _flatten(child, f"{path}[{i}]")]
    return [(path, value)]
