"""Figures of a benchmark: each metric with its interval, and compared with the base item by item."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from luthier.evaluate.answer_metrics import ratio_of_sums
from luthier.evaluate.benchmarks.run import MetricValues, TaskRun
from luthier.evaluate.examination import Figure
from luthier.evaluate.shares import share_interval
from luthier.evaluate.statistics import Interval, Resampling, Values, compare_sums

_RESAMPLES_OF_ANY = 300
"""Draws of a metric that only its own function can compute."""


def figures_of(run: TaskRun, base: TaskRun | None, how: Resampling) -> list[Figure]:
    """Return the figures of a task.

    Args:
        run: Of the result.
        base: Of what it was tuned from; None where that is not known.
        how: Draws and coverage.
    """
    before = {metric.name: metric for metric in base.metrics} if base else {}
    return [
        _figure(f"benchmarks.{run.name}.{metric.name}", f"{run.name}: {metric.name}", metric,
                before.get(metric.name), how)
        for metric in run.metrics
    ]  # fmt: skip


def _figure(
    name: str, title: str, metric: MetricValues, base: MetricValues | None, how: Resampling
) -> Figure:
    lower, count = metric.lower_is_better, len(metric.values)
    own = _by_sums(metric)
    if own is None:
        value, drawn_before, gain = _by_drawing(metric, base, how)
        return Figure(name, title, value, lower, count, drawn_before, gain)
    sums, statistic = own
    others = _by_sums(base) if base else None
    found = compare_sums(others[0] if others else sums, sums, statistic, how, lower_is_better=lower)
    value, before = found.tuned, found.base
    if metric.kind == "mean" and set(metric.values) <= {0, 1}:
        # Draws of items that were all right are all right, too: they would claim certainty.
        value = share_interval(sums[:, 0] > 0, how.confidence)
        before = share_interval(others[0][:, 0] > 0, how.confidence) if others else before
    if others is None:
        return Figure(name, title, value, lower, count)
    return Figure(name, title, value, lower, count, before, found.improvement)


def _by_sums(metric: MetricValues) -> tuple[Values, Callable[[Values], Values]] | None:
    """Return figures of each item and the statistic of their sums; None for a metric that is none of sums."""
    values = metric.values
    if metric.kind == "mean" and all(isinstance(value, (int, float, np.number)) for value in values):
        return np.stack([np.asarray(values, dtype=np.float64), np.ones(len(values))], axis=1), ratio_of_sums
    if metric.kind == "weighted_perplexity":
        return np.asarray(values, dtype=np.float64), lambda sums: np.exp(-ratio_of_sums(sums))
    if metric.kind == "bits_per_byte":
        return np.asarray(values, dtype=np.float64), lambda sums: -ratio_of_sums(sums) / np.log(2)
    return None


def _by_drawing(
    metric: MetricValues, base: MetricValues | None, how: Resampling
) -> tuple[Interval, Interval | None, Interval | None]:
    """Return value, base and improvement by drawing items and calling the metric's own function."""
    generator, count = np.random.default_rng(how.seed), len(metric.values)
    draws = generator.integers(0, count, size=(min(how.samples, _RESAMPLES_OF_ANY), count))

    def drawn(each: MetricValues) -> list[float]:
        return [float(each.aggregate([each.values[n] for n in draw])) for draw in draws]

    own, value = drawn(metric), float(metric.aggregate(list(metric.values)))
    if base is None:
        return _interval(value, own, how), None, None
    others, before = drawn(base), float(base.aggregate(list(base.values)))
    sign = 1.0 if metric.lower_is_better else -1.0
    gain = None
    if before:
        gains = [sign * (b - t) / abs(b) for b, t in zip(others, own, strict=True) if b]
        gain = _interval(sign * (before - value) / abs(before), gains, how)
    return _interval(value, own, how), _interval(before, others, how), gain


def _interval(value: float, drawn: Sequence[float], how: Resampling) -> Interval:
    tail = (1.0 - how.confidence) / 2.0
    low, high = np.quantile(drawn, [tail, 1.0 - tail])
    return Interval(value, float(low), float(high))
