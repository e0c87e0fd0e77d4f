"""How well a model does in each group, where it says no classes: held-out loss, F1 of entities, exact answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from luthier.evaluate.examination import Figure
from luthier.evaluate.fairness.compare import Against, Disparity, Drawn, compare_groups
from luthier.evaluate.fairness.groups import Grouping
from luthier.evaluate.fairness.rates import Flags
from luthier.evaluate.statistics import Resampling, Values
from luthier.objectives.contract import Table

# Shapes: N rows, K figures of a row, S draws, G groups.

_FIGURES = {
    "eval_loss": ("loss_difference", "Loss (nats)"),
    "f1": ("f1_difference", "F1"),
    "exact_match": ("exact_match_difference", "Exact match"),
}


@dataclass(frozen=True)
class Quality:
    """A metric as figures of each row.

    Args:
        metric: Its name, e.g. ``eval_loss``.
        figures_NK: A line per row.
        statistic: From sums [..., K] to the metric.
    """

    metric: str
    figures_NK: Values
    statistic: Callable[[Values], Values]

    @property
    def title(self) -> str:
        """For people."""
        return _FIGURES[self.metric][1]


def is_compared(metric: str) -> bool:
    """Whether groups are compared by a metric."""
    return metric in _FIGURES


def draw_quality(quality: Quality, grouping: Grouping, chosen: Flags, how: Resampling) -> Drawn | str:
    """Draw the metric in each chosen group by resampling its rows; or say for which group it does not exist."""
    generator = np.random.default_rng(how.seed)
    values, draws, weights = [], [], []
    for number in np.flatnonzero(chosen):
        own_NK = quality.figures_NK[grouping.group_N == number]
        with np.errstate(all="ignore"):
            value = float(quality.statistic(own_NK.sum(axis=0)))
            times_SN = generator.multinomial(
                len(own_NK), np.full(len(own_NK), 1 / len(own_NK)), size=how.samples
            )
            draws_S = quality.statistic(times_SN @ own_NK)
        if not np.isfinite(value):
            return f"group {grouping.groups[number]!r} has no {quality.title}: nothing in it is measured"
        values.append(value)
        # A draw without anything to measure is that of the group as it is.
        draws.append(np.where(np.isfinite(draws_S), draws_S, value))
        weights.append(float(len(own_NK)))
    return Drawn(np.array(values), np.stack(draws, axis=1), np.array(weights))


def judge_quality(
    quality: Quality,
    grouping: Grouping,
    chosen: Flags,
    how: Resampling,
    against: Against,
    *,
    doubt: str = "",
) -> tuple[Figure, Disparity | None]:
    """Return how unlike groups are by one metric; undefined where there is a doubt about the groups."""
    name, title = _FIGURES[quality.metric]
    drawn = doubt or draw_quality(quality, grouping, chosen, how)
    found = None if isinstance(drawn, str) else compare_groups([drawn], how, against)
    figure = Figure(
        name=f"fairness.{grouping.name}.{name}",
        title=f"{title}: difference by {grouping.name}",
        value=None if found is None else found.difference,
        lower_is_better=True,
        num_rows=int(grouping.sizes[chosen].sum()),
        why_undefined=drawn if isinstance(drawn, str) else "",
    )
    return figure, found


def quality_table(qualities: Sequence[Quality], grouping: Grouping, how: Resampling) -> Table:
    """Return the metrics of each group, with bootstrap intervals."""
    tail = (1.0 - how.confidence) / 2.0
    lines: list[list[Any]] = []
    for number, group in enumerate(grouping.groups):
        cells = []
        for quality in qualities:
            alone = np.arange(len(grouping.groups)) == number
            drawn = draw_quality(quality, grouping, alone, how) if grouping.sizes[number] else ""
            if isinstance(drawn, str):
                cells.append("–")
                continue
            low, high = np.quantile(drawn.draws_SG[:, 0], [tail, 1.0 - tail])
            cells.append(f"{drawn.value_G[0]:.3f} ({low:.3f} to {high:.3f})")
        lines.append([group, int(grouping.sizes[number]), *cells])
    columns = ("Group", "Rows", *(quality.title for quality in qualities))
    return Table(f"Quality by {grouping.name}", columns, lines, "–: nothing to measure in the group.")
