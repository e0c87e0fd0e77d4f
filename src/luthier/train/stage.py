"""The train stage: base, method and rows to a saved model, with proof of what was trained."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch

from luthier.core.artifact import Artifact
from luthier.core.errors import TrainingError
from luthier.core.events import EventLog, read_events
from luthier.core.files import atomic_folder, write_json
from luthier.data.example import Example
from luthier.kernels.accelerate import accelerate
from luthier.kernels.patch import Part
from luthier.methods.contract import Method, trained_parameters
from luthier.models.heads import head_of, save_head_config
from luthier.models.load import ResultRecord
from luthier.models.multi_head_files import finish_folder
from luthier.objectives.contract import Objective
from luthier.recipe.schema import TrainSection
from luthier.train.checkpoint import CheckpointStore, TrainState
from luthier.train.loop import Loop
from luthier.train.tracking import TensorBoardTracker

HISTORY_FILE = "training_history.json"
"""Beside the weights: the logged steps and evaluations that made them."""


@dataclass(frozen=True)
class TrainedModel(Artifact):
    """A model in Hugging Face or PEFT layout, and how it came about.

    Args:
        step: Optimizer step whose weights these are.
        num_steps: Steps that were trained.
        eval_loss: Held-out loss of these weights in nats per token, measured by the loop; None without held-out rows.
        num_trainable: Trained parameters.
        num_tokens: Tokens trained on.
        num_items: Supervised tokens trained on.
        seconds: Time spent in steps.
        tensors_moved: Trained tensors that changed, of all trained tensors.
        frozen_unchanged: Whether every frozen tensor has the bytes it had before.
    """

    stage: ClassVar[str] = "train"

    step: int
    num_steps: int
    eval_loss: float | None
    num_trainable: int
    num_tokens: int
    num_items: int
    seconds: float
    tensors_moved: list[int] = field(default_factory=list)
    frozen_unchanged: bool = True

    @property
    def tokens_per_second(self) -> int:
        """Speed over all steps."""
        return round(self.num_tokens / max(self.seconds, 1e-9))


def train(
    load_base: Callable[[], Any],
    method: Method,
    objective: Objective,
    train_rows: Sequence[Example],
    eval_rows: Sequence[Example],
    settings: TrainSection,
    *,
    tokenizer: Any,
    stop_token_ids: Sequence[int],
    record: ResultRecord,
    dtype: torch.dtype,
    micro_batch_tokens: int,
    num_trainable: int,
    seed: int,
    fingerprint: str,
    run_folder: Path,
    events: EventLog,
) -> TrainedModel:
    """Train, or go on from the newest whole checkpoint, and save the result.

    Args:
        load_base: Returns the base model.
        num_trainable: What the plan promised; another number is a bug and stops the run.
        tokenizer: Saved beside the weights.
        stop_token_ids: Written to ``generation_config.json``, so that every server stops where answers end.
        record: Goes beside the weights as ``luthier.json``.
        fingerprint: Of this stage; checkpoints carry it.
        run_folder: Gets ``checkpoints/``, ``tensorboard/`` and ``model/``.

    Raises:
        TrainingError: See its subclasses in `luthier.core.errors`.
    """
    torch.manual_seed(seed)
    model = method.apply(load_base())
    trained = trained_parameters(model)
    if (count := sum(p.numel() for p in trained.values())) != num_trainable:
        raise AssertionError(f"the plan promised {num_trainable} trained parameters, the method made {count}")
    parts = prepare_model(model, settings, dtype)
    events.emit("fast_path", parts=[str(part) for part in parts])
    trained_before = {name: _digest(p) for name, p in trained.items()}
    frozen_before = _frozen_digest(model, trained)

    checkpoints = CheckpointStore(
        run_folder / "checkpoints",
        fingerprint=fingerprint,
        keep=settings.save_total_limit,
        wait_minutes=settings.disk_full_wait_minutes,
        events=events,
    )
    loop = Loop(
        model,
        objective,
        train_rows,
        eval_rows,
        settings,
        dtype=dtype,
        micro_batch_tokens=micro_batch_tokens,
        seed=seed,
        checkpoints=checkpoints,
        events=events,
        hooks=method,
    )
    state = _starting_state(checkpoints, fingerprint, loop.num_steps, events)
    tracker = TensorBoardTracker(run_folder / "tensorboard") if "tensorboard" in settings.report_to else None
    if tracker:
        events.listen(tracker)
    try:
        state = loop.run(state)
    finally:
        if tracker:
            events.unlisten(tracker)
            tracker.close()

    step = state.best_step if settings.load_best_model_at_end and state.best_step else state.step
    if step != state.step:
        loop.load_weights(step)
        events.emit("best_restored", step=step, eval_loss=state.best_eval_loss)
    moved = sum(_digest(p) != trained_before[name] for name, p in trained.items())
    if moved == 0:
        raise TrainingError(
            "no trained weight changed", cure="look at train.learning_rate and the label budget"
        )
    if _frozen_digest(model, trained) != frozen_before:
        raise AssertionError("a frozen weight changed during training")

    folder = run_folder / "model"
    with atomic_folder(folder) as partial:
        method.save(model, partial, dtype)
        tokenizer.save_pretrained(partial)
        finish_folder(model, partial, record)
        if head_of(model).modules:
            save_head_config(model, partial)
        else:
            _save_generation_config(model, stop_token_ids, tokenizer.pad_token_id, partial)
        write_json(partial / HISTORY_FILE, _history(run_folder))
        record.save(partial)
    return TrainedModel(
        folder=folder,
        fingerprint=fingerprint,
        step=step,
        num_steps=state.step,
        eval_loss=state.eval_losses.get(str(step)),
        num_trainable=num_trainable,
        num_tokens=state.num_tokens,
        num_items=state.num_items,
        seconds=round(state.seconds, 2),
        tensors_moved=[moved, len(trained)],
    ).save()


def prepare_model(model: Any, settings: TrainSection, dtype: torch.dtype) -> list[Part]:
    """Put what training needs into a model in place; return which parts run fast, and why others do not."""
    if settings.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    return accelerate(model, compute_dtype=dtype, fused_loss=False).report


def _save_generation_config(
    model: Any, stop_token_ids: Sequence[int], pad_token_id: int, folder: Path
) -> None:
    config = copy.deepcopy(model.generation_config)
    config.eos_token_id, config.pad_token_id = list(stop_token_ids), pad_token_id
    config.save_pretrained(folder)


def _history(run_folder: Path) -> list[dict[str, Any]]:
    """Return logged steps and evaluations; of a step that was done again after a kill, the last."""
    kept = {}
    for event in read_events(run_folder / "events.jsonl"):
        if event["kind"] in ("mixture", "train_step", "evaluation"):
            kept[event["step"], event["kind"]] = event
    return [kept[key] for key in sorted(kept)]


def _starting_state(
    checkpoints: CheckpointStore, fingerprint: str, num_steps: int, events: EventLog
) -> TrainState:
    step = checkpoints.newest()
    if step is None:
        return TrainState(fingerprint=fingerprint)
    state, _, _ = checkpoints.load(step)
    events.emit("resume", step=step, num_steps=num_steps)
    return state


def _digest(tensor: torch.Tensor) -> str:
    """Return a hash of a tensor's bytes."""
    data = (
        tensor.detach().contiguous().view(torch.uint8)
        if tensor.ndim
        else tensor.detach().reshape(1).view(torch.uint8)
    )
    return hashlib.sha1(data.cpu().numpy().tobytes(), usedforsecurity=False).hexdigest()


def _frozen_digest(model: torch.nn.Module, trained: Collection[str]) -> str:
    """Return one hash over all parameters but those that train, now or later in the run."""
    digest = hashlib.sha1(usedforsecurity=False)
    for name, parameter in model.named_parameters():
        if name not in trained:
            digest.update(name.encode())
            digest.update(_digest(parameter).encode())
    return digest.hexdigest()
