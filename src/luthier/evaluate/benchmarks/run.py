"""Run one task: its items from files, asked by lm-evaluation-harness, answered by our batching."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luthier.core.errors import DataError
from luthier.recipe.evaluate_sections.benchmarks import LOCAL_DATASETS, BenchmarkTask, read_task

_SEED = 1234
"""Of the draw of solved examples, as in lm-evaluation-harness."""


@dataclass(frozen=True)
class MetricValues:
    """One metric of a task, item by item.

    Args:
        name: With its filter's name, where the task has filters.
        values: Of each item: a number, or what `aggregate` takes.
        aggregate: From values to the figure.
        kind: Name of that function in lm-evaluation-harness, e.g. ``mean``.
        lower_is_better: Direction.
    """

    name: str
    values: Sequence[Any]
    aggregate: Callable[[Sequence[Any]], float]
    kind: str
    lower_is_better: bool


@dataclass(frozen=True)
class TaskRun:
    """What a model did in a task.

    Args:
        name: Of the task.
        num_fewshot: Solved examples before each question.
        metrics: What was measured.
        texts: Question of each item, without solved examples.
        answers: What was answered to each item: log-likelihoods of the choices, or a text.
    """

    name: str
    num_fewshot: int
    metrics: list[MetricValues]
    texts: list[str]
    answers: list[Any]


def load_task(section: BenchmarkTask, folder: Path) -> Any:
    """Return a task of lm-evaluation-harness, its rows read.

    Args:
        section: Of the recipe.
        folder: Relative paths start here.

    Raises:
        DataError: It is no task file, wants the network, or its rows cannot be read.
    """
    from lm_eval.tasks import TaskManager

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    path = (folder / section.path).resolve()
    content = read_task(path)
    if content is None or not isinstance(content.get("task"), str):
        raise DataError(
            "is no task file of lm-evaluation-harness",
            where=str(path),
            cure="a YAML file with the key `task`",
        )
    source = str(content.get("dataset_path", ""))
    if source not in LOCAL_DATASETS and not (path.parent / source).is_dir():
        raise DataError(
            f"dataset_path {source or '(none)'} would be fetched from the network",
            where=str(path),
            cure="keep the rows beside it: dataset_path: json, dataset_kwargs: {data_files: {test: items.jsonl}}",
        )
    try:
        with contextlib.chdir(path.parent):  # where the files of its rows are named from
            manager = TaskManager(include_defaults=False)
            (task,) = manager.load([str(path)])["tasks"].values()
            task.set_fewshot_seed(_SEED)
    except Exception as error:
        # Task files may hold code and templates of any kind, and fail in any way.
        raise DataError(f"cannot be loaded: {error}", where=str(path)) from error
    if section.num_fewshot is not None:
        task.set_config(key="num_fewshot", value=section.num_fewshot)
    return task


def run_task(task: Any, model: Any, *, limit: int | None, apply_chat_template: bool) -> TaskRun:
    """Ask a model the items of a task.

    Args:
        task: From `load_task`; used once.
        model: A `HarnessModel`.
        limit: Only the first items, this many.
        apply_chat_template: Ask in the model's chat template.
    """
    from lm_eval.evaluator import evaluate

    name = task.config.task
    found: Any = evaluate(
        model,
        {"tasks": {name: task}, "groups": {}, "group_map": {}},
        limit=limit,
        bootstrap_iters=0,
        log_samples=True,
        apply_chat_template=apply_chat_template,
    )
    samples: list[dict[str, Any]] = found["samples"][name]
    aggregations, directions = task.aggregation(), task.higher_is_better()
    filters = list(dict.fromkeys(sample["filter"] for sample in samples))
    first = [sample for sample in samples if sample["filter"] == filters[0]]
    metrics = []
    for kept in filters:
        of_filter = [sample for sample in samples if sample["filter"] == kept]
        for metric in of_filter[0]["metrics"]:
            if metric not in aggregations:
                continue
            aggregate = aggregations[metric]
            metrics.append(
                MetricValues(
                    metric if kept == "none" else f"{metric}.{kept}",
                    [sample[metric] for sample in of_filter],
                    aggregate,
                    getattr(aggregate, "__name__", ""),
                    not directions.get(metric, True),
                )
            )
    return TaskRun(
        name,
        int(task.config.num_fewshot or 0),
        metrics,
        [_question(task, sample["doc"]) for sample in first],
        [sample["filtered_resps"] for sample in first],
    )


def _question(task: Any, doc: Any) -> str:
    """Return what an item asks, with what it is answered by."""
    asked, answer = task.doc_to_text(doc), task.doc_to_target(doc)
    choices = task.doc_to_choice(doc) if task.config.doc_to_choice is not None else None
    if choices and isinstance(answer, int) and 0 <= answer < len(choices):
        answer = choices[answer]
    parts = [part if isinstance(part, str) else "" for part in (asked, answer)]
    return " ".join(part for part in parts if part)
