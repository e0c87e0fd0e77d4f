"""The gap between training rows and held-out rows, measured with the same model under the same conditions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from luthier.evaluate.measured import LOSS
from luthier.evaluate.statistics import Interval, Resampling, Values
from luthier.evaluate.two_samples import one_sample_interval, two_sample_interval
from luthier.objectives.contract import Measure

Statistic = Callable[[Values], Values]


@dataclass(frozen=True)
class Gap:
    """One measure on training rows and on held-out rows.

    Args:
        measure: Its name.
        title: For people.
        lower_is_better: Direction of the measure.
        trained: On training rows.
        held_out: On held-out rows.
        difference: How much worse held-out rows are.
        relative: The same by the value on training rows; None where that is 0.
    """

    measure: str
    title: str
    lower_is_better: bool
    trained: Interval
    held_out: Interval
    difference: Interval
    relative: Interval | None


def gap_of(trained: Measure, held_out: Measure, how: Resampling) -> Gap | None:
    """Return the gap of a measure; None where it does not exist on one of the sides.

    Args:
        trained: On training rows.
        held_out: The same on held-out rows.
        how: Draws, coverage and seed.
    """
    sign = 1.0 if trained.lower_is_better else -1.0
    statistic, sides = trained.statistic, (trained.figures_NK, held_out.figures_NK)

    def difference(one: Values, other: Values) -> Values:
        return np.asarray(sign * (statistic(other) - statistic(one)))

    def relative(one: Values, other: Values) -> Values:
        return np.asarray(difference(one, other) / statistic(one))

    of_trained, of_held_out = (one_sample_interval(side, statistic, how) for side in sides)
    differs = two_sample_interval(*sides, difference, how)
    if of_trained is None or of_held_out is None or differs is None:
        return None
    return Gap(
        trained.name,
        trained.title,
        trained.lower_is_better,
        of_trained,
        of_held_out,
        differs,
        two_sample_interval(*sides, relative, how),
    )


def gaps_of(trained: Sequence[Measure], held_out: Sequence[Measure], how: Resampling) -> dict[str, Gap]:
    """Return the gaps of all measures that exist, by name."""
    pairs = zip(trained, held_out, strict=True)
    found = {one.name: gap_of(one, other, how) for one, other in pairs}
    return {name: gap for name, gap in found.items() if gap is not None}


def excess_gap(
    trained: tuple[Measure, Measure], held_out: tuple[Measure, Measure], how: Resampling
) -> Interval | None:
    """Return by how much tuning widened the gap: held-out rows may be harder than training rows by nature.

    Args:
        trained: The measure on training rows: of the base, of the tuned model.
        held_out: Likewise on held-out rows.
        how: Draws, coverage and seed; both models are resampled together.
    """
    statistic = trained[0].statistic
    width = trained[0].figures_NK.shape[1]

    def gained(one: Values, other: Values) -> Values:
        base = statistic(other[..., :width]) - statistic(one[..., :width])
        tuned = statistic(other[..., width:]) - statistic(one[..., width:])
        return np.asarray(tuned - base)

    first, second = (np.concatenate([m.figures_NK for m in pair], axis=1) for pair in (trained, held_out))
    return two_sample_interval(first, second, gained, how)


def gain_over(base: Measure, tuned: Measure, how: Resampling) -> Interval | None:
    """Return the relative improvement of a measure on the same rows, positive is better; None where the base's is 0."""
    width = base.figures_NK.shape[1]
    sign = 1.0 if base.lower_is_better else -1.0

    def gain(sums: Values) -> Values:
        before, after = base.statistic(sums[..., :width]), base.statistic(sums[..., width:])
        return np.asarray(sign * (before - after) / np.abs(before))

    return one_sample_interval(np.concatenate([base.figures_NK, tuned.figures_NK], axis=1), gain, how)


def deciding(measures: Sequence[Measure]) -> str:
    """Return the name of the measure that verdicts stand on: the first that is no loss, else the loss."""
    scores = [each.name for each in measures if each.name.rpartition(".")[2] != LOSS]
    return scores[0] if scores else measures[0].name
