"""Shares of rows as figures that gates may judge: resampled, and never surer than so few rows allow."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf

import numpy as np

from luthier.data.annotation.rates import wilson_interval
from luthier.evaluate.examination import Figure
from luthier.evaluate.robustness.outcome import Outcome
from luthier.evaluate.statistics import Interval, Resampling, Values, compare_sums, sums_intervals
from luthier.recipe.evaluate_sections.robustness import RobustnessSection

# Shapes: N rows; of the two figures of a row the first counts, and the second says whether the row is among those
# that the share is of.


def figures_of(
    section: RobustnessSection, tuned: Outcome, base: Outcome | None, how: Resampling
) -> list[Figure]:
    """Return the figures of the examination, those of all attacks by text first."""
    is_hopeless = not tuned.right_N.any()

    def figure(name: str, title: str, of: Callable[[Outcome], Values], why: str) -> Figure:
        return share_figure(
            f"robustness.{name}",
            title,
            of(tuned),
            None if base is None else of(base),
            how,
            lower_is_better=name.endswith("success_rate"),
            why_undefined="no row was right before the attack" if is_hopeless else why,
        )

    figures = [
        figure("clean_accuracy", "Right before any attack", lambda o: o.accuracy(()), ""),
        share_figure(
            "robustness.stability",
            "Says the same after small changes",
            tuned.stability.figures(),
            None if base is None else base.stability.figures(),
            how,
            lower_is_better=False,
            why_undefined="no row could be changed",
        ),
    ]
    groups: list[tuple[str, str, str, list[str]]] = [
        (f"{name}.", "accuracy", name.replace("_", " "), [name]) for name in section.attacks
    ]
    if tuned.text_attacks:
        groups.insert(0, ("", "attacked_accuracy", "any attack by text", tuned.text_attacks))
    for prefix, accuracy, title, names in groups:
        why = f"{title} found nothing to alter in any row"
        rate = f"{prefix}success_rate"
        figures += [
            figure(rate, f"Broken by {title}", partial(Outcome.success, names=names), why),
            figure(
                f"{prefix}{accuracy}", f"Right after {title}", partial(Outcome.accuracy, names=names), why
            ),
        ]
    return figures


def share_figure(
    name: str,
    title: str,
    tuned_N2: Values,
    base_N2: Values | None,
    how: Resampling,
    *,
    lower_is_better: bool,
    why_undefined: str,
) -> Figure:
    """Return a share as a figure, compared with the base's where that is known.

    The interval comes from resampling rows. As a share of 0 or 1 has no spread to resample, it is widened to
    Wilson's, which knows that 0 of 5 rows prove little.

    Args:
        name: Of the figure.
        title: For people.
        tuned_N2: Of each row; the share is the sum of the first figures by that of the second.
        base_N2: The same of the base; None where it was not examined.
        how: Draws, coverage and seed.
        lower_is_better: Direction.
        why_undefined: What is missing where no row is among those that the share is of.
    """
    num_rows = int(tuned_N2[:, 1].sum())
    if not num_rows:
        return Figure(name, title, None, lower_is_better, 0, why_undefined=why_undefined)
    statistic = _share(worst=1.0 if lower_is_better else 0.0)
    if base_N2 is None or not base_N2[:, 1].sum():
        ends = sums_intervals(tuned_N2, lambda sums: statistic(sums)[..., None], how)
        value, low, high = (float(end[0]) for end in ends)
        tuned = _widened(Interval(value, low, high), num_rows, how.confidence)
        return Figure(name, title, tuned, lower_is_better, num_rows)
    found = compare_sums(base_N2, tuned_N2, statistic, how, lower_is_better=lower_is_better)
    tuned = _widened(found.tuned, num_rows, how.confidence)
    base = _widened(found.base, int(base_N2[:, 1].sum()), how.confidence)
    improvement = found.improvement
    if improvement is not None and found.tuned.value in (0.0, 1.0):
        least = _gain(base, tuned, lower_is_better=lower_is_better)
        improvement = Interval(improvement.value, min(improvement.low, least), improvement.high)
    return Figure(name, title, tuned, lower_is_better, num_rows, base, improvement)


def _share(worst: float) -> Callable[[Values], Values]:
    """Return the statistic; a draw without any of the rows in question proves nothing, and counts as the worst."""

    def share(sums: Values) -> Values:
        found: Values = np.divide(
            sums[..., 0], sums[..., 1], out=np.full(sums.shape[:-1], worst), where=sums[..., 1] > 0
        )
        return found

    return share


def _widened(interval: Interval, num_rows: int, confidence: float) -> Interval:
    low, high = wilson_interval(round(interval.value * num_rows), num_rows, confidence)
    # Intervals of few rows are expanded, beyond what a share can be.
    value = interval.value
    return Interval(value, max(min(interval.low, low, value), 0.0), min(max(interval.high, high, value), 1.0))


def _gain(base: Interval, tuned: Interval, *, lower_is_better: bool) -> float:
    """Return the least relative improvement that both intervals leave possible."""
    if lower_is_better:
        return (base.low - tuned.high) / base.low if base.low else -inf
    return (tuned.low - base.high) / base.high if base.high else -inf
