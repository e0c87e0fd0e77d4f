"""The examination of benchmarks: every task before and after tuning, and what training has seen of its items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from luthier.core.charts import Estimate, interval_chart
from luthier.core.optional import require
from luthier.core.wording import count_of
from luthier.data.sample import Sample
from luthier.evaluate.benchmarks.contamination import TrainedPassages
from luthier.evaluate.benchmarks.figures import figures_of
from luthier.evaluate.benchmarks.run import TaskRun, load_task, run_task
from luthier.evaluate.examination import Examined, Figure, Finding, Picture, Subject
from luthier.evaluate.shares import share_interval
from luthier.models.chat_model import ChatModel
from luthier.objectives.contract import Table
from luthier.recipe.evaluate_sections.benchmarks import BenchmarksSection

_LISTED = 10


@dataclass(frozen=True)
class Benchmarks:
    """Runs the tasks that a recipe names.

    Args:
        section: Of the recipe.
    """

    section: BenchmarksSection

    def examine(self, subject: Subject) -> Examined:
        """Examine a language model.

        Raises:
            DataError: A task file cannot be read, or wants the network.
            MissingDependencyError: lm-evaluation-harness is not installed.
        """
        require("lm_eval", extra="benchmarks", purpose="benchmarks")
        tasks = [load_task(each, subject.recipe_folder) for each in self.section.tasks]  # before any model is
        del tasks
        before = self._run_all(subject, subject.load_base()) if subject.load_base else None
        after = self._run_all(subject, subject.load())
        seen = None
        if self.section.contamination and subject.trained is not None:
            seen = TrainedPassages(_once(subject.trained.samples))
        figures: list[Figure] = []
        findings: list[Finding] = []
        tables: list[Table] = []
        details: dict[str, Any] = {}
        for number, run in enumerate(after):
            base = before[number] if before else None
            found = figures_of(run, base, subject.how)
            figures += found
            findings.append(_verdict(run, found))
            details[run.name] = {"items": len(run.texts), "num_fewshot": run.num_fewshot}
            if seen is not None:
                places = seen.places_of(run.texts)
                figures.append(_contaminated(run, places, subject.how.confidence))
                findings += _contamination_findings(run, places)
                tables += _contamination_tables(run, places)
                details[run.name]["contaminated"] = sum(map(bool, places))
        if self.section.contamination and seen is None:
            text = "Whether the items were trained on is not known"
            cure = "name the training rows in the recipe of the evaluation: data.train"
            findings.append(Finding(text, "the rows that made this model are not known", cure))
        return Examined("benchmarks", "Benchmarks", figures, findings, _pictures(figures), tables, details)

    def _run_all(self, subject: Subject, model: Any) -> list[TaskRun]:
        from luthier.evaluate.benchmarks.harness_model import HarnessModel

        size = self.section.batch_size
        asked = HarnessModel(
            ChatModel(model, subject.tokenizer, subject.template),
            batch_size=None if size == "auto" else size,
            tell=subject.tell,
        )
        return [
            run_task(
                load_task(each, Path(subject.recipe_folder)),
                asked,
                limit=each.limit,
                apply_chat_template=self.section.apply_chat_template,
            )
            for each in self.section.tasks
        ]


def _verdict(run: TaskRun, figures: Sequence[Figure]) -> Finding:
    """Return what a task says of the tuning, told from its first metric."""
    first = figures[0]
    assert first.value is not None
    value = f"{first.value.value:.4g} ({first.value.low:.4g} to {first.value.high:.4g})"
    shots = f", {count_of(run.num_fewshot, 'solved example')} before each" if run.num_fewshot else ""
    items = f"{count_of(len(run.texts), 'item')}{shots}"
    if first.base is None or first.improvement is None:
        return Finding(f"{first.title} is {value}", items)
    gain = first.improvement
    change = f"change {gain.value:+.1%} ({gain.low:+.1%} to {gain.high:+.1%})"
    evidence = f"{first.base.value:.4g} before, {value} after; {change}; {items}"
    if gain.high < 0:
        cure = "train fewer steps or at a lower rate, or mix general rows into the training"
        return Finding(f"Tuning made {run.name} worse", evidence, cure, is_bad=True)
    if gain.low > 0:
        return Finding(f"Tuning made {run.name} better", evidence)
    return Finding(f"Tuning did not change {run.name} beyond chance", evidence)


def _contaminated(run: TaskRun, places: Sequence[str], confidence: float) -> Figure:
    hits = np.array([bool(place) for place in places])
    name, title = (
        f"benchmarks.{run.name}.contaminated",
        f"{run.name}: items that share a passage with training rows",
    )
    return Figure(name, title, share_interval(hits, confidence), lower_is_better=True, num_rows=len(hits))


def _contamination_findings(run: TaskRun, places: Sequence[str]) -> list[Finding]:
    count = sum(map(bool, places))
    if not count:
        return [
            Finding(f"No item of {run.name} stands in the training rows", f"{len(places):,} items compared")
        ]
    clean = []
    for metric in run.metrics:
        kept = [value for value, place in zip(metric.values, places, strict=True) if not place]
        if kept:
            clean.append(f"{metric.name} {float(metric.aggregate(kept)):.4g}")
    rest = f"without them: {', '.join(clean)}" if clean else "no item is left without them"
    first = next(place for place in places if place)
    return [
        Finding(
            f"{count_of(count, 'item')} of {run.name} share a passage with training rows",
            f"of {len(places):,}, e.g. with {first}; {rest}",
            "data.decontaminate: {against: [FILE]} leaves such rows out of the training",
            is_bad=True,
        )
    ]


def _contamination_tables(run: TaskRun, places: Sequence[str]) -> list[Table]:
    shared = [(text, place) for text, place in zip(run.texts, places, strict=True) if place]
    if not shared:
        return []
    rows = [[text[:120], place] for text, place in shared[:_LISTED]]
    note = f"{len(shared) - _LISTED:,} more." if len(shared) > _LISTED else ""
    return [Table(f"{run.name}: items that training has seen", ("Item", "Training row"), rows, note)]


def _pictures(figures: Sequence[Figure]) -> list[Picture]:
    """Return base and result of each figure from 0 to 1, one below the other."""
    estimates = []
    for figure in figures:
        for side, value in (("before", figure.base), ("after", figure.value)):
            if value is not None and figure.base is not None and value.high <= 1.0:
                name = f"{figure.title.partition(': ')[2]}, {side}"
                estimates.append(Estimate(name, value.value, value.low, value.high))
    if not estimates:
        return []
    return [Picture("Before and after tuning", interval_chart(estimates, x_label="share of items"))]


def _once(samples: Sequence[Sample]) -> list[Sample]:
    """Return each row once, whatever number of examples it made."""
    return list({(sample.source, sample.row): sample for sample in samples}.values())
