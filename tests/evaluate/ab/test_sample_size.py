"""Sample sizes and power equal published tables, Evan Miller's calculator, R, G*Power and statsmodels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from statsmodels.stats.power import NormalIndPower, TTestIndPower

from luthier.evaluate.ab.sample_size import (
    detectable_mean,
    detectable_proportion,
    power_of_means,
    power_of_proportions,
    units_for_means,
    units_for_proportions,
)
from tests.evaluate.ab.vectors import records

FILE = "19_ab_sample_size_power.json"


@pytest.mark.parametrize("case", records(FILE, "sample_size_per_arm_evan_miller"))
def test_evan_millers_calculator(case: dict) -> None:
    design = case["input"]
    sizes = {"alpha": design["alpha"], "power": design["power"]}
    miller = units_for_proportions(design["baseline"], design["abs_mde"], null_variance="baseline", **sizes)
    assert miller / 2 == pytest.approx(case["expected"]["n"], rel=1e-6)


@pytest.mark.parametrize(("baseline", "difference"), [(0.2, 0.05), (0.03, 0.003), (0.5, 0.05)])
def test_pooled_sizes_have_the_power_that_statsmodels_computes(baseline: float, difference: float) -> None:
    from statsmodels.stats.proportion import power_proportions_2indep

    units = units_for_proportions(baseline, difference)
    theirs = power_proportions_2indep(difference, baseline, units / 2, alternative="larger", alpha=0.025)
    assert theirs.power == pytest.approx(0.8, abs=1e-9)


@pytest.mark.parametrize("case", records(FILE, "sample_size_total_continuous"))
def test_g_power_means(case: dict) -> None:
    design = case["input"]
    units = units_for_means(
        design["abs_mde"], math.sqrt(design["variance"]), alpha=design["alpha"], power=design["power"]
    )
    assert units == pytest.approx(case["expected"], rel=0.005)


@pytest.mark.parametrize("case", records(FILE, "sample_size_total_binomial"))
def test_g_power_shares(case: dict) -> None:
    design = case["input"]
    units = units_for_proportions(
        design["baseline"], design["abs_mde"], alpha=design["alpha"], power=design["power"]
    )
    assert units == pytest.approx(case["expected"], rel=0.005)


@pytest.mark.parametrize("case", records(FILE, "power_two_proportions"))
def test_power_of_shares_in_r_and_stata(case: dict) -> None:
    design = case["input"]
    power = power_of_proportions(design["prop2"], design["diff"], 2 * design["n"])
    # R leaves out the tail on the other side, which adds less than 1e-4 here.
    assert power == pytest.approx(case["expected"], abs=1e-4)


def test_cohens_table() -> None:
    # J. Cohen, A Power Primer, 1992, table 2: units per group for small, medium and large d at a power of 0.80.
    for alpha, sizes in ((0.05, (393, 64, 26)), (0.01, (586, 95, 38))):
        for d, size in zip((0.2, 0.5, 0.8), sizes, strict=True):
            assert abs(units_for_means(d, 1.0, alpha=alpha) / 2 - size) <= 1


@pytest.mark.parametrize(("d", "units"), [(0.1, 400), (0.3, 160), (0.8, 30), (1.5, 12)])
def test_power_of_means_is_that_of_statsmodels(d: float, units: int) -> None:
    theirs = TTestIndPower().power(d, units / 2, 0.05, ratio=1)
    assert power_of_means(d, 1.0, units) == pytest.approx(theirs, abs=1e-9)


def test_many_units_are_as_in_a_normal_distribution() -> None:
    theirs = NormalIndPower().power(0.008, 100_000, 0.05)
    assert power_of_means(0.008, 1.0, 200_000) == pytest.approx(theirs, abs=1e-9)


def test_unequal_shares_need_more_units() -> None:
    # The variance of a difference is 1 / (share * (1 - share)) for one unit in all.
    even, uneven = units_for_means(0.1, 1.0), units_for_means(0.1, 1.0, share=0.1)
    assert uneven / even == pytest.approx(0.25 / 0.09, rel=0.01)


def test_power_is_what_simulations_find() -> None:
    generator = np.random.default_rng(0)
    units = round(units_for_proportions(0.1, 0.03) / 2)
    a, b = generator.binomial(units, 0.1, 4000) / units, generator.binomial(units, 0.13, 4000) / units
    middle = (a + b) / 2
    z = (b - a) / np.sqrt(2 * middle * (1 - middle) / units)
    assert np.mean(np.abs(z) > 1.959964) == pytest.approx(0.8, abs=0.02)


def test_detectable_effects_invert_sizes() -> None:
    assert detectable_proportion(0.2, units_for_proportions(0.2, 0.05)) == pytest.approx(0.05, rel=1e-4)
    assert detectable_mean(3.0, units_for_means(0.4, 3.0)) == pytest.approx(0.4, rel=1e-4)
    assert detectable_proportion(0.9, 10) is None


@pytest.mark.parametrize(("baseline", "difference"), [(0.0, 0.1), (0.5, 0.5), (0.5, 0.0), (0.1, -0.1)])
def test_impossible_shares_are_refused(baseline: float, difference: float) -> None:
    with pytest.raises(ValueError, match="within 0 and 1"):
        units_for_proportions(baseline, difference)
