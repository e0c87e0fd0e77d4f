"""Looks after every observation: ours holds its level in the simulation in which the fixed test fails.

The simulation is that of `bench/ab_tests.py`, whose tables stand in docs/ab-tests.md; here are fewer cells.
"""

from __future__ import annotations

import numpy as np
import pytest
from bench.ab_tests import (
    experiments,
    found_at_one_look,
    luthier_first,
    peers_first,
    standardised,
)
from scipy.special import ndtri
from scipy.stats import beta

from luthier.evaluate.ab.units import swapped

pytestmark = pytest.mark.slow

NUM_TESTS, NUM_UNITS = 2000, 2000
CELLS = [(kind, rate) for kind in ("binary", "mean", "ratio") for rate in (0.1, 0.01)]


def upper_bound(num_found: int, num_tests: int) -> float:
    """Return the upper end of the two-sided 95 % interval of Clopper and Pearson."""
    return float(beta.ppf(0.975, num_found + 1, num_tests - num_found))


@pytest.mark.parametrize(("kind", "rate"), CELLS)
def test_no_effect_is_found_where_there_is_none_except_by_the_fixed_test(kind: str, rate: float) -> None:
    ours = fixed = 0
    for units in experiments(kind, rate, 0.0, NUM_UNITS, NUM_TESTS, seed=4):
        ours += int(np.isfinite(luthier_first(units, kind, NUM_UNITS / 2)).sum())
        fixed += int(np.isfinite(peers_first(units)["one look"]).sum())
    assert ours > 0  # the test is not one that never finds anything
    assert upper_bound(ours, NUM_TESTS) <= 0.05
    assert fixed / NUM_TESTS > 0.1


@pytest.mark.parametrize("uplift", [0.5, -0.4])
@pytest.mark.parametrize("kind", ["binary", "mean", "ratio"])
def test_effects_in_either_direction_are_found_within_the_promised_cost(kind: str, uplift: float) -> None:
    fixed = round((2 * float(ndtri(0.975) + ndtri(0.8)) / standardised(kind, 0.1, uplift)) ** 2)
    looks, at_one_look = [], []
    for units in experiments(kind, 0.1, uplift, round(1.8 * fixed), 600, seed=5):
        looks.append(luthier_first(units, kind, fixed))
        at_one_look.append(found_at_one_look(units, fixed))
        turned = luthier_first(swapped(units), kind, fixed)
        np.testing.assert_array_equal(
            looks[-1], turned
        )  # a gain and the same regression: found at the same unit
    assert np.isfinite(np.concatenate(looks)).mean() >= 0.8
    # The fixed sample is what it says: its test has 80 %, to the noise of 600 experiments.
    assert np.concatenate(at_one_look).mean() == pytest.approx(0.8, abs=0.06)
