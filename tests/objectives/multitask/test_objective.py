"""Several tasks in the loop: equal to one task alone, to a larger batch, to an uninterrupted run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from luthier.core.errors import DataError
from luthier.data.example import Example
from luthier.objectives.balance import MixedObjective
from luthier.objectives.build import build_objective
from luthier.objectives.language_modeling import LanguageModeling
from luthier.recipe.objective_sections import ClassificationObjective
from tests.objectives.multitask.tiny_tasks import (
    DATA,
    INTENT,
    encoded,
    generative,
    headed,
    headed_model,
    samples,
    train,
    with_tasks,
)

Made = Callable[..., Any]

WAYS: dict[str, dict[str, Any]] = {
    "static": {"loss_weights": {"name": "static", "weights": {"entities": 0.5}}},
    "uncertainty": {"loss_weights": {"name": "uncertainty", "learning_rate": 0.1}},
    "dynamic_average": {"loss_weights": {"name": "dynamic_average", "period_steps": 2}},
    "gradnorm": {"loss_weights": {"name": "gradnorm", "learning_rate": 0.1}},
    "pcgrad": {"gradients": {"surgery": "pcgrad", "conflict_steps": 2}},
    "round_robin": {"sampling": {"name": "round_robin"}},
    "stages": {
        "stages": [{"tasks": ["intent"], "share": 0.5}, {"tasks": ["intent", "entities"], "share": 0.5}]
    },
}


def assert_close(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor], tolerance: float) -> None:
    for name in one:
        torch.testing.assert_close(one[name], two[name], atol=tolerance, rtol=tolerance, msg=name)


@pytest.mark.parametrize("way", WAYS)
def test_accumulation_equals_a_larger_batch(way: str, tmp_path: Path) -> None:
    runs = []
    for name, sizes in (("a", (8, 1)), ("b", (1, 8))):
        objective, _, rows = headed(tmp_path / "base", **WAYS[way])
        rows = [replace(row, weight=0.5 + number % 3) for number, row in enumerate(rows)]
        runs.append(
            train(
                tmp_path / name,
                headed_model(tmp_path / "base", objective),
                objective,
                rows,
                per_device_train_batch_size=sizes[0],
                gradient_accumulation_steps=sizes[1],
                num_train_epochs=2.0,
                max_grad_norm=None,
                learning_rate=1e-3,
            )[0]
        )
    assert_close(*runs, 2e-5)


@pytest.mark.parametrize("way", WAYS)
def test_a_resumed_run_is_the_same_to_the_bit(way: str, tmp_path: Path) -> None:
    settings = {"per_device_train_batch_size": 4, "max_steps": 7}
    results = []
    for name, stops in (("whole", [None]), ("resumed", [3, None])):
        for stop in stops:
            objective, _, rows = headed(tmp_path / "base", dropout=0.2, **WAYS[way])
            model = headed_model(tmp_path / "base", objective)
            made = train(tmp_path / name, model, objective, rows, stop_after=stop, **settings)
        results.append(made)
    (whole, events, state), (resumed, later, resumed_state) = results
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert state.balance == resumed_state.balance
    told = [[e["tasks"] for e in one if e["kind"] == "train_step"][-4:] for one in (events, later)]
    assert told[0] == told[1]


def test_one_task_is_the_plain_objective(tmp_path: Path) -> None:
    several, tokenizer, _ = headed(tmp_path / "base", dropout=0.2, tasks=[INTENT])
    rows = [row for row in samples() if row.task == "intent"]
    examples = encoded(several, rows)
    plain = build_objective(ClassificationObjective(name="classification"), tokenizer, DATA, packing=False)
    plain_examples = encoded(plain, rows)
    common = {"per_device_train_batch_size": 5, "num_train_epochs": 2.0}
    one, events, state = train(
        tmp_path / "a", headed_model(tmp_path / "base", several), several, examples, examples[:6], **common
    )
    two, plain_events, plain_state = train(
        tmp_path / "b",
        headed_model(tmp_path / "base", plain),
        plain,
        plain_examples,
        plain_examples[:6],
        **common,
    )
    names = {f"bert.{n.removeprefix('trunk.')}" if n.startswith("trunk.") else n.removeprefix("tasks.intent."): n
             for n in one}  # fmt: skip
    assert names.keys() == two.keys()
    assert all(torch.equal(one[names[name]], two[name]) for name in two)
    losses = [[e["loss"] for e in told if e["kind"] == "train_step"] for told in (events, plain_events)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    assert state.eval_losses == pytest.approx(plain_state.eval_losses, rel=1e-6)


def test_a_generative_mixture_counts_all_tokens_alike(
    make_tiny_llama: Made, make_rows: Made, tmp_path: Path
) -> None:
    rows = make_rows(12)
    common = {"per_device_train_batch_size": 4, "num_train_epochs": 2.0}
    mixed, events, state = train(
        tmp_path / "a", make_tiny_llama(), generative(), with_tasks(rows, ["short", "long"]),
        with_tasks(make_rows(6, seed=1), ["short", "long"]), **common,
    )  # fmt: skip
    objective = LanguageModeling(None, packing=False, pad_token_id=0)  # type: ignore[arg-type]
    plain, _, plain_state = train(
        tmp_path / "b", make_tiny_llama(), objective, rows, make_rows(6, seed=1), **common
    )
    assert_close(mixed, plain, 1e-4)
    assert state.eval_losses == pytest.approx(plain_state.eval_losses, rel=1e-4)
    told = [event["tasks"] for event in events if event["kind"] == "evaluation"]
    assert told and all(set(parts) == {"short", "long"} for parts in told)


def test_counting_rows_or_items_differs_where_rows_have_unlike_lengths(
    make_tiny_llama: Made, make_rows: Made, tmp_path: Path
) -> None:
    rows = with_tasks([*make_rows(6, longest=8)] * 2, ["short", "long"])
    rows = [row if row.task == "short" else replace(made, task="long")
            for row, made in zip(rows, make_rows(12, seed=2), strict=True)]  # fmt: skip
    runs = [
        train(tmp_path / way, make_tiny_llama(), generative(count_by=way), rows, max_steps=2)[0]
        for way in ("rows", "items")
    ]
    assert any((runs[0][name] - runs[1][name]).abs().max() > 1e-4 for name in runs[0])


def gradients(objective: Any, model: Any, rows: list[Example]) -> dict[str, torch.Tensor]:
    """The gradient of one step over all rows, computed task by task as the definition says."""
    model.train()
    total = torch.zeros(())
    for task in (0, 1):
        batch = objective.collate([row for row in rows if objective.groups([row, *rows])[0] == task])
        loss = objective.loss(model, batch)
        total = total + len(batch.places) / len(rows) * loss.total / batch.weight
    model.zero_grad()
    total.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("rules", [{}, {"gradients": {"conflict_steps": 1}}])
def test_the_gradient_of_a_step_is_the_sum_of_the_tasks_means_by_their_rows(
    rules: dict[str, Any], tmp_path: Path
) -> None:
    objective, _, rows = headed(tmp_path / "base", **rules)
    model = headed_model(tmp_path / "base", objective)
    expected = gradients(objective, model, rows)
    model.zero_grad()
    balance = objective.balance(dict(model.named_parameters()), steps_per_epoch=1, seed=0)
    batches = [
        objective.collate([row]) for row in sorted(rows, key=lambda row: objective.groups([row, *rows])[0])
    ]
    balance.begin(0, batches)
    for batch in batches:
        balance.scaled(batch, objective.loss(model, batch)).backward()
    balance.end()
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert found.keys() == expected.keys()
    assert_close(found, expected, 1e-5)
    told = balance.report()
    assert ("gradient_cosines" in told) == bool(rules)
    assert set(told["tasks"]) == {"intent", "entities"}


def test_pcgrad_changes_what_is_trained_only_where_tasks_conflict(tmp_path: Path) -> None:
    results = []
    for surgery in ("none", "pcgrad"):
        objective, _, rows = headed(tmp_path / "base", gradients={"surgery": surgery, "conflict_steps": 1})
        made = train(
            tmp_path / surgery, headed_model(tmp_path / "base", objective), objective, rows, max_steps=3,
            per_device_train_batch_size=8,
        )  # fmt: skip
        results.append(made)
    cosines = [list(e["gradient_cosines"].values())[0] for e in results[0][1] if e["kind"] == "train_step"]
    assert len(cosines) == 3 and all(-1 <= value <= 1 for value in cosines)
    differs = any(not torch.equal(results[0][0][n], results[1][0][n]) for n in results[0][0])
    assert differs == any(value < 0 for value in cosines[:1]) or differs


def test_stages_train_the_heads_of_their_tasks_alone(tmp_path: Path) -> None:
    objective, _, rows = headed(
        tmp_path / "base",
        stages=[{"tasks": ["intent"], "share": 0.5}, {"tasks": ["entities"], "share": 0.5}],
    )
    model = headed_model(tmp_path / "base", objective)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    _, events, _ = train(tmp_path / "run", model, objective, rows, max_steps=4, stop_after=2)
    after = {name: p.detach().clone() for name, p in model.named_parameters()}
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert any(name.startswith("tasks.intent.") for name in moved)
    assert not any(name.startswith("tasks.entities.") for name in moved)
    train(tmp_path / "run", model, objective, rows, max_steps=4)
    assert any(
        not torch.equal(after[n], p) for n, p in model.named_parameters() if n.startswith("tasks.entities.")
    )


def test_a_task_without_a_row_is_refused(tmp_path: Path) -> None:
    objective, _, rows = headed(tmp_path / "base")
    assert isinstance(objective, MixedObjective)
    with pytest.raises(DataError, match="task entities has no training row; there are 16 of 'intent'"):
        objective.encoder.learn([row for row in samples() if row.task == "intent"])
    with pytest.raises(DataError, match="belongs to task entities"):
        objective.groups([row for row in rows if row.task == "intent"])


def test_rows_without_a_known_task_are_left_out_with_a_reason(tmp_path: Path) -> None:
    objective, _, _ = headed(tmp_path / "base")
    row = samples()[0]
    nameless, misspelt = (objective.encoder(replace(row, task=task)) for task in (None, "intnt"))
    assert (nameless.reason, misspelt.reason) == ("no_task", "unknown_task")  # type: ignore[union-attr]
    assert "did you mean 'intent'?" in misspelt.detail  # type: ignore[union-attr]


def test_a_fault_of_a_task_names_it(tmp_path: Path) -> None:
    objective, _, _ = headed(tmp_path / "base")
    rows = [replace(row, labels=("a",)) if row.labels else row for row in samples()]
    with pytest.raises(DataError, match="task intent: all 16 training rows have the class 'a'"):
        objective.encoder.learn(rows)
