"""Corrected p-values equal those of statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from luthier.evaluate.multiple_tests import holm

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@given(p_values)
def test_holm_equals_statsmodels(values: list[float]) -> None:
    assert holm(values) == pytest.approx(multipletests(values, method="holm")[1], abs=1e-12)


def test_holms_own_order() -> None:
    # By hand: 3 * 0.01, then the larger of that and 2 * 0.04, then the larger of that and 0.03.
    assert holm([0.04, 0.01, 0.05]) == pytest.approx([0.08, 0.03, 0.08])


def test_none_is_none() -> None:
    assert len(holm([])) == 0


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_no_probability_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        holm([0.5, value])


def test_holm_keeps_the_chance_of_a_false_finding() -> None:
    generator = np.random.default_rng(0)
    false = [holm(generator.uniform(size=6).tolist()).min() <= 0.05 for _ in range(2000)]
    assert 0.03 < np.mean(false) < 0.07  # uncorrected it would be 0.26
