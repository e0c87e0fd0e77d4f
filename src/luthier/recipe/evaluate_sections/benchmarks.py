"""`evaluate.benchmarks` in a recipe: tasks of lm-evaluation-harness, before and after tuning."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field

from luthier.recipe.evaluate_sections.examination import ExaminationSection
from luthier.recipe.section import PositiveInt, Section

LOCAL_DATASETS = ("json", "csv", "parquet", "text", "arrow")
"""Values of ``dataset_path`` that read files; all others are names on the hub."""

_DEFAULT_METRICS = {
    "multiple_choice": ("acc", "acc_norm"),
    "loglikelihood": ("perplexity", "acc"),
    "loglikelihood_rolling": ("word_perplexity", "byte_perplexity", "bits_per_byte"),
    "generate_until": ("exact_match",),
}
"""What lm-evaluation-harness measures where a task names no metric."""


class _TaskLoader(yaml.SafeLoader):
    """Reads task files, whose ``!function module.name`` no plain YAML reader knows."""


_TaskLoader.add_constructor("!function", lambda loader, node: f"!function {node.value}")


class BenchmarkTask(Section):
    """One task file."""

    path: str = Field(
        description="YAML file of the task, as lm-evaluation-harness reads it; its rows lie in files."
    )
    num_fewshot: Annotated[int, Field(ge=0)] | None = Field(
        None, description="Solved examples before each question; default: what the file says."
    )
    limit: PositiveInt | None = Field(None, description="Only the first items, this many.")


class BenchmarksSection(ExaminationSection):
    """Tasks of lm-evaluation-harness, run offline and in our batches, for base and result."""

    tasks: list[BenchmarkTask] = Field(min_length=1, description="Task files.")
    batch_size: PositiveInt | Literal["auto"] = Field(
        "auto", description="Prompts of a forward pass; changes speed and memory, no answer."
    )
    apply_chat_template: bool = Field(False, description="Ask in the model's chat template.")
    contamination: bool = Field(
        True,
        description="Note which items share a passage with the training rows, and the figures without them.",
    )

    @property
    def figure_names(self) -> tuple[str, ...]:
        """See `ExaminationSection`; the files tell the names."""
        return ("benchmarks.*",)

    @property
    def files(self) -> tuple[str, ...]:
        """The task files."""
        return tuple(task.path for task in self.tasks)

    def figure_names_in(self, folder: Path) -> tuple[str, ...]:
        """Return ``benchmarks.TASK.METRIC``, and the metric with its filter's name where the task has filters."""
        names: list[str] = []
        for task in self.tasks:
            if (content := read_task(folder / task.path)) is None:
                return self.figure_names  # told as a fault of the file
            names += [f"benchmarks.{content.get('task')}.{metric}" for metric in _metrics_of(content)]
            if self.contamination:
                names.append(f"benchmarks.{content.get('task')}.contaminated")
        return tuple(names)

    def files_in(self, folder: Path) -> tuple[str, ...]:
        """Return the task files, those that they include, and the files of rows that they name."""
        found: list[str] = []
        for task in self.tasks:
            found.append(task.path)
            content = read_task(folder / task.path)
            if content is None:
                continue
            beside = Path(task.path).parent
            named = [*content.get("included", ()), *data_files_of(content)]
            found += [str(beside / name) for name in named]
        return tuple(dict.fromkeys(found))


def read_task(path: Path) -> dict[str, Any] | None:
    """Return the content of a task file over that of the files it includes; None where one cannot be read."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_TaskLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None
    if not isinstance(content, dict):
        return None
    named = content.pop("include", None) or []
    merged: dict[str, Any] = {"included": []}
    for name in [named] if isinstance(named, str) else named:
        below = read_task(path.parent / name)
        if below is None:
            return None
        merged = {**merged, **below, "included": [*merged["included"], name, *below["included"]]}
    return {**merged, **content}


def data_files_of(content: Mapping[str, Any]) -> list[str]:
    """Return the files of rows that a task names."""
    options = content.get("dataset_kwargs")
    named = options.get("data_files") if isinstance(options, dict) else None
    parts = named.values() if isinstance(named, dict) else [named]
    files = [name for part in parts for name in (part if isinstance(part, list) else [part])]
    return [name for name in files if isinstance(name, str)]


def _metrics_of(content: Mapping[str, Any]) -> list[str]:
    listed = content.get("metric_list")
    metrics = [each.get("metric") for each in listed if isinstance(each, dict)] if listed else []
    known = [str(metric) for metric in metrics] or list(
        _DEFAULT_METRICS.get(str(content.get("output_type", "generate_until")), ())
    )
    filters = [each.get("name") for each in content.get("filter_list") or () if isinstance(each, dict)]
    if "process_results" in content:
        known.append("*")  # code says what is measured
    return [f"{metric}.{name}" for metric in known for name in filters] if filters else known
