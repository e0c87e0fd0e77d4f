"""Live progress of a run: bars on a terminal, plain lines elsewhere, both from the run's events."""

from __future__ import annotations

import sys
import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

_PLAIN_SECONDS = 10.0


def make_progress(*, json_lines: bool) -> Any:
    """Return the listener that fits where the output goes."""
    if json_lines:
        return SilentProgress()
    return LiveProgress() if sys.stderr.isatty() else PlainProgress()


class SilentProgress:
    """Shows nothing: with ``--json`` only the result is printed."""

    def __call__(self, event: dict[str, Any]) -> None:
        """Ignore an event."""

    def close(self) -> None:
        """Do nothing."""


def _sentence(event: dict[str, Any]) -> str | None:
    """Return the line that both renderings print for an event, or None."""
    match event["kind"]:
        case "stage":
            details = f": {event['detail']}" if event.get("detail") else ""
            return f"{event['stage']}: {event['status']}{details}"
        case "step":
            return f"{event['stage']}: {event['name']}"
        case "phase":
            return f"{event['name']}: {event['objective']}"
        case "resume":
            return f"going on from step {event['step']} of {event['num_steps']}"
        case "evaluation":
            best = ", the best so far" if event["is_best"] else ""
            return f"step {event['step']}: held-out loss {event['eval_loss']:.4f}{best}"
        case "early_stop":
            return f"early stop at step {event['step']}; the best loss was {event['best_loss']:.4f}"
        case "best_restored":
            return (
                f"the result is step {event['step']}, with the lowest held-out loss {event['eval_loss']:.4f}"
            )
        case "warning" | "disk_full":
            return f"warning: {event['message']}"
        case "notice":
            return f"note: {event['message']}"
    return None


def _numbers(event: dict[str, Any]) -> str:
    return (
        f"loss {event['loss']:.4f}  lr {event['learning_rate']:.2e}  "
        f"{event['tokens_per_second']:,.0f} tok/s  {event['memory_bytes'] / 1e9:.1f} GB"
    )


class PlainProgress:
    """One line per event that matters, a training line every ten seconds."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._last = 0.0
        self._num_steps = 0
        self._begun = (0, 0.0)

    def __call__(self, event: dict[str, Any]) -> None:
        """Print what an event says."""
        if sentence := _sentence(event):
            self._console.print(sentence, markup=False)
        elif event["kind"] == "train_begin":
            self._num_steps = event["num_steps"]
            self._begun = (event["step"], event["time"])
        elif event["kind"] in ("train_step", "progress") and self._is_time(event):
            self._console.print(self._line(event), markup=False)

    def _is_time(self, event: dict[str, Any]) -> bool:
        if time.monotonic() - self._last < _PLAIN_SECONDS and event.get("step") != self._num_steps:
            return False
        self._last = time.monotonic()
        return True

    def _line(self, event: dict[str, Any]) -> str:
        if event["kind"] == "progress":
            of_all = f"/{event['total']}" if event["total"] else " so far"
            return f"{event['stage']}: {event['done']}{of_all}"
        # From the whole of this start: single steps differ too much in length.
        step, begun = self._begun
        seconds = (event["time"] - begun) / (event["step"] - step) * (self._num_steps - event["step"])
        return f"step {event['step']}/{self._num_steps}  {_numbers(event)}  {seconds:,.0f} s left"

    def close(self) -> None:
        """Do nothing: every line is complete."""


class LiveProgress:
    """A Rich bar for training and one for each other long stage."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[numbers]}"),
            TimeRemainingColumn(compact=True),
            console=Console(stderr=True),
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._progress.start()

    def __call__(self, event: dict[str, Any]) -> None:
        """Draw what an event says."""
        if sentence := _sentence(event):
            style = "yellow" if event["kind"] in ("warning", "disk_full") else None
            self._progress.console.print(sentence, style=style, markup=False, highlight=False)
        match event["kind"]:
            case "train_begin":
                self._update("train", event["step"], event["num_steps"], "")
            case "train_step":
                self._update("train", event["step"], None, _numbers(event))
            case "train_end":
                self._remove("train")
            case "progress":
                self._update(event["stage"], event["done"], event["total"], "")
            case "stage" if event["status"] != "begin":
                self._remove(event["stage"])
            case "step":
                self._remove(event["stage"])  # what was counted is complete

    def _update(self, name: str, done: int, total: int | None, numbers: str) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=total, numbers=numbers)
        if total is None:
            self._progress.update(self._tasks[name], completed=done, numbers=numbers)
        else:
            self._progress.update(self._tasks[name], completed=done, total=total, numbers=numbers)

    def _remove(self, name: str) -> None:
        if name in self._tasks:
            self._progress.remove_task(self._tasks.pop(name))

    def close(self) -> None:
        """Take the bars away."""
        self._progress.stop()
