"""Intervals and paired tests agree with SciPy's, cover what they claim, and never promise certainty."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import stats

from luthier.evaluate.bootstrap import coin_signs, row_counts
from luthier.evaluate.statistics import (
    Resampling,
    compare_sums,
    paired_interval,
    paired_p_value,
    ratio_interval,
    sums_intervals,
)

Floats = NDArray[np.float64]


def _rows(number: int, seed: int) -> tuple[Floats, Floats]:
    """Return summed losses and token counts of made rows: long rows weigh more."""
    generator = np.random.default_rng(seed)
    counts = generator.integers(5, 120, size=number).astype(np.float64)
    return counts * generator.gamma(4.0, 0.5, size=number), counts


def _how(samples: int = 2000, confidence: float = 0.95, seed: int = 1) -> Resampling:
    return Resampling(samples, confidence, seed)


class TestRatioInterval:
    @pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
    def test_is_the_studentised_bootstrap_of_the_textbook(self, confidence: float) -> None:
        totals, counts = _rows(60, seed=3)
        ours = ratio_interval(totals, counts, _how(8000, confidence))
        # Efron and Tibshirani 1993, chapter 12, resample by resample, with the delta method's error of a ratio.
        generator, ratio = np.random.default_rng(9), totals.sum() / counts.sum()
        distances = []
        for _ in range(8000):
            rows = generator.integers(0, 60, 60)
            t, c = totals[rows], counts[rows]
            r = t.sum() / c.sum()
            error = np.sqrt(((t - r * c) ** 2).sum() / 60 / 59) / c.mean()
            distances.append((r - ratio) / error)
        without = [(totals.sum() - t) / (counts.sum() - c) for t, c in zip(totals, counts, strict=True)]
        error = np.sqrt(59 / 60 * ((without - np.mean(without)) ** 2).sum())
        low, high = np.quantile(distances, [(1 - confidence) / 2, (1 + confidence) / 2])
        # A quantile of 8000 draws is itself uncertain: some hundredths of the standard error, more in the tails.
        allowed = (0.25 if confidence > 0.95 else 0.12) * error
        assert ours.value == pytest.approx(ratio, rel=1e-12)
        assert ours.low == pytest.approx(ratio - high * error, abs=allowed)
        assert ours.high == pytest.approx(ratio - low * error, abs=allowed)

    def test_skew_makes_the_longer_tail_longer(self) -> None:
        totals, counts = _rows(60, seed=3)
        interval = ratio_interval(totals**3, counts, _how())
        assert interval.high - interval.value > 1.2 * (interval.value - interval.low)

    def test_covers_the_true_ratio_about_as_often_as_it_claims(self) -> None:
        # Mean of counts * gamma(4, 0.5) over the mean of counts, independent: 4 * 0.5 = 2.
        hits = 0
        for seed in range(300):
            interval = ratio_interval(*_rows(80, seed=1000 + seed), _how(300, 0.9, seed))
            hits += interval.low <= 2.0 <= interval.high
        # Binomial(300, 0.9) is within 0.85 to 0.95 in 99.6 %; percentile intervals of 80 rows run a little short.
        assert 0.83 <= hits / 300 <= 0.95

    def test_rows_are_resampled_whole(self) -> None:
        # With totals proportional to counts every resample has the same ratio, however long its rows are.
        _, counts = _rows(30, seed=5)
        interval = ratio_interval(3.0 * counts, counts, _how())
        assert (interval.low, interval.high) == pytest.approx((3.0, 3.0), rel=1e-12)

    def test_more_rows_make_it_narrower_by_the_root(self) -> None:
        few, many = (ratio_interval(*_rows(number, seed=8), _how(4000)) for number in (100, 1600))
        assert (few.high - few.low) / (many.high - many.low) == pytest.approx(4.0, rel=0.3)

    def test_more_confidence_makes_it_wider(self) -> None:
        totals, counts = _rows(40, seed=2)
        narrow, wide = (ratio_interval(totals, counts, _how(confidence=c)) for c in (0.5, 0.99))
        assert wide.low < narrow.low < narrow.high < wide.high

    def test_seeds_reproduce_and_differ(self) -> None:
        totals, counts = _rows(40, seed=2)
        first, again, other = (ratio_interval(totals, counts, _how(seed=seed)) for seed in (7, 7, 8))
        assert first == again
        assert first.low != other.low

    @pytest.mark.parametrize("samples", [1, 249, 250, 251])
    def test_any_number_of_samples_is_drawn(self, samples: int) -> None:
        totals, counts = _rows(20, seed=2)
        interval = ratio_interval(totals, counts, _how(samples))
        assert interval.low <= interval.high

    @settings(max_examples=40, deadline=None)
    @given(arrays(np.float64, st.integers(6, 12), elements=st.floats(0, 1e3)))
    def test_it_lies_between_the_best_and_the_worst_row(self, totals: Floats) -> None:
        assume(len(set(totals.tolist()) - {0.0, 1.0}) or len(set(totals.tolist())) > 1)  # of shares see below
        interval = ratio_interval(totals, np.ones(len(totals)), _how(100))
        slack = 1e-9 * (1 + totals.max())
        assert totals.min() - slack <= interval.low <= interval.high <= totals.max() + slack


class TestPairedInterval:
    @staticmethod
    def _gain(base: Floats, tuned: Floats) -> Floats:
        return (base - tuned) / base

    def test_of_scores_equals_scipys_percentile_bootstrap_expanded_by_students_t(self) -> None:
        base, counts = _rows(60, seed=3)
        tuned = base * np.random.default_rng(4).uniform(0.6, 1.0, size=60)
        base[::7] = 0.0  # scores, other than losses, are 0 on some rows
        ours = paired_interval(base, tuned, counts, self._gain, _how(8000))
        theirs = stats.bootstrap(
            (base, tuned),
            lambda b, t, axis: 1 - t.sum(axis=axis) / b.sum(axis=axis),
            paired=True,
            vectorized=True,
            n_resamples=8000,
            confidence_level=2 * stats.norm.cdf(math.sqrt(60 / 59) * stats.t.ppf(0.975, 59)) - 1,
            method="percentile",
            rng=np.random.default_rng(9),
        )
        allowed = 0.15 * theirs.standard_error
        assert ours.value == pytest.approx(1 - tuned.sum() / base.sum(), rel=1e-12)
        assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=allowed)
        assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=allowed)

    def test_the_rows_of_both_models_are_drawn_together(self) -> None:
        # Every row gains exactly a tenth; only resampling the models apart would give a width.
        base, counts = _rows(50, seed=6)
        interval = paired_interval(base, 0.9 * base, counts, self._gain, _how())
        assert (interval.low, interval.value, interval.high) == pytest.approx((0.1, 0.1, 0.1), rel=1e-9)

    def test_infinite_draws_leave_no_nan(self) -> None:
        # A resample without any base score has an infinite gain; a NaN end would be neither above nor below a limit.
        base = np.array([1.0] + [0.0] * 9)
        with np.errstate(divide="ignore", invalid="ignore"):
            interval = paired_interval(
                base, np.ones(10), np.ones(10), lambda b, t: np.asarray((t - b) / b), _how()
            )
        assert interval.low >= 0
        assert interval.high == np.inf


class TestPairedPValue:
    @pytest.mark.parametrize("seed", range(4))
    def test_equals_scipys_exact_test(self, seed: int) -> None:
        generator = np.random.default_rng(seed)
        base = generator.normal(2.0, 0.5, size=9)
        tuned = base - generator.normal(0.15, 0.4, size=9)
        exact = stats.permutation_test(
            (base, tuned),
            lambda x, y, axis: x.sum(axis=axis) - y.sum(axis=axis),
            permutation_type="samples",
            vectorized=True,
            n_resamples=np.inf,
        ).pvalue
        drawn = 20_000
        # Four standard deviations of a share of 20 000 draws.
        allowed = 4 * np.sqrt(exact * (1 - exact) / drawn) + 2 / drawn
        assert paired_p_value(base, tuned, _how(drawn)) == pytest.approx(exact, abs=allowed)

    def test_is_uniform_where_nothing_differs(self) -> None:
        generator = np.random.default_rng(11)
        values = []
        for seed in range(300):
            base = generator.normal(2.0, 0.3, size=40)
            values.append(
                paired_p_value(base, base + generator.normal(0, 0.2, size=40), _how(250, seed=seed))
            )
        assert stats.kstest(values, "uniform").pvalue > 0.001
        assert 0.02 <= np.mean(np.array(values) <= 0.05) <= 0.09

    def test_is_least_but_never_zero_where_every_row_differs(self) -> None:
        base = np.linspace(1.0, 2.0, 60)
        assert paired_p_value(base, base - 0.5, _how(2000)) == pytest.approx(1 / 2001)

    def test_neither_direction_is_favoured(self) -> None:
        generator = np.random.default_rng(2)
        base, tuned = generator.normal(2, 1, size=(2, 20))
        assert paired_p_value(base, tuned, _how()) == paired_p_value(tuned, base, _how())

    def test_is_one_where_both_models_are_the_same(self) -> None:
        base, _ = _rows(30, seed=1)
        assert paired_p_value(base, base.copy(), _how()) == 1.0

    def test_an_equal_sum_counts_although_it_is_rounded(self) -> None:
        # 0.1 + 0.2 - 0.3 is 0 but for rounding, so that every arrangement reaches at least as far.
        differences = np.array([1e6, -1e6, 0.1, 0.2, -0.3])
        assert differences.sum() != 0
        assert paired_p_value(differences, np.zeros(5), _how()) == 1.0

    def test_seeds_reproduce_and_differ(self) -> None:
        generator = np.random.default_rng(3)
        base, tuned = generator.normal(2, 1, size=(2, 20))
        first, again, other = (paired_p_value(base, tuned, _how(seed=seed)) for seed in (7, 7, 8))
        assert first == again
        assert first != other


class TestSums:
    """Metrics that are any function of sums over rows."""

    @staticmethod
    def _ratio(sums: np.ndarray) -> np.ndarray:
        return sums[..., 0] / sums[..., 1]

    def _figures(self, seed: int, mean: float) -> np.ndarray:
        generator = np.random.default_rng(seed)
        return np.stack([(generator.random(400) < mean).astype(float), np.ones(400)], axis=1)

    def test_a_share_has_the_interval_of_the_binomial(self) -> None:
        """Wald's interval, p ± 1.96 sqrt(p (1 - p) / n), is what the bootstrap of a share comes to."""
        figures = self._figures(1, 0.7)
        value, low, high = sums_intervals(figures, lambda sums: sums[..., :1] / sums[..., 1:], _how())
        p = figures[:, 0].mean()
        half = 1.96 * np.sqrt(p * (1 - p) / 400)
        assert value[0] == pytest.approx(p)
        assert (low[0], high[0]) == pytest.approx((p - half, p + half), abs=0.012)

    def test_two_models_are_compared_row_by_row(self) -> None:
        base, tuned = self._figures(2, 0.5), self._figures(3, 0.8)
        found = compare_sums(base, tuned, self._ratio, _how(), lower_is_better=False)
        gain = tuned[:, 0].mean() / base[:, 0].mean() - 1
        assert found.improvement is not None and found.improvement.value == pytest.approx(gain)
        assert found.improvement.low > 0 and found.p_value < 0.01
        assert found.base.low < found.base.value < found.base.high < found.tuned.low
        turned = compare_sums(base, tuned, self._ratio, _how(), lower_is_better=True)
        assert turned.improvement is not None and turned.improvement.value == pytest.approx(-gain)

    def test_equal_models_differ_by_nothing(self) -> None:
        figures = self._figures(4, 0.5)
        found = compare_sums(figures, figures, self._ratio, _how(), lower_is_better=False)
        assert found.improvement is not None and found.improvement.value == 0.0
        assert found.p_value == 1.0

    def test_a_baseline_of_zero_has_no_relative_improvement(self) -> None:
        none = np.stack([np.zeros(400), np.ones(400)], axis=1)
        found = compare_sums(none, self._figures(5, 0.5), self._ratio, _how(), lower_is_better=False)
        assert found.improvement is None and found.tuned.low > 0.4

    def test_a_figure_that_does_not_always_exist_has_the_interval_of_the_others(self) -> None:
        rare = np.zeros((400, 2))
        rare[0] = (1.0, 1.0)
        with np.errstate(all="ignore"):
            value, low, high = sums_intervals(rare, lambda sums: sums[..., :1] / sums[..., 1:], _how())
        assert (value[0], low[0], high[0]) == (1.0, 1.0, 1.0)


def test_a_score_that_all_rows_have_is_not_certain() -> None:
    # Wilson 1927: of n rows without a miss at least n / (n + z^2) are right; z = 1.96.
    found = ratio_interval(np.ones(8), np.ones(8), _how(200))
    assert found.value == 1.0 and found.high == pytest.approx(1.0)
    assert found.low == pytest.approx(8 / (8 + 1.959964**2), abs=1e-6)
    nothing = ratio_interval(np.zeros(8), np.ones(8), _how(200))
    assert nothing.low == 0.0 and nothing.high == pytest.approx(1 - found.low)


def _quotient(sums: Floats) -> Floats:
    return np.asarray(sums[..., 0] / sums[..., 1])


@pytest.mark.parametrize(
    ("totals", "counts"),
    [
        ([4.0] + [5.0] * 39, [5.0] * 40),  # accuracy of 199 of 200 in 40 clusters
        ([0.9] * 3 + [1.0] * 97, [1.0] * 100),  # pass@1 of 10 answers to 100 problems
        ([0.3] + [0.7] * 199, [1.0] * 200),  # a score of one odd row: the variance of the others is rounding
    ],
)
def test_rows_that_nearly_all_agree_have_limits_between_the_rows(
    totals: list[float], counts: list[float]
) -> None:
    figures = np.stack([totals, counts], axis=1)
    higher = figures * [1.1, 1.0]
    compared = compare_sums(figures, higher, _quotient, _how(), lower_is_better=False)
    rows = _quotient(figures)
    for found in (ratio_interval(figures[:, 0], figures[:, 1], _how()), compared.base):
        assert rows.min() < found.low < found.value < found.high <= rows.max() + 1e-12
        # The percentile interval of a mean is about two standard errors to each side.
        assert found.high - found.low < 5 * rows.std() / math.sqrt(len(rows))
    assert compared.improvement is not None
    for end in (compared.improvement.low, compared.improvement.high):
        assert end == pytest.approx(0.1, rel=1e-6)


class TestFewRows:
    """Of fewer than six rows all are below or above the truth too often for 95 %."""

    @pytest.mark.parametrize("number", [2, 3, 5])
    def test_the_interval_of_a_mean_is_students(self, number: int) -> None:
        totals = np.random.default_rng(4).normal(2.0, 0.5, size=number)
        low, high = stats.t.interval(0.95, number - 1, totals.mean(), stats.sem(totals))
        figures = np.stack([totals, np.ones(number)], axis=1)
        compared = compare_sums(figures, figures, _quotient, _how(), lower_is_better=True)
        by_sums = sums_intervals(figures, lambda sums: sums[..., :1] / sums[..., 1:], _how())
        for found in (ratio_interval(totals, np.ones(number), _how()), compared.tuned):
            assert (found.low, found.high) == pytest.approx((low, high))
        assert [float(each[0]) for each in by_sums[1:]] == pytest.approx([low, high])

    @pytest.mark.parametrize("number", [2, 3, 4, 5])
    def test_it_covers_the_truth(self, number: int) -> None:
        # Between the worst and the best row were 50, 75, 88 and 94 %.
        draw, held = np.random.default_rng(number), 0
        for _ in range(1000):
            base = draw.gamma(9.0, 0.25, number)
            tuned = base * draw.gamma(50.0, 0.02, number)
            found = paired_interval(base, tuned, np.ones(number), lambda b, t: (b - t) / b, _how(10))
            held += found.low <= 0.0 <= found.high
        assert 0.92 <= held / 1000 <= 0.98

    def test_two_that_say_the_same_by_chance_prove_nothing(self) -> None:
        base = np.array([0.4, 0.4])
        found = paired_interval(base, base + 0.1, np.ones(2), lambda b, t: (t - b) / b, _how())
        assert found.value > 0 and (found.low, found.high) == (-math.inf, math.inf)

    def test_two_that_are_both_right_have_wilsons(self) -> None:
        right = np.ones((2, 2))
        value, low, high = sums_intervals(right, lambda sums: sums[..., :1] / sums[..., 1:], _how())
        expected = stats.binomtest(2, 2).proportion_ci(0.95, "wilson")
        assert (value[0], low[0], high[0]) == pytest.approx((1.0, expected.low, expected.high))


def test_blocks_of_draws_do_not_grow_with_the_rows() -> None:
    how = _how(40)
    for rows in (1000, 100_000):
        for draws in (coin_signs, row_counts):
            blocks = list(draws(rows, how))
            assert sum(len(block) for block in blocks) == 40
            assert max(block.size for block in blocks) <= 1_250_000
    assert set(np.unique(next(coin_signs(1000, how)))) == {-1.0, 1.0}
