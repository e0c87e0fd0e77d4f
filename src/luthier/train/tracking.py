"""TensorBoard files from the run's events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_SCALARS = {
    "train_step": ("loss", "learning_rate", "grad_norm", "tokens_per_second", "memory_bytes"),
    "evaluation": ("eval_loss",),
}


def _of_tasks(event: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield name and value of what an event tells of several tasks."""
    for task, told in event.get("tasks", {}).items():
        if event["kind"] == "evaluation":
            yield f"eval/{task}/loss", told
        else:
            yield f"train/{task}/loss", told["loss"]
            yield f"train/{task}/factor", told["factor"]
    for pair, value in event.get("gradient_cosines", {}).items():
        yield f"train/gradient_cosine/{pair.replace(' | ', '_')}", value


class TensorBoardTracker:
    """A listener that writes the numbers of train_step and evaluation events.

    Args:
        folder: Where TensorBoard reads: ``tensorboard --logdir runs``.
    """

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder))

    def __call__(self, event: dict[str, Any]) -> None:
        """Write one event's numbers."""
        for name in _SCALARS.get(event["kind"], ()):
            prefix = "train" if event["kind"] == "train_step" else "eval"
            self._writer.add_scalar(f"{prefix}/{name.removeprefix('eval_')}", event[name], event["step"])
        if "adversary_loss" in event:
            self._writer.add_scalar("train/adversary_loss", event["adversary_loss"], event["step"])
        if event["kind"] in _SCALARS:
            for name, value in _of_tasks(event):
                self._writer.add_scalar(name, value, event["step"])

    def close(self) -> None:
        """Flush and close the file."""
        self._writer.close()
