"""The sample-ratio check equals published values, holds under peeking and finds what is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from luthier.evaluate.ab.chi_square import goodness_of_fit
from luthier.evaluate.ab.sample_ratio import ALARM, anytime_p_values, sample_ratio
from tests.evaluate.ab.vectors import records


@pytest.mark.parametrize("case", records("18_ab_srm.json"))
def test_published_values(case: dict) -> None:
    found = goodness_of_fit(case["input"]["observed"], case["input"]["weights"])
    assert found.statistic == pytest.approx(case["expected"]["chi2"], rel=1e-9)
    assert found.p_value == pytest.approx(case["expected"]["p"], abs=case["tolerance"], rel=1e-6)


def test_it_holds_under_peeking() -> None:
    generator = np.random.default_rng(0)
    variants = generator.choice(3, size=(2000, 1500), p=[0.5, 0.3, 0.2])
    alarms = np.mean(anytime_p_values(variants, (5, 3, 2))[:, -1] < 0.05)
    assert 0 < alarms <= 0.04
    # The test for one look, asked at every unit, would not.
    counts = np.cumsum(variants[:, :, None] == np.arange(3), axis=1)[:, 20:]
    expected = counts.sum(axis=2, keepdims=True) * np.array([0.5, 0.3, 0.2])
    chi_square = ((counts - expected) ** 2 / expected).sum(axis=2)
    assert np.mean((chi_square > 5.99).any(axis=1)) > 0.2


def test_losses_are_found() -> None:
    generator = np.random.default_rng(1)
    lost = sample_ratio((generator.random(20_000) < 0.47).astype(int), (1, 1))
    assert lost.is_mismatch and lost.anytime_p_value is not None and lost.anytime_p_value < ALARM
    assert lost.expected == (10_000.0, 10_000.0)


def test_units_sorted_by_variant_are_found() -> None:
    result = sample_ratio([0] * 500 + [1] * 500, (1, 1))
    assert result.p_value == 1.0 and result.is_mismatch


def test_a_fair_assignment_passes() -> None:
    assert not sample_ratio(np.random.default_rng(2).integers(0, 2, 5000), (1, 1)).is_mismatch
