"""The loop's equivalences: accumulation, packing, resuming, and Hugging Face's own Trainer."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from luthier.core.errors import CheckpointError, Interrupted, NonFiniteLossError
from luthier.core.events import EventLog, read_events
from luthier.data.example import IGNORED, Example
from luthier.methods.contract import train_only, trained_parameters
from luthier.methods.full import Full
from luthier.objectives.language_modeling import LanguageModeling
from luthier.recipe.schema import TrainSection
from luthier.train.checkpoint import CheckpointStore, TrainState
from luthier.train.loop import Loop

Made = Callable[..., Any]


def train(
    folder: Path,
    model: Any,
    rows: list[Example],
    eval_rows: list[Example] = [],  # noqa: B006 - never changed
    *,
    stop_after: int | None = None,
    start: TrainState | None = None,
    micro_batch_tokens: int = 64,
    **settings: Any,
) -> tuple[dict[str, torch.Tensor], list[dict[str, Any]], TrainState]:
    """Train a tiny model in float32 and return its weights, the events and the final state."""
    settings = {"learning_rate": 1e-2, "eval_strategy": "epoch" if eval_rows else "no", **settings}
    section = TrainSection.model_validate(settings)
    events: list[dict[str, Any]] = []
    log = EventLog(folder / "events.jsonl")
    log.listen(events.append)
    store = CheckpointStore(
        folder / "checkpoints", fingerprint="f" * 64, keep=2, wait_minutes=0.0, events=log
    )
    Full().apply(model)
    objective = LanguageModeling(encoder=None, packing=section.packing, pad_token_id=0)  # type: ignore[arg-type]
    loop = Loop(
        model,
        objective,
        rows,
        eval_rows,
        section,
        dtype=torch.float32,
        micro_batch_tokens=micro_batch_tokens,
        seed=3,
        checkpoints=store,
        events=log,
    )
    if stop_after is not None:
        log.listen(lambda e: _interrupt(e, stop_after))
    newest = store.newest()
    state = start or (store.load(newest)[0] if newest else TrainState(fingerprint="f" * 64))
    with contextlib.suppress(Interrupted):
        state = loop.run(state)
    return {n: p.detach().clone() for n, p in trained_parameters(model).items()}, events, state


def _interrupt(event: dict[str, Any], step: int) -> None:
    if event["kind"] == "train_step" and event["step"] == step:
        os.kill(os.getpid(), signal.SIGINT)


def assert_close(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor], tolerance: float) -> None:
    for name in one:
        torch.testing.assert_close(one[name], two[name], atol=tolerance, rtol=tolerance, msg=name)


@pytest.mark.parametrize("has_weights", [True, False])
@pytest.mark.parametrize("packing", [True, False])
def test_accumulation_equals_a_larger_batch(
    packing: bool, has_weights: bool, make_tiny_llama: Made, make_rows: Made, tmp_path: Path
) -> None:
    rows = make_rows(16)
    if has_weights:
        rows = [replace(row, weight=0.2 + number % 5) for number, row in enumerate(rows)]
    common = {"packing": packing, "num_train_epochs": 2.0, "max_grad_norm": None}
    large, _, _ = train(tmp_path / "a", make_tiny_llama(), rows, per_device_train_batch_size=8, **common)
    small, _, _ = train(
        tmp_path / "b",
        make_tiny_llama(),
        rows,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=8,
        micro_batch_tokens=1,
        **common,
    )
    assert_close(large, small, 2e-5)


def test_weights_change_training_by_their_ratios_and_never_the_held_out_loss(
    make_tiny_llama: Made, make_rows: Made, tmp_path: Path
) -> None:
    rows, held_out = make_rows(8), make_rows(4, seed=1)
    runs = []
    for name, weights in (("a", [1.0] * 8), ("b", [1.0] * 4 + [3.0] * 4), ("c", [2.0] * 4 + [6.0] * 4)):
        weighted = [replace(row, weight=weight) for row, weight in zip(rows, weights, strict=True)]
        heavy = [replace(row, weight=9.0 + number) for number, row in enumerate(held_out)]
        one, events, _ = train(tmp_path / name, make_tiny_llama(), weighted, heavy, max_steps=2)
        _, plain_events, _ = train(
            tmp_path / f"{name} plain", make_tiny_llama(), weighted, held_out, max_steps=2
        )
        losses = [
            [event["eval_loss"] for event in told if event["kind"] == "evaluation"]
            for told in (events, plain_events)
        ]
        assert losses[0] == losses[1]
        runs.append(one)
    assert_close(runs[1], runs[2], 1e-5)
    assert any((runs[0][name] - runs[1][name]).abs().max() > 1e-3 for name in runs[0])


def test_packing_equals_padding(make_tiny_llama: Made, make_rows: Made, tmp_path: Path) -> None:
    rows = make_rows(16)
    packed, packed_events, _ = train(tmp_path / "a", make_tiny_llama(), rows, packing=True)
    padded, padded_events, _ = train(tmp_path / "b", make_tiny_llama(), rows, packing=False)
    assert_close(packed, padded, 2e-5)
    losses = [
        [e["loss"] for e in events if e["kind"] == "train_step"] for events in (packed_events, padded_events)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_packed_rows_do_not_see_each_other(make_tiny_llama: Made, make_rows: Made) -> None:
    """The loss of a row is the same alone and beside any other row."""
    model = make_tiny_llama()
    objective = LanguageModeling(encoder=None, packing=True, pad_token_id=0)  # type: ignore[arg-type]
    rows = make_rows(4)
    with torch.no_grad():
        alone = sum(objective.loss(model, objective.collate([row])).total.item() for row in rows)
        together = objective.loss(model, objective.collate(rows)).total.item()
        reversed_ = objective.loss(model, objective.collate(rows[::-1])).total.item()
    assert together == pytest.approx(alone, rel=1e-5)
    assert reversed_ == pytest.approx(alone, rel=1e-5)


def test_equals_hugging_face_trainer(make_tiny_llama: Made, make_rows: Made, tmp_path: Path) -> None:
    """Same rows in the same batches, same optimizer: the weights after 8 steps agree with transformers' Trainer."""
    from transformers import Trainer, TrainingArguments

    rows = make_rows(32)
    ours, events, _ = train(
        tmp_path / "ours",
        make_tiny_llama(),
        rows,
        packing=False,
        per_device_train_batch_size=2,
        gradient_accumulation_steps=2,
        lr_scheduler_type="linear",
        warmup_steps=2,
        weight_decay=0.1,
    )
    from luthier.train.batches import StepOrder

    order = StepOrder(len(rows), 4, seed=3)
    in_order = [rows[r] for step in range(order.steps_per_epoch) for r in order.rows(step)]
    model = Full().apply(make_tiny_llama())

    def collate(features: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        longest = max(len(f["input_ids"]) for f in features)

        def pad(key: str, filler: int) -> torch.Tensor:
            return torch.tensor([[*map(int, f[key])] + [filler] * (longest - len(f[key])) for f in features])

        ids = pad("input_ids", 0)
        mask = torch.tensor(
            [[1] * len(f["input_ids"]) + [0] * (longest - len(f["input_ids"])) for f in features]
        )
        return {"input_ids": ids, "attention_mask": mask, "labels": pad("labels", IGNORED)}

    class InOrder(Trainer):
        def _get_train_sampler(self, *args: Any, **kwargs: Any) -> Any:
            return torch.utils.data.SequentialSampler(self.train_dataset)

    arguments = TrainingArguments(
        output_dir=str(tmp_path / "theirs"),
        per_device_train_batch_size=2,
        gradient_accumulation_steps=2,
        num_train_epochs=1,
        learning_rate=1e-2,
        lr_scheduler_type="linear",
        warmup_steps=2,
        weight_decay=0.1,
        logging_steps=1,
        report_to=[],
        save_strategy="no",
        use_cpu=True,
        remove_unused_columns=False,
        disable_tqdm=True,
    )
    dataset = [{"input_ids": r.input_ids, "labels": r.labels} for r in in_order]
    trainer = InOrder(model=model, args=arguments, train_dataset=dataset, data_collator=collate)
    trainer.train()
    theirs = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    losses = [e["loss"] for e in events if e["kind"] == "train_step"]
    assert losses == pytest.approx(theirs, abs=2e-4)  # Trainer rounds what it logs to four digits
    assert_close(ours, {n: p.detach() for n, p in model.named_parameters()}, 2e-4)


def test_resume_after_interrupt_is_bit_equal(make_tiny_llama: Made, make_rows: Made, tmp_path: Path) -> None:
    rows, held_out = make_rows(20), make_rows(6, seed=9)
    settings = {
        "num_train_epochs": 3.0,
        "per_device_train_batch_size": 4,
        "save_strategy": "steps",
        "save_steps": 2,
    }
    whole, _, end = train(tmp_path / "a", make_tiny_llama(attention_dropout=0.2), rows, held_out, **settings)
    train(tmp_path / "b", make_tiny_llama(attention_dropout=0.2), rows, held_out, stop_after=7, **settings)
    resumed, events, state = train(
        tmp_path / "b", make_tiny_llama(attention_dropout=0.2), rows, held_out, **settings
    )
    assert next(e for e in events if e["kind"] == "train_begin")["step"] == 7
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert state.eval_losses == end.eval_losses and state.num_items == end.num_items


def test_dropout_takes_effect(make_tiny_llama: Made, make_rows: Made, tmp_path: Path) -> None:
    rows = make_rows(8)
    without, _, _ = train(tmp_path / "a", make_tiny_llama(), rows, warmup_steps=0)
    with_dropout, _, _ = train(tmp_path / "b", make_tiny_llama(attention_dropout=0.5), rows, warmup_steps=0)
    assert any(not torch.equal(without[name], with_dropout[name]) for name in without)


_KILLED = """
    import sys
    from pathlib import Path
    sys.path.insert(0, {tests!r})
    from tests.train.killed_run import main
    main(Path(sys.argv[1]), int(sys.argv[2]))
"""


def _run_in_a_process(folder: Path, kill_at: int) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).resolve().parents[2]
    script = textwrap.dedent(_KILLED).format(tests=str(root))
    command = [sys.executable, "-c", script, str(folder), str(kill_at)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=root)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The final weights of a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    assert _run_in_a_process(folder, -1).returncode == 0
    return (folder / "final.safetensors").read_bytes()


@pytest.mark.parametrize("kill_at", [4, 9])
def test_kill_9_then_resume_is_bit_equal(kill_at: int, uninterrupted: bytes, tmp_path: Path) -> None:
    """A process killed without warning after step `kill_at`, before it saves, loses the steps since its checkpoint."""
    killed = _run_in_a_process(tmp_path, kill_at)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert _run_in_a_process(tmp_path, -1).returncode == 0
    starts = [e["step"] for e in read_events(tmp_path / "events.jsonl") if e["kind"] == "train_begin"]
    assert starts == [0, (kill_at - 1) // 2 * 2]
    assert (tmp_path / "final.safetensors").read_bytes() == uninterrupted


def test_nan_names_the_row(make_tiny_llama: Made, make_rows: Made, tmp_path: Path) -> None:
    model = make_tiny_llama()
    rows = make_rows(8)
    poison = 96
    with torch.no_grad():
        model.model.embed_tokens.weight[poison] = math.inf
    for row in rows:
        row.input_ids[row.input_ids == poison] = 5
        row.labels[row.labels == poison] = 5
    rows[3].input_ids[2] = poison
    with pytest.raises(NonFiniteLossError, match=r"made\.jsonl, row 4"):
        train(tmp_path, _untied(model), rows)


def _untied(model: Any) -> Any:
    """Give the head weights of its own, so that only rows with the poisoned token are bad."""
    model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.lm_head.weight))
    return model


def test_early_stopping_and_best(make_tiny_llama: Made, make_rows: Made, tmp_path: Path) -> None:
    rows, held_out = make_rows(8), make_rows(4, seed=5)
    settings = {"num_train_epochs": 50.0, "early_stopping_patience": 2, "learning_rate": 5e-2}
    _, events, state = train(tmp_path, make_tiny_llama(), rows, held_out, **settings)
    stopped = [e for e in events if e["kind"] == "early_stop"]
    assert stopped and state.step < 50
    assert state.best_eval_loss == min(state.eval_losses.values())
    assert (tmp_path / "checkpoints" / f"step-{state.best_step}").is_dir()


def test_evaluation_does_not_disturb_training(make_tiny_llama: Made, make_rows: Made, tmp_path: Path) -> None:
    rows = make_rows(12)
    model = {"attention_dropout": 0.3}
    without, _, _ = train(tmp_path / "a", make_tiny_llama(**model), rows, per_device_train_batch_size=4)
    often, _, _ = train(
        tmp_path / "b",
        make_tiny_llama(**model),
        rows,
        make_rows(5, seed=8),
        per_device_train_batch_size=4,
        eval_strategy="steps",
        eval_steps=1,
    )
    assert all(torch.equal(without[name], often[name]) for name in without)


def test_frozen_weights_stay(make_tiny_llama: Made) -> None:
    model = make_tiny_llama()
    train_only(model, {"model.norm.weight"})
    assert list(trained_parameters(model)) == ["model.norm.weight"]


def test_checkpoint_of_another_recipe_is_refused(
    make_tiny_llama: Made, make_rows: Made, tmp_path: Path
) -> None:
    train(tmp_path, make_tiny_llama(), make_rows(4))
    store = CheckpointStore(
        tmp_path / "checkpoints", fingerprint="0" * 64, keep=2, wait_minutes=0, events=EventLog(None)
    )
    with pytest.raises(CheckpointError, match="another recipe"):
        store.newest()


def test_settings_that_change_the_weights(make_tiny_llama: Made, make_rows: Made, tmp_path: Path) -> None:
    """Every key of the train section that governs a step changes the result of the run."""
    rows = make_rows(12)
    base, _, _ = train(tmp_path / "base", make_tiny_llama(), rows, per_device_train_batch_size=4)
    changes: dict[str, Any] = {
        "learning_rate": 5e-3,
        "num_train_epochs": 2.0,
        "max_steps": 2,
        "per_device_train_batch_size": 3,
        "gradient_accumulation_steps": 2,
        "lr_scheduler_type": "constant",
        "warmup_ratio": 0.5,
        "warmup_steps": 2,
        "weight_decay": 0.5,
        "adam_beta1": 0.5,
        "adam_beta2": 0.9,
        "adam_epsilon": 1e-2,
        "max_grad_norm": 1e-3,
    }
    for number, (key, value) in enumerate(changes.items()):
        settings = {"per_device_train_batch_size": 4, key: value}
        changed, _, _ = train(tmp_path / str(number), make_tiny_llama(), rows, **settings)
        assert any(not torch.equal(base[n], changed[n]) for n in base), f"{key} changed nothing"


def test_events_are_json_lines(make_tiny_llama: Made, make_rows: Made, tmp_path: Path) -> None:
    train(tmp_path, make_tiny_llama(), make_rows(8), logging_steps=1, per_device_train_batch_size=4)
    kinds = [json.loads(line)["kind"] for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert kinds.count("train_step") == 2 and kinds[0] == "train_begin" and kinds[-1] == "train_end"
