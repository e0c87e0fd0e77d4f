"""The sequential test keeps its level under peeking after every unit, and finds effects in both directions."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import beta

from luthier.evaluate.ab.betting import Design, Effect, anytime_p_value, log_capital
from luthier.evaluate.ab.confidence_sequence import difference_sequence, uplift_sequence
from luthier.evaluate.ab.effect_prior import detectable_size, prior_for_units
from luthier.evaluate.ab.expectation import expected
from luthier.evaluate.ab.sample_size import units_for_proportions
from luthier.evaluate.ab.sequential_cost import sequential_cost
from luthier.evaluate.ab.units import Units, swapped

NUM_TESTS = 2000
RATE = (0.0, 1.0)


def _drawn(kind: str, base_S: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return totals and counts of units of which each has a base rate."""
    happened = generator.random(base_S.shape) < base_S
    if kind == "binary":
        return happened.astype(float), np.ones(base_S.shape)
    if kind == "mean":  # what a few spend, with a long tail
        return happened * generator.lognormal(3, 1.5, base_S.shape), np.ones(base_S.shape)
    counts = generator.geometric(0.2, base_S.shape)  # ratio: clicks of users who differ
    rates = generator.beta(2 * base_S, 2 * (1 - base_S))
    return generator.binomial(counts, rates).astype(float), counts.astype(float)


def _design(kind: str, planned: float, share: float = 0.5) -> Design:
    return Design(prior_for_units(planned, share), share, RATE if kind == "binary" else None)


def _units(
    kind: str,
    rate: float,
    shape: tuple[int, int],
    generator: np.random.Generator,
    uplift: float = 0.0,
    share=0.5,
) -> Units:
    treated = generator.random(shape) < share
    return Units(treated, *_drawn(kind, rate * np.where(treated, 1 + uplift, 1.0), generator))


def upper_bound(num_found: int, num_tests: int) -> float:
    """Return the upper end of the two-sided 95 % interval of Clopper and Pearson."""
    return float(beta.ppf(0.975, num_found + 1, num_tests - num_found))


@pytest.mark.parametrize("rate", [0.5, 0.1, 0.01])
@pytest.mark.parametrize("kind", ["binary", "mean", "ratio"])
def test_peeking_after_every_unit_keeps_the_level(kind: str, rate: float) -> None:
    generator = np.random.default_rng(7)
    found = 0
    for _ in range(10):  # in parts, for memory
        units = _units(kind, rate, (NUM_TESTS // 10, 1200), generator)
        found += int((log_capital(units, _design(kind, 600)).max(axis=-1) >= math.log(20)).sum())
    assert found > 0  # the test is not one that never rejects
    assert upper_bound(found, NUM_TESTS) <= 0.05


def test_a_test_for_one_look_does_not() -> None:
    generator = np.random.default_rng(8)
    units = _units("binary", 0.1, (500, 1200), generator)
    found = 0
    control, treated = ~units.is_treated_N, units.is_treated_N
    n0, n1 = np.cumsum(control, axis=1), np.cumsum(treated, axis=1)
    x0, x1 = np.cumsum(units.totals_N * control, axis=1), np.cumsum(units.totals_N * treated, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        pooled = (x0 + x1) / (n0 + n1)
        z = (x1 / n1 - x0 / n0) / np.sqrt(pooled * (1 - pooled) * (1 / n0 + 1 / n1))
    found = np.mean((np.abs(np.nan_to_num(z)) > 1.96).any(axis=1))
    assert found > 0.3


@pytest.mark.parametrize("share", [0.1, 0.9])
def test_unequal_shares_keep_the_level(share: float) -> None:
    generator = np.random.default_rng(9)
    for kind in ("binary", "mean"):
        units = _units(kind, 0.1, (NUM_TESTS, 500), generator, share=share)
        found = int((log_capital(units, _design(kind, 500, share)).max(axis=-1) >= math.log(20)).sum())
        assert upper_bound(found, NUM_TESTS) <= 0.05


def test_drifting_outcomes_keep_the_level() -> None:
    # The rate rises from 0.1 to 0.6 within the experiment, for both variants.
    generator = np.random.default_rng(10)
    units = _units("binary", 0.1, (NUM_TESTS, 500), generator)
    drifting = generator.random(units.totals_N.shape) < np.linspace(0.1, 0.6, 500)
    units = replace(units, totals_N=drifting.astype(float))
    found = int((log_capital(units, _design("binary", 500)).max(axis=-1) >= math.log(20)).sum())
    assert upper_bound(found, NUM_TESTS) <= 0.05


def test_equal_means_with_unequal_spread_keep_the_level() -> None:
    # Bounds make the hypothesis one of means alone: here the treatment only spreads outcomes, with few units of it.
    generator = np.random.default_rng(11)
    shape = (NUM_TESTS, 500)
    treated = generator.random(shape) < 0.2
    spread = generator.choice([0.0, 1.0], shape)
    units = Units(treated, np.where(treated, spread, 0.5), np.ones(shape))
    design = Design(prior_for_units(500, 0.2), 0.2, RATE)
    found = int((log_capital(units, design).max(axis=-1) >= math.log(20)).sum())
    assert upper_bound(found, NUM_TESTS) <= 0.05


def test_capital_is_a_martingale() -> None:
    # Exactly, over all 2 ** 8 assignments of eight outcomes: the mean capital is what one starts with.
    outcomes = np.array([0.0, 3.0, 1.0, 250.0, 0.0, 2.0, 7.0, 1.0])
    for share in (0.5, 0.2):
        treated = (np.arange(256)[:, None] >> np.arange(8)) % 2 == 1
        probability = np.prod(np.where(treated, share, 1 - share), axis=1)
        units = Units(treated, np.broadcast_to(outcomes, (256, 8)), np.ones((256, 8)))
        capital = np.exp(log_capital(units, _design("mean", 8, share)))
        assert probability @ capital == pytest.approx(np.ones(8), abs=1e-12)
        assert capital[:, -1].std() > 0.05


@pytest.mark.parametrize("kind", ["binary", "mean", "ratio"])
def test_gains_and_regressions_are_alike(kind: str) -> None:
    units = _units(kind, 0.2, (50, 400), np.random.default_rng(12), uplift=0.5)
    one, other = (log_capital(u, _design(kind, 400)) for u in (units, swapped(units)))
    assert one == pytest.approx(other, abs=1e-9)


@pytest.mark.parametrize("difference", [0.08, -0.06])
def test_effects_are_found_at_the_promised_cost(difference: float) -> None:
    fixed = round(units_for_proportions(0.2, difference))
    generator = np.random.default_rng(13)
    units = _units("binary", 0.2, (500, round(1.8 * fixed)), generator, uplift=difference / 0.2)
    found = log_capital(units, _design("binary", fixed)).max(axis=-1) >= math.log(20)
    assert np.mean(found) >= 0.8


def test_cost_is_below_the_limit() -> None:
    cost = sequential_cost()
    assert cost.mean < 1.2 < cost.at_power < 1.8


def test_sizes_follow_from_units() -> None:
    # 2.8016 standard errors are found with a power of 80 %; the error of a difference is 2 / sqrt(units).
    assert detectable_size(10_000) == pytest.approx(2.8016 * 2 / 100, rel=1e-4)
    assert prior_for_units(100).weights_K.sum() == pytest.approx(1)


def test_p_values_never_rise() -> None:
    units = _units("binary", 0.3, (20, 300), np.random.default_rng(14), uplift=0.3)
    p_values = anytime_p_value(log_capital(units, _design("binary", 300)))
    assert (np.diff(p_values, axis=-1) <= 0).all() and (p_values[:, 0] <= 1).all() and p_values.min() < 0.2


@pytest.mark.parametrize("kind", ["binary", "mean", "ratio"])
def test_sequences_cover_at_every_look(kind: str) -> None:
    generator = np.random.default_rng(15)
    missed = 0
    for _ in range(20):
        units = _units(kind, 0.2, (100, 500), generator)
        # A true uplift of 30 %: what the treatment does is what is taken out again.
        totals = np.where(units.is_treated_N, 1.3 * units.totals_N, units.totals_N)
        design = Design(prior_for_units(500), 0.5, (0.0, 1.3) if kind == "binary" else None)
        capital = log_capital(replace(units, totals_N=totals), design, Effect(uplift=0.3))
        missed += int((capital.max(axis=-1) >= math.log(20)).sum())
    assert upper_bound(missed, 2000) <= 0.05


@pytest.mark.parametrize("uplift", [0.0, 0.5, -0.5])
def test_sequences_and_tests_never_disagree(uplift: float) -> None:
    generator = np.random.default_rng(16)
    for kind in ("binary", "mean", "ratio"):
        units = _units(kind, 0.2, (1, 1500), generator, uplift=uplift)
        units = Units(units.is_treated_N[0], units.totals_N[0], units.counts_N[0])
        design = _design(kind, 1500)
        is_found = anytime_p_value(log_capital(units, design))[-1] < 0.05
        differences, uplifts = (of(units, design, 0.05) for of in (difference_sequence, uplift_sequence))
        assert differences is not None and uplifts is not None
        assert (differences.low > 0 or differences.high < 0) == is_found
        assert (uplifts.low > 0 or uplifts.high < 0) == is_found


def test_one_unit_knows_nothing() -> None:
    units = Units(np.array([True, False]), np.array([1.0, 0.0]), np.ones(2))
    found = difference_sequence(units, _design("binary", 1000), 0.05)
    assert found is not None and (found.low, found.high) == (-1.0, 1.0)


def _with_history(effect: float, generator: np.random.Generator) -> Units:
    shape = (300, 800)
    treated, strata = generator.random(shape) < 0.5, generator.integers(0, 3, shape)
    before = generator.gamma(2, 2, shape) + 4 * strata
    after = before + generator.normal(0, 1, shape) + effect * treated
    return Units(treated, after, np.ones(shape), before, strata)


def test_history_makes_the_test_stronger_and_keeps_its_level() -> None:
    generator = np.random.default_rng(17)
    design = _design("mean", 800)
    for effect in (0.0, 0.5):
        units = _with_history(effect, generator)
        forms = {
            "plain": replace(units, covariate_N=None, strata_N=None),
            "strata": replace(units, covariate_N=None),
            "both": units,
        }
        found = {
            name: np.mean(log_capital(u, design).max(axis=-1) >= math.log(20)) for name, u in forms.items()
        }
        if effect == 0:
            assert max(found.values()) <= 0.05
        else:
            assert found["plain"] + 0.1 < found["strata"] and found["strata"] + 0.1 < found["both"]


def test_expectations_know_nothing_of_what_comes() -> None:
    generator = np.random.default_rng(18)
    units = _with_history(0.0, generator)
    changed = units.totals_N.copy()
    changed[:, 400:] += 1000
    for start in (None, 1.0):
        before, after = expected(units, start), expected(replace(units, totals_N=changed), start)
        np.testing.assert_array_equal(before[:, :401], after[:, :401])
