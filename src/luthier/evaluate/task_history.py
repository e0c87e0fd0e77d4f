"""The training of several tasks, out of its history: a course for each task, and tables of the mixture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Event = Mapping[str, Any]


def history_by_task(history: Sequence[Event]) -> dict[str, list[dict[str, Any]]]:
    """Return steps and evaluations of each task, as those of a run with one task; empty where there is one.

    Args:
        history: Of the run.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for event in history:
        for task, told in event.get("tasks", {}).items():
            if "loss" in event:
                found.setdefault(task, []).append({"step": event["step"], "loss": told["loss"]})
            elif "eval_loss" in event:
                found.setdefault(task, []).append({"step": event["step"], "eval_loss": told})
    return found


def mixture_tables(history: Sequence[Event]) -> list[dict[str, Any]]:
    """Return tables of the tasks' rows and weights, and of their gradients where those were compared.

    Args:
        history: Of the run.
    """
    mixture = next((event["tasks"] for event in history if event.get("kind") == "mixture"), None)
    if mixture is None:
        return []
    steps = [event for event in history if event.get("kind") == "train_step"]
    factors = {task: told["factor"] for event in steps for task, told in event.get("tasks", {}).items()}
    rows = [
        [
            task,
            f"{told['rows']:,}",
            f"{told['drawn']:,}",
            told["most_uses"],
            f"{told['never_used']:,}",
            f"{factors[task]:.3g}" if task in factors else "–",
        ]
        for task, told in mixture.items()
    ]
    columns = ("Task", "Training rows", "Drawn", "Most uses of a row", "Rows never used", "Last loss weight")
    tables = [{"title": "Tasks in training", "columns": columns, "rows": rows, "note": ""}]
    return [*tables, *_conflicts(steps)]


def _conflicts(steps: Sequence[Event]) -> list[dict[str, Any]]:
    """Return the table of gradient cosines; none where they were not measured."""
    found: dict[str, list[float]] = {}
    for event in steps:
        for pair, value in event.get("gradient_cosines", {}).items():
            found.setdefault(pair, []).append(value)
    if not found:
        return []
    rows = [
        [pair, len(values), f"{sum(values) / len(values):.3f}", f"{min(values):.3f}",
         f"{sum(value < 0 for value in values) / len(values):.0%}"]
        for pair, values in found.items()
    ]  # fmt: skip
    columns = ("Tasks", "Logged", "Mean cosine", "Smallest", "Below 0")
    note = (
        "Cosine of the tasks' gradients of the shared weights: below 0 a step for one is against the other."
    )
    return [{"title": "Gradient conflicts", "columns": columns, "rows": rows, "note": note}]
