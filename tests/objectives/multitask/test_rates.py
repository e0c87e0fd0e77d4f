"""Rates against the figures that T5 and mT5 publish, and quotas that add up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.objectives.multitask.rates import given_rates, rows_per_epoch, tempered_rates

# Xue et al. 2021 (arXiv:2010.11934), table 6: pages in millions and the share of the training mixture (alpha = 0.3).
MT5_PAGES = {"en": 3067, "ru": 756, "es": 416, "de": 397, "fr": 333}
MT5_SHARES = {"en": 5.67, "ru": 3.71, "es": 3.09, "de": 3.05, "fr": 2.89}


def test_temperature_gives_the_ratios_of_mt5s_mixture() -> None:
    rates = tempered_rates(list(MT5_PAGES.values()), temperature=1 / 0.3)
    published = np.array(list(MT5_SHARES.values()))
    assert rates / rates[0] == pytest.approx(published / published[0], rel=0.01)


def test_temperature_one_is_proportional_and_a_high_one_equal() -> None:
    assert tempered_rates([300, 100]) == pytest.approx([0.75, 0.25])
    assert tempered_rates([300, 100], temperature=1e6) == pytest.approx([0.5, 0.5], abs=1e-5)
    assert tempered_rates([3, 10**9], temperature=0.01)[1] == 1.0  # no power overflows


def test_t5s_limit_counts_a_large_task_as_if_it_were_smaller() -> None:
    # T5, section 3.5.2: r_m = min(e_m, K) / sum min(e_n, K).
    assert tempered_rates([1000, 50, 10], limit=100) == pytest.approx([100 / 160, 50 / 160, 10 / 160])


def test_given_rates_add_up() -> None:
    assert given_rates([3, 1]) == pytest.approx([0.75, 0.25])


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=8), st.floats(0.2, 20.0))
def test_an_epoch_is_divided_without_losing_rows(sizes: list[int], temperature: float) -> None:
    total = sum(sizes)
    rates = tempered_rates(sizes, temperature=temperature)
    quotas = rows_per_epoch(rates, total)
    raised = sum(quota == 1 for quota in quotas)
    assert total <= sum(quotas) <= total + raised
    assert all(abs(quota - rate * total) < 1 + 1e-6 for quota, rate in zip(quotas, rates, strict=True))


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=8))
def test_proportional_mixing_gives_each_task_its_own_number_of_rows(sizes: list[int]) -> None:
    assert rows_per_epoch(tempered_rates(sizes), sum(sizes)) == sizes
