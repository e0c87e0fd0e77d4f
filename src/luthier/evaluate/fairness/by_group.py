"""Groups compared: rates of a classifier, or the quality of another model, by each field and their combinations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from luthier.core.charts import Estimate, interval_chart
from luthier.core.errors import DataError
from luthier.data.annotation.rates import wilson_interval
from luthier.data.sample import Sample
from luthier.evaluate.examination import Picture, Subject
from luthier.evaluate.fairness.group_findings import (
    tell_constant,
    tell_criterion,
    tell_groups,
    tell_quality,
)
from luthier.evaluate.fairness.groups import Grouping, group_rows
from luthier.evaluate.fairness.part import Part
from luthier.evaluate.fairness.quality import Quality, is_compared, judge_quality, quality_table
from luthier.evaluate.fairness.rates import (
    Flags,
    count_outcomes,
    figures_of,
    judge,
    rates_facts,
    rates_table,
)
from luthier.evaluate.loss import row_losses
from luthier.objectives.classification.evaluator import ClassificationEvaluator
from luthier.objectives.classification.figures import ratio
from luthier.recipe.evaluate_sections.fairness import FairnessSection


def examine_groups(section: FairnessSection, subject: Subject, model: Any) -> Part:
    """Compare groups of held-out rows.

    Raises:
        DataError: No row has a field, there is one group only, or the class does not exist.
    """
    evaluator = subject.objective.evaluator
    if isinstance(evaluator, ClassificationEvaluator):
        return _rates(section, subject, model, evaluator)
    return _qualities(section, subject, model)


def believed(grouping: Grouping, section: FairnessSection) -> tuple[Flags, str]:
    """Return the groups that are compared, and why no comparison is believed; empty where all is well."""
    enough = grouping.sizes >= section.min_group_rows
    if enough.all():
        return enough, ""
    least = section.min_group_rows
    if section.small_groups == "undefined":
        number = int(np.argmin(grouping.sizes))
        return (
            enough,
            f"group {grouping.groups[number]!r} has {grouping.sizes[number]} rows, at least {least} needed",
        )
    if enough.sum() < 2:
        return enough, f"fewer than two groups have {least} rows or more"
    return enough, ""


def _groupings(section: FairnessSection, subject: Subject, samples: Sequence[Sample]) -> list[Grouping]:
    trained = subject.trained.samples if subject.trained else ()
    return [
        group_rows(samples, fields, expected=section.expected, trained=trained)
        for fields in section.groupings
    ]


def _rates(
    section: FairnessSection, subject: Subject, model: Any, evaluator: ClassificationEvaluator
) -> Part:
    rows, samples = subject.held_out.rows, subject.held_out.samples
    positive = section.positive
    if positive is None or positive not in evaluator.labels:
        raise DataError(
            "which class the rates are of is not said"
            if positive is None
            else f"{positive!r} is no class of the model",
            where="evaluate.fairness.positive",
            cure=f"one of: {', '.join(evaluator.labels[:20])}",
        )
    said = evaluator.predict(
        model, rows, samples, dtype=subject.dtype, on_progress=lambda done: subject.tell(done, len(rows))
    )
    number = evaluator.labels.index(positive)
    true_N, said_N = evaluator.true_classes(rows)[:, number], said.said_NC[:, number]
    part = Part(findings=tell_constant(said_N, positive))
    for grouping in _groupings(section, subject, samples):
        chosen, doubt = believed(grouping, section)
        outcomes = count_outcomes(true_N, said_N, grouping)
        judged = judge(outcomes, chosen, positive, subject.how, section.compare_with, doubt=doubt)
        num_rows = int(grouping.sizes[chosen].sum())
        part.figures += figures_of(judged, grouping.name, num_rows)
        part.findings += [*tell_groups(grouping, section), *tell_criterion(judged, grouping, section)]
        confidence = subject.how.confidence
        part.tables.append(rates_table(outcomes, grouping.name, positive, confidence))
        part.details[grouping.name] = rates_facts(outcomes, positive, confidence)
        for name in ("selection_rate", "recall", "false_positive_rate"):
            share = outcomes.shares(positive)[name]
            estimates = [
                Estimate(group, hits / rows, *wilson_interval(hits, rows, confidence))
                for group, hits, rows in zip(
                    outcomes.groups, share.hits_G.tolist(), share.rows_G.tolist(), strict=True
                )
                if rows
            ]
            title = f"{share.title} of {positive} by {grouping.name}"
            part.pictures.append(Picture(title, interval_chart(estimates, x_label=share.title)))
    return part


def _qualities(section: FairnessSection, subject: Subject, model: Any) -> Part:
    if section.positive is not None:
        raise DataError(
            "the model predicts no classes, so no class has rates",
            where="evaluate.fairness.positive",
            cure="leave positive out: groups are compared by loss, and by F1 or exact answers where there are any",
        )
    samples, qualities = _measured(subject, model)
    part = Part()
    for grouping in _groupings(section, subject, samples):
        chosen, doubt = believed(grouping, section)
        part.findings += tell_groups(grouping, section)
        for quality in qualities:
            figure, found = judge_quality(
                quality, grouping, chosen, subject.how, section.compare_with, doubt=doubt
            )
            part.figures.append(figure)
            part.findings.append(tell_quality(quality, figure, found, grouping, chosen))
        part.tables.append(quality_table(qualities, grouping, subject.how))
    return part


def _measured(subject: Subject, model: Any) -> tuple[list[Sample], list[Quality]]:
    """Return what groups are compared by, a line per row, and the sample of each line."""
    rows, samples = subject.held_out.rows, list(subject.held_out.samples)

    def tell(done: int) -> None:
        subject.tell(done, len(rows))

    evaluator = subject.objective.evaluator
    if evaluator is not None:
        said = evaluator.predict(model, rows, samples, dtype=subject.dtype, on_progress=tell)
        measures = [m for m in evaluator.measures(said, rows, samples) if is_compared(m.name)]
        if any(len(m.figures_NK) != len(samples) for m in measures):  # several tasks at once
            measures = []
        if not measures:
            raise DataError(
                "this kind of task is not measured row by row",
                where="evaluate.fairness.groups",
                cure="examine the model of each task by itself: luthier evaluate RUN/model/tasks/NAME",
            )
        return samples, [Quality(m.name, m.figures_NK, m.statistic) for m in measures]
    losses = row_losses(model, subject.objective, rows, dtype=subject.dtype, on_progress=tell)
    # One sample may have made several rows, e.g. one for each turn.
    by_place = {(sample.source, sample.row): sample for sample in samples}
    own = [by_place.get((row.source, row.row)) for row in rows]
    if None in own:
        raise DataError(
            "rows do not tell which sample they come from: documents are joined to blocks",
            where="evaluate.fairness.groups",
            cure="objective.documents: separate",
        )
    figures_NK = np.stack([losses.sums, losses.counts.astype(np.float64)], axis=1)
    return [sample for sample in own if sample is not None], [Quality("eval_loss", figures_NK, ratio)]
