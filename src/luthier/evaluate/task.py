"""The evaluate stage of a task with a head: the result against a baseline, judged, proved and told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from luthier.core.errors import DataError
from luthier.data.sample import Sample
from luthier.evaluate.asked import Asked, Partner
from luthier.evaluate.clusters import clusters_of, figures_by_cluster
from luthier.evaluate.judged import ChampionResult
from luthier.evaluate.metrics import Clusters, Comparison, compare_figures, of_distance
from luthier.evaluate.parity import prove_merge, prove_reload, proves_merge
from luthier.evaluate.report import Report, conclude
from luthier.evaluate.statistics import Resampling, Values, sums_intervals
from luthier.methods.contract import Method
from luthier.objectives.contract import Measure, TaskEvaluator

_MERGED_ROWS = 4


def evaluate_task(
    asked: Asked,
    evaluator: TaskEvaluator,
    model_folder: Path,
    partner: Partner | None = None,
    *,
    method: Method | None,
    trained_loss: float | None,
) -> Report:
    """Measure result and baseline, examine the result, judge the gates, prove parity, and write the report.

    Args:
        asked: What the recipe asks for, and of which model.
        evaluator: Of the objective.
        model_folder: The saved result.
        partner: Another model that it is compared with; None takes the baseline of the task.
        method: Merges adapters, for the proof; None for a model that was made elsewhere, of which nothing is proved.
        trained_loss: Held-out loss that the loop measured for these weights; None if it did not.

    Raises:
        ModelError: The saved weights do not compute what the trained ones did.
    """
    subject, settings = asked.subject, asked.settings
    rows, samples, how = subject.held_out.rows, subject.held_out.samples, subject.how
    if not len(rows):
        raise DataError("there are no held-out rows to evaluate on", cure="data.eval.split: 0.1")
    champion = asked.champion
    others = [one for one in (partner, champion.partner if champion else None) if one is not None]
    total = len(rows) * (1 + len(others))

    def predicted(model: Any, before: int) -> Any:
        def tell(done: int) -> None:
            asked.events.emit("progress", stage="evaluate", done=before + done, total=total)

        return evaluator.predict(model, rows, samples, dtype=subject.dtype, on_progress=tell)

    said = predicted(subject.load(), 0)
    tuned = evaluator.measures(said, rows, samples)
    of_others = [
        evaluator.measures(predicted(one.load(), len(rows) * number), rows, samples)
        for number, one in enumerate(others, start=1)
    ]
    before = of_others[0] if partner else evaluator.measures(evaluator.baseline(rows, samples), rows, samples)
    name = partner.name if partner else "baseline"
    comparisons = compare_measures(before, tuned, settings.metrics, how, samples, partner=name)
    result = None
    if champion is not None:
        result = ChampionResult(champion.uri, (), champion.why_none, champion.is_absent)
        if champion.partner is not None:
            against = compare_measures(
                of_others[-1], tuned, settings.metrics, how, samples, partner="champion"
            )
            result = replace(result, comparisons=against)
    tables, details = evaluator.details(said, rows, samples, partial(_intervals, how, samples))
    proofs: dict[str, Any] = {}
    if trained_loss is not None:
        reloaded = next(c.tuned.value for c in comparisons if c.metric == "eval_loss")
        proofs["reload"] = prove_reload(trained_loss, reloaded)
    if method is not None and proves_merge(model_folder):
        subject.shelf.clear()  # the proof loads one of its own
        proofs["merge"] = prove_merge(model_folder, method, rows[:_MERGED_ROWS])
    return conclude(
        asked,
        comparisons,
        result,
        proofs,
        generations=[],
        tables=[asdict(table) for table in tables],
        task=details,
    )


def _intervals(
    how: Resampling,
    samples: Sequence[Sample],
    figures_NK: Values,
    statistic: Callable[[Values], Values],
) -> tuple[Values, Values, Values]:
    # Of several tasks, each has the rows of its own, of which only the metrics know what they share.
    shared = clusters_of(samples, samples) if len(samples) == len(figures_NK) else None
    return sums_intervals(figures_by_cluster(figures_NK, shared), statistic, how)


def compare_measures(
    before: Sequence[Measure],
    tuned: Sequence[Measure],
    wanted: Sequence[str],
    how: Resampling,
    samples: Sequence[Sample],
    *,
    partner: str = "baseline",
) -> list[Comparison]:
    """Return the wanted metrics of both, and the loss."""
    comparisons = []
    for one, other in zip(before, tuned, strict=True):
        kind = one.name.rpartition(".")[2]  # of several tasks: TASK.METRIC
        if kind != "eval_loss" and kind not in wanted:
            continue
        found = compare_figures(
            one.name,
            one.title,
            one.figures_NK,
            other.figures_NK,
            one.statistic,
            how,
            _clusters(one, samples),
            lower_is_better=one.lower_is_better,
        )
        comparisons.append(replace(of_distance(found) if one.is_distance else found, partner=partner))
    return comparisons


def _clusters(measure: Measure, samples: Sequence[Sample]) -> Clusters:
    """Return what each line of a measure shares with others."""
    own = samples if measure.samples is None else measure.samples
    assert len(own) == len(measure.figures_NK), f"{measure.name} has a line for each sample"
    return clusters_of(own, own)
