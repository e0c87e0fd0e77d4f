"""What cannot be run in `evaluate.benchmarks`: files that are no tasks, rows that only the network has."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from luthier.core.errors import Fault
from luthier.recipe.evaluate_sections.benchmarks import LOCAL_DATASETS, BenchmarksSection, read_task
from luthier.recipe.schema import Recipe


def check_benchmarks(recipe: Recipe, section: BenchmarksSection, folder: Path) -> Iterator[Fault]:
    """Yield the faults of the tasks.

    Args:
        recipe: The recipe.
        section: Its benchmarks.
        folder: Relative paths start here.
    """
    if recipe.objective.has_head:
        problem = f"objective {recipe.objective.name} has a head, which no benchmark asks"
        yield Fault("evaluate.benchmarks", problem, "leave it out")
    if importlib.util.find_spec("lm_eval") is None:
        yield Fault(
            "evaluate.benchmarks",
            "needs lm-eval, which is not installed",
            "pip install 'luthier[benchmarks]'",
        )
    names: list[str] = []
    for number, task in enumerate(section.tasks):
        path = f"evaluate.benchmarks.tasks[{number}].path"
        if not (folder / task.path).is_file():
            continue  # told where files are looked for
        content = read_task(folder / task.path)
        if content is None or not isinstance(content.get("task"), str):
            cure = "a YAML file with the keys task, dataset_path, doc_to_text, doc_to_target"
            yield Fault(path, f"{task.path} is no task file of lm-evaluation-harness", cure)
            continue
        source = str(content.get("dataset_path", ""))
        if source not in LOCAL_DATASETS and not ((folder / task.path).parent / source).is_dir():
            problem = f"{task.path}: dataset_path {source or '(none)'} would be fetched from the network"
            cure = "keep the rows beside it: dataset_path: json, dataset_kwargs: {data_files: {test: items.jsonl}}"
            yield Fault(path, problem, cure)
        if content["task"] in names:
            yield Fault(path, f"{task.path}: there is a task {content['task']} already", "name it otherwise")
        names.append(content["task"])
