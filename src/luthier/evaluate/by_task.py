"""Metrics of each task of a generative mixture, named ``TASK.METRIC``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from luthier.data.example import Example
from luthier.data.sample import Sample
from luthier.data.store import tasks_of
from luthier.evaluate.answers import Question
from luthier.evaluate.loss import RowLosses
from luthier.evaluate.metrics import Clusters, Comparison, compare_answers, compare_losses
from luthier.evaluate.statistics import Resampling


def losses_by_task(
    rows: Sequence[Example],
    base: RowLosses,
    tuned: RowLosses,
    how: Resampling,
    clusters: Clusters = None,
) -> list[Comparison]:
    """Return loss and perplexity of both models on the rows of each task.

    Args:
        rows: Held-out rows.
        base: Their losses under the base.
        tuned: Likewise under the result.
        how: Draws and coverage.
        clusters: What each row shares with others.
    """
    tasks = tasks_of(rows)
    found = []
    for task in _names(tasks):
        own = np.flatnonzero([name == task for name in tasks])
        before, after = (RowLosses(losses.sums[own], losses.counts[own]) for losses in (base, tuned))
        found += _named(task, compare_losses(before, after, how, _some(clusters, own)))
    return found


def answers_by_task(
    samples: Sequence[Sample],
    questions: Sequence[Question],
    base: Sequence[str],
    tuned: Sequence[str],
    metrics: Sequence[str],
    how: Resampling,
    clusters: Clusters = None,
    *,
    encoder: str,
) -> list[Comparison]:
    """Return the asked answer metrics on the questions of each task.

    Args:
        samples: Held-out rows, which know their tasks.
        questions: What was asked.
        base: Answers of the base.
        tuned: Answers of the result.
        metrics: Of the recipe.
        how: Draws and coverage.
        clusters: What each question shares with others.
        encoder: Of bert_score.
    """
    task_of = {sample.place: sample.task for sample in samples}
    tasks = [task_of[question.place] for question in questions]
    found = []
    for task in _names(tasks):
        own = [number for number, name in enumerate(tasks) if name == task]
        before, after = ([answers[number] for number in own] for answers in (base, tuned))
        asked = [questions[number] for number in own]
        shared = _some(clusters, own)
        found += _named(task, compare_answers(asked, before, after, metrics, how, shared, encoder=encoder))
    return found


def _some(clusters: Clusters, numbers: Iterable[int]) -> Clusters:
    return None if clusters is None else [clusters[number] for number in numbers]


def _names(tasks: Sequence[str | None]) -> list[str]:
    return sorted({task for task in tasks if task is not None})


_TITLES = {
    "eval_loss": "loss",
    "perplexity": "perplexity",
    "exact_match": "exact match",
    "rouge_l": "ROUGE-L",
}


def _named(task: str, comparisons: Sequence[Comparison]) -> list[Comparison]:
    return [
        replace(each, metric=f"{task}.{each.metric}", title=f"{task}: {_TITLES.get(each.metric, each.title)}")
        for each in comparisons
    ]
