"""The evaluate stage of a task with a head: the result against a baseline, judged, proved and told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch

from luthier.core.errors import DataError
from luthier.core.events import EventLog
from luthier.evaluate.examination import HeldOut
from luthier.evaluate.gates import check_gates
from luthier.evaluate.metrics import Comparison
from luthier.evaluate.parity import prove_merge, prove_reload, proves_merge
from luthier.evaluate.stage import Report, write_report
from luthier.evaluate.statistics import Resampling, Values, compare_sums, sums_intervals
from luthier.methods.contract import Method
from luthier.models.load import load_trained
from luthier.objectives.contract import Measure, TaskEvaluator
from luthier.recipe.evaluate_sections.evaluate import EvaluateSection
from luthier.recipe.evaluate_sections.gate import Gate

_MERGED_ROWS = 4


def evaluate_task(
    model_folder: Path,
    held_out: HeldOut,
    evaluator: TaskEvaluator,
    settings: EvaluateSection,
    gates: Sequence[Gate],
    *,
    method: Method,
    dtype: torch.dtype,
    trained_loss: float | None,
    story: Mapping[str, Any],
    seed: int,
    folder: Path,
    fingerprint: str,
    events: EventLog,
) -> Report:
    """Measure result and baseline, judge the gates, prove parity, and write the report.

    Args:
        model_folder: The saved result.
        held_out: Rows that were not trained.
        evaluator: Of the objective.
        settings: The recipe's evaluate section.
        gates: The recipe's gates.
        method: Merges adapters, for the proof.
        dtype: Type of the computation.
        trained_loss: Held-out loss that the loop measured for these weights; None if it did not.
        story: What the report tells besides: run, data, training.
        seed: Of resampling.
        folder: Gets the report.
        fingerprint: Of this stage.
        events: Told about the progress.

    Raises:
        ModelError: The saved weights do not compute what the trained ones did.
    """
    rows, samples = held_out.rows, held_out.samples
    if not len(rows):
        raise DataError("there are no held-out rows to evaluate on", cure="data.eval.split: 0.1")
    model, _ = load_trained(model_folder, dtype=dtype)
    total = len(rows)

    def tell(done: int) -> None:
        events.emit("progress", stage="evaluate", done=done, total=total)

    said = evaluator.predict(model, rows, samples, dtype=dtype, on_progress=tell)
    tuned = evaluator.measures(said, rows, samples)
    baseline = evaluator.measures(evaluator.baseline(rows, samples), rows, samples)
    how = Resampling(settings.bootstrap_samples, settings.confidence, seed)
    comparisons = compare_measures(baseline, tuned, settings.metrics, how)
    tables, details = evaluator.details(said, rows, samples, partial(_intervals, how))
    proofs: dict[str, Any] = {}
    if trained_loss is not None:
        reloaded = next(c.tuned.value for c in comparisons if c.metric == "eval_loss")
        proofs["reload"] = prove_reload(trained_loss, reloaded)
    if proves_merge(model_folder):
        proofs["merge"] = prove_merge(model_folder, method, rows[:_MERGED_ROWS])
    return write_report(
        folder,
        fingerprint,
        story,
        comparisons,
        check_gates(gates, comparisons),
        proofs,
        confidence=settings.confidence,
        generations=[],
        tables=[asdict(table) for table in tables],
        task=details,
    )


def _intervals(
    how: Resampling, figures_NK: Values, statistic: Callable[[Values], Values]
) -> tuple[Values, Values, Values]:
    return sums_intervals(figures_NK, statistic, how)


def compare_measures(
    baseline: Sequence[Measure], tuned: Sequence[Measure], wanted: Sequence[str], how: Resampling
) -> list[Comparison]:
    """Return the wanted metrics of both, and the loss."""
    comparisons = []
    for one, other in zip(baseline, tuned, strict=True):
        kind = one.name.rpartition(".")[2]  # of several tasks: TASK.METRIC
        if kind != "eval_loss" and kind not in wanted:
            continue
        found = compare_sums(
            one.figures_NK, other.figures_NK, one.statistic, how, lower_is_better=one.lower_is_better
        )
        comparisons.append(
            Comparison(
                metric=one.name,
                lower_is_better=one.lower_is_better,
                num_rows=len(one.figures_NK),
                base=found.base,
                tuned=found.tuned,
                improvement=found.improvement,
                p_value=found.p_value,
                partner="baseline",
                title=one.title,
            )
        )
    return comparisons
