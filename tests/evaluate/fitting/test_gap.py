"""The gap between two sides: its value by hand, its coverage by simulation, and what it cannot tell."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from luthier.evaluate.fitting.gap import deciding, excess_gap, gain_over, gap_of
from luthier.evaluate.measured import ratio
from luthier.evaluate.statistics import Resampling, Values
from luthier.evaluate.two_samples import one_sample_interval, two_sample_interval
from luthier.objectives.contract import Measure

HOW = Resampling(400, 0.95, 1)


def losses(values: list[float] | Values, name: str = "eval_loss", *, lower: bool = True) -> Measure:
    figures = np.stack([np.asarray(values, dtype=float), np.ones(len(values))], axis=1)
    return Measure(name, name, figures, ratio, lower_is_better=lower)


def test_a_gap_in_loss_is_what_held_out_rows_lose_more() -> None:
    gap = gap_of(losses([1.0, 3.0]), losses([4.0, 2.0, 3.0]), HOW)
    assert gap is not None and gap.relative is not None
    assert (gap.trained.value, gap.held_out.value) == (2.0, 3.0)
    assert gap.difference.value == 1.0 and gap.relative.value == 0.5
    assert gap.difference.low < 1.0 < gap.difference.high


def test_a_gap_in_a_score_is_positive_where_held_out_rows_are_worse() -> None:
    gap = gap_of(
        losses([1, 1, 1, 1], "accuracy", lower=False), losses([1, 0, 1, 0], "accuracy", lower=False), HOW
    )
    assert gap is not None and gap.relative is not None
    assert gap.difference.value == 0.5 and gap.relative.value == 0.5


def test_relative_to_nothing_is_undefined() -> None:
    gap = gap_of(losses([0.0, 0.0]), losses([1.0, 2.0]), HOW)
    assert gap is not None and gap.relative is None and gap.difference.value == 1.5


def test_an_excess_gap_leaves_out_what_was_there_before() -> None:
    # Held-out rows are harder by 1 for the base; the tuned model has a gap of 1.5.
    base = losses([2.0] * 6), losses([3.0] * 6)
    tuned = losses([1.0] * 6), losses([2.5] * 6)
    excess = excess_gap((base[0], tuned[0]), (base[1], tuned[1]), HOW)
    assert excess is not None
    assert (excess.value, excess.low, excess.high) == (0.5, 0.5, 0.5)


def test_a_gain_is_relative_to_the_other_model() -> None:
    gain = gain_over(losses([2.0, 2.0]), losses([1.0, 2.0]), HOW)
    assert gain is not None and gain.value == 0.25
    assert gain_over(losses([0.0, 0.0]), losses([1.0, 2.0]), HOW) is None


def test_the_first_score_decides_and_the_loss_where_there_is_none() -> None:
    assert deciding([losses([1.0]), losses([1.0], "accuracy"), losses([1.0], "f1_macro")]) == "accuracy"
    assert deciding([losses([1.0])]) == "eval_loss"
    assert deciding([losses([1.0], "bank.eval_loss"), losses([1.0], "bank.f1")]) == "bank.f1"


def test_intervals_cover_the_true_difference_as_often_as_they_promise() -> None:
    generator, hits, runs = np.random.default_rng(3), 0, 400
    for number in range(runs):
        one, other = generator.gamma(4.0, 0.5, 60), generator.gamma(4.0, 0.55, 80)
        gap = gap_of(losses(one), losses(other), Resampling(300, 0.95, number))
        assert gap is not None
        hits += gap.difference.low <= 0.2 <= gap.difference.high
    assert 0.92 <= hits / runs <= 0.975


def test_draws_without_a_figure_widen_the_interval() -> None:
    # The one row with a count is left out of about e^-1 of the draws, in which the ratio is 0 / 0.
    figures = np.array([[1.0, 1.0], *[[0.0, 0.0]] * 9])
    interval = one_sample_interval(figures, ratio, HOW)
    assert interval is not None and interval.value == 1.0
    assert interval.low == -np.inf and interval.high == np.inf
    assert two_sample_interval(np.zeros((3, 2)), figures, lambda a, b: ratio(a), HOW) is None


def test_sides_are_drawn_apart() -> None:
    values = np.arange(20.0)
    gap = gap_of(losses(values), losses(values), HOW)
    assert gap is not None and gap.difference.high - gap.difference.low > 1.0


@pytest.mark.parametrize("seed", [0, 1])
def test_equal_seeds_give_equal_intervals(seed: int) -> None:
    found = {
        gap_of(losses([1.0, 2.0, 4.0]), losses([2.0, 3.0, 5.0]), Resampling(100, 0.9, seed)).difference  # type: ignore[union-attr]
        for _ in range(2)
    }
    assert len(found) == 1


def test_one_held_out_row_proves_no_gap_and_few_have_students_interval() -> None:
    trained = losses(np.random.default_rng(1).gamma(9.0, 0.25, 100))
    alone = gap_of(trained, losses([3.0]), HOW)
    assert alone is not None and alone.relative is not None
    for found in (alone.difference, alone.relative, alone.held_out):
        assert (found.low, found.high) == (-np.inf, np.inf)
    held_out = np.array([2.5, 3.0, 4.0])
    few = gap_of(trained, losses(held_out), HOW)
    assert few is not None and few.trained.low > 1.9  # of its own hundred rows
    error = np.hypot(stats.sem(held_out), stats.sem(trained.figures_NK[:, 0]))
    low, high = stats.t.interval(0.95, 2, few.difference.value, error)
    assert (few.difference.low, few.difference.high) == pytest.approx((low, high))
