"""Options of several tasks that cannot take effect are refused, each with a cure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from luthier.core.errors import Fault
from luthier.plan.checks import check_recipe
from luthier.plan.multitask import check_multitask, measured_of_tasks, task_gradient_bytes
from luthier.recipe.schema import Recipe

INTENT = {"name": "intent", "objective": {"name": "classification"}}
ENTITIES = {"name": "entities", "objective": {"name": "token_classification"}}
CHAT = {"name": "chat", "objective": {"name": "sft"}}
RAW = {"name": "raw", "objective": {"name": "pretraining"}}
SOURCES = [{"path": "a.csv", "task": "intent"}, {"path": "b.conll", "task": "entities"}]


def recipe(
    *, data: Any = None, method: str = "full", gates: Any = (), model: Any = None, **objective: Any
) -> Recipe:
    section = {"name": "multitask", "tasks": [INTENT, ENTITIES], **objective}
    return Recipe.model_validate(
        {
            "name": "several",
            "model": {"base": "minilm", **(model or {})},
            "data": {"train": SOURCES, **(data or {})},
            "objective": section,
            "method": {"name": method},
            "gates": list(gates),
        }
    )


def faults(made: Recipe, *written: str) -> list[Fault]:
    return list(check_multitask(made, written))


def test_a_sound_recipe_has_no_fault() -> None:
    stages = [{"tasks": ["intent"], "share": 0.3}, {"tasks": ["intent", "entities"], "share": 0.7}]
    assert not faults(recipe(stages=stages, gradients={"surgery": "pcgrad", "conflict_steps": 5}))


ONE_EACH = [{"tasks": ["intent"], "share": 0.5}, {"tasks": ["entities"], "share": 0.5}]
CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    "one task": ({"tasks": [INTENT]}, "objective.tasks", "one task"),
    "two of a name": ({"tasks": [INTENT, INTENT, ENTITIES]}, "objective.tasks[1].name", "another task"),
    "heads and words": ({"tasks": [INTENT, ENTITIES, CHAT]}, "objective.tasks", "no model does both"),
    "words and text": ({"tasks": [CHAT, RAW]}, "objective.tasks", "mixes pretraining and sft"),
    "unknown source": (
        {"data": {"train": [*SOURCES, {"path": "c.csv", "task": "intnt"}]}}, "data.train[2].task", "no task",
    ),
    "task without a source": (
        {"data": {"train": SOURCES[:1]}}, "data.train", "no source has rows of task entities",
    ),
    "held-out task without a source": (
        {"data": {"eval": {"sources": SOURCES[1:]}}}, "data.eval.sources", "no source has rows of task intent",
    ),
    "schema of another task": (
        {"data": {"train": [{**SOURCES[0], "schema": "token_classification"}, SOURCES[1]]}},
        "data.train[0].schema", "does not fit task intent",
    ),
    "rate of nothing": (
        {"sampling": {"name": "rates", "rates": {"intent": 1.0, "entities": 1.0, "entity": 1.0}}},
        "objective.sampling.rates.entity", "no task",
    ),
    "no rate": ({"sampling": {"name": "rates", "rates": {"intent": 1.0}}}, "objective.sampling.rates", "no rate"),
    "weight of nothing": (
        {"loss_weights": {"name": "static", "weights": {"entity": 2.0}}},
        "objective.loss_weights.weights.entity", "no task",
    ),
    "weights that never meet": (
        {"stages": ONE_EACH, "loss_weights": {"name": "gradnorm"}}, "objective.loss_weights.name", "no effect",
    ),
    "conflicts that never meet": (
        {"stages": ONE_EACH, "gradients": {"conflict_steps": 3}}, "objective.gradients.conflict_steps", "no effect",
    ),
    "surgery on nothing": (
        {"stages": ONE_EACH, "gradients": {"surgery": "pcgrad"}}, "objective.gradients.surgery", "no effect",
    ),
    "one stage": ({"stages": [{"tasks": ["intent", "entities"], "share": 0.5}]}, "objective.stages", "one stage"),
    "shares": (
        {"stages": [{**ONE_EACH[0], "share": 0.2}, ONE_EACH[1]]}, "objective.stages", "add up to 0.7",
    ),
    "a task in no stage": (
        {"stages": [ONE_EACH[0], ONE_EACH[0]]}, "objective.stages", "no stage trains task entities",
    ),
    "an unknown task in a stage": (
        {"stages": [{"tasks": ["intent", "entity"], "share": 0.5}, ONE_EACH[1]]},
        "objective.stages[0].tasks[1]", "no task",
    ),
    "twice in a stage": (
        {"stages": [{"tasks": ["intent", "intent"], "share": 0.5}, ONE_EACH[1]]},
        "objective.stages[0].tasks[1]", "twice",
    ),
    "a gate of nothing": (
        {"gates": [{"metric": "accuracy", "task": "intents", "min": 0.5}]}, "gates[0].task", "no task",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_take_effect_is_refused(case: str) -> None:
    changes, path, problem = CASES[case]
    found = [fault for fault in faults(recipe(**changes)) if fault.path == path]
    assert any(problem in fault.problem for fault in found), faults(recipe(**changes))


@pytest.mark.parametrize(
    ("changes", "path", "problem"),
    [
        ({"method": "prompt"}, "method.name", "one head beside virtual tokens"),
        ({"model": {"load_in_4bit": True}, "method": "lora"}, "model.load_in_4bit", "a head for each task"),
    ],
)
def test_what_several_heads_do_not_go_with_is_told_once(
    changes: dict[str, Any], path: str, problem: str, tmp_path: Path
) -> None:
    (fault,) = [fault for fault in check_recipe(recipe(**changes), (), tmp_path) if fault.path == path]
    assert problem in fault.problem


def test_a_sampling_that_every_stage_replaces_is_refused() -> None:
    stages = [{**stage, "sampling": {"name": "proportional"}} for stage in ONE_EACH]
    made = recipe(stages=stages, sampling={"name": "round_robin"})
    assert [fault.path for fault in faults(made, "objective.sampling.name")] == ["objective.sampling"]


def test_tasks_of_an_objective_that_has_one_are_refused() -> None:
    made = Recipe.model_validate(
        {
            "name": "one",
            "model": {"base": "b"},
            "data": {"train": [{"path": "a.json", "task": "x"}]},
            "gates": [{"metric": "eval_loss", "task": "x", "max": 1.0}],
        }
    )
    assert [fault.path for fault in faults(made)] == ["data.train[0].task", "gates[0].task"]
    balanced = made.model_copy(
        update={
            "data": made.data.model_copy(
                update={"balance": made.data.balance.model_copy(update={"by": "task"})}
            )
        }
    )
    assert "data.train[0].task" not in [fault.path for fault in faults(balanced)]


def test_gradients_that_are_kept_apart_take_memory() -> None:
    assert task_gradient_bytes(recipe(), 1000) == 0
    assert task_gradient_bytes(recipe(gradients={"conflict_steps": 3}), 1000) == 2 * 4 * 1000
    assert task_gradient_bytes(recipe(gradients={"surgery": "pcgrad"}), 1000) == 4 * 4 * 1000


def test_gates_know_the_metrics_of_each_task() -> None:
    measured = measured_of_tasks(recipe())
    assert {"intent.accuracy", "intent.eval_loss", "entities.f1"} <= measured
    assert "intent.precision" not in measured and "entities.mcc" not in measured


def test_a_typo_in_a_task_is_told_with_its_path(tmp_path: Path) -> None:
    from luthier.core.errors import RecipeError
    from luthier.recipe.load import load

    path = tmp_path / "recipe.yaml"
    path.write_text(
        "name: a\nmodel: {base: minilm}\ndata: {train: [{path: a.csv, task: intent}]}\n"
        "objective:\n  name: multitask\n  tasks:\n    - {name: intent, objective: {name: clasification}}\n"
        "    - {name: other, objective: {name: classification, focal_gama: 1.0}}\n"
        "  sampling: {name: temperature, temperatur: 2.0}\n"
    )
    with pytest.raises(RecipeError) as caught:
        load(path)
    told = {fault.path: fault.cure for fault in caught.value.faults}
    assert told == {
        "objective.tasks[0].objective.name": "did you mean `classification`?",
        "objective.tasks[1].objective.focal_gama": "did you mean `focal_gamma`?",
        "objective.sampling.temperatur": "did you mean `temperature`?",
    }
