"""Checkpoints: atomic, verified by hash on load, safetensors only; damaged ones are set aside, aloud."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from luthier.core.errors import CheckpointError, DiskFullError, is_disk_full
from luthier.core.events import EventLog
from luthier.core.files import (
    atomic_folder,
    manifest_faults,
    manifest_of,
    read_json,
    remove_partial,
    write_json,
)
from luthier.core.hashing import short

_WEIGHTS, _OPTIMIZER, _STATE, _MANIFEST = (
    "trained.safetensors",
    "optimizer.safetensors",
    "state.json",
    "manifest.json",
)
_POLL_SECONDS = 5.0


@dataclass
class TrainState:
    """Where a run stands; everything else follows from it and the recipe.

    Args:
        fingerprint: Of the training stage: a checkpoint of another recipe is refused.
        step: Optimizer steps done.
        num_tokens: Tokens trained on.
        num_items: Supervised tokens trained on.
        seconds: Time spent training.
        best_step: Step of the lowest held-out loss; 0 before the first evaluation.
        best_eval_loss: That loss in nats per token.
        num_evaluations_without_improvement: For early stopping.
        eval_losses: Held-out loss by step.
        balance: What weighing several tasks has learnt; empty where there is one.
    """

    fingerprint: str
    step: int = 0
    num_tokens: int = 0
    num_items: int = 0
    seconds: float = 0.0
    best_step: int = 0
    best_eval_loss: float | None = None
    num_evaluations_without_improvement: int = 0
    eval_losses: dict[str, float] = field(default_factory=dict)
    balance: dict[str, Any] = field(default_factory=dict)


class CheckpointStore:
    """The checkpoints of one run.

    Args:
        folder: Holds ``step-N`` folders.
        fingerprint: Of the training stage.
        keep: Newest checkpoints to keep; the best is kept besides.
        wait_minutes: How long to wait for room on a full disk.
        events: Told about every checkpoint written, found damaged or waited for.
    """

    def __init__(
        self, folder: Path, *, fingerprint: str, keep: int, wait_minutes: float, events: EventLog
    ) -> None:
        self._folder = folder
        self._fingerprint = fingerprint
        self._keep = keep
        self._wait_seconds = wait_minutes * 60
        self._events = events

    def path(self, step: int) -> Path:
        """Return the folder of a step's checkpoint."""
        return self._folder / f"step-{step}"

    def steps(self) -> list[int]:
        """Return the steps that have a checkpoint, newest first."""
        found = (
            [p.name.removeprefix("step-") for p in self._folder.glob("step-*")]
            if self._folder.is_dir()
            else []
        )
        return sorted((int(step) for step in found if step.isdigit()), reverse=True)

    def save(
        self, state: TrainState, weights: Mapping[str, torch.Tensor], optimizer: Mapping[str, torch.Tensor]
    ) -> None:
        """Write a checkpoint; on a full disk, say so and wait. Older ones are deleted only after it is whole.

        Raises:
            DiskFullError: No room appeared in time; the previous checkpoint is untouched.
        """
        needed = sum(t.numel() * t.element_size() for t in (*weights.values(), *optimizer.values()))

        def write() -> None:
            with atomic_folder(self.path(state.step)) as partial:
                save_file({k: v.contiguous() for k, v in weights.items()}, partial / _WEIGHTS)
                save_file({k: v.contiguous() for k, v in optimizer.items()}, partial / _OPTIMIZER)
                write_json(partial / _STATE, asdict(state))
                write_json(partial / _MANIFEST, manifest_of(partial))

        self._folder.mkdir(parents=True, exist_ok=True)
        self._with_room(write, needed, state.step)
        self._events.emit("checkpoint", step=state.step, folder=str(self.path(state.step)))
        self._prune(state.best_step)

    def _with_room(self, write: Callable[[], None], needed_bytes: int, step: int) -> None:
        """Call ``write`` until it does not fail for lack of room."""
        deadline = time.monotonic() + self._wait_seconds
        is_announced = False
        while True:
            try:
                write()
                return
            except Exception as error:
                if not is_disk_full(error):
                    raise
                free = shutil.disk_usage(self._folder).free
                problem = (
                    f"the disk is full: the checkpoint of step {step} needs {needed_bytes / 1e6:,.2f} MB, "
                    f"{free / 1e6:,.2f} MB are free in {self._folder}"
                )
                if time.monotonic() >= deadline:
                    newest = f"step {self.steps()[0]} is whole" if self.steps() else "there was none before"
                    cure = f"make room and run again: the run continues from its last checkpoint ({newest})"
                    raise DiskFullError(problem, cure=cure) from error
            if not is_announced:
                self._events.emit(
                    "disk_full", step=step, message=f"{problem}; the run is paused until there is room"
                )
                is_announced = True
            time.sleep(min(_POLL_SECONDS, max(0.0, deadline - time.monotonic())))

    def _prune(self, best_step: int) -> None:
        for step in self.steps()[self._keep :]:
            if step != best_step:
                shutil.rmtree(self.path(step))

    def newest(self) -> int | None:
        """Return the step of the newest checkpoint that verifies; set damaged ones aside and say so.

        Raises:
            CheckpointError: The newest whole checkpoint belongs to another recipe.
        """
        for leftover in remove_partial(self._folder):
            self._events.emit(
                "warning", message=f"deleted {leftover.name}, half-written when the last run was killed"
            )
        for step in self.steps():
            faults = self._faults(step)
            if not faults:
                return step
            aside = self._folder / f"damaged-step-{step}"
            shutil.rmtree(aside, ignore_errors=True)
            self.path(step).rename(aside)
            self._events.emit(
                "warning",
                message=f"checkpoint step-{step} is damaged ({'; '.join(faults)}); moved to {aside.name}",
            )
        return None

    def _faults(self, step: int) -> list[str]:
        folder = self.path(step)
        try:
            faults = manifest_faults(folder, read_json(folder / _MANIFEST))
            state = read_json(folder / _STATE) if not faults else {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            return [f"{type(error).__name__}: {error}"]
        if not faults and state["fingerprint"] != self._fingerprint:
            raise CheckpointError(
                f"was made by another recipe (fingerprint {short(state['fingerprint'])}…, "
                f"this one has {short(self._fingerprint)}…)",
                where=str(folder),
                cure="run the recipe it belongs to, or `luthier run --fresh` to start over",
            )
        return faults

    def load(self, step: int) -> tuple[TrainState, dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """Return state, trained weights and optimizer tensors of a checkpoint, verified by hash.

        Raises:
            CheckpointError: It is missing or damaged.
        """
        folder = self.path(step)
        if not folder.is_dir():
            raise CheckpointError("does not exist", where=str(folder))
        if faults := self._faults(step):
            raise CheckpointError(f"is damaged: {'; '.join(faults)}", where=str(folder))
        state = TrainState(**read_json(folder / _STATE))
        return state, load_file(folder / _WEIGHTS), load_file(folder / _OPTIMIZER)
