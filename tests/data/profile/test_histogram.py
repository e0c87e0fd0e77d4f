"""Histogram: exact where numbers are small, within a percent where they are large, in bounded memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.data.profile.histogram import Histogram

NUMBERS = st.lists(st.one_of(st.integers(0, 400), st.integers(0, 10**9)), min_size=1, max_size=200)


def _of(numbers: list[int]) -> Histogram:
    histogram = Histogram()
    for number in numbers:
        histogram.add(number)
    return histogram


@given(NUMBERS, st.floats(0, 1))
def test_quantiles_are_numpys_within_a_bucket(numbers: list[int], share: float) -> None:
    expected = float(np.quantile(numbers, share, method="inverted_cdf"))
    assert _of(numbers).quantile(share) == pytest.approx(expected, rel=1 / 128, abs=0.01)


@given(NUMBERS)
def test_mean_and_ends_are_exact(numbers: list[int]) -> None:
    histogram = _of(numbers)
    assert (histogram.low, histogram.high, histogram.count) == (min(numbers), max(numbers), len(numbers))
    assert histogram.mean == pytest.approx(np.mean(numbers))


@given(
    st.lists(st.integers(0, 255), min_size=1),
    st.lists(st.integers(0, 255), min_size=1, unique=True).map(sorted),
)
def test_bins(numbers: list[int], edges: list[int]) -> None:
    expected = np.bincount(np.searchsorted(edges, numbers, side="right"), minlength=len(edges) + 1)
    assert _of(numbers).in_bins(edges) == expected.tolist()
    assert _of(numbers).above(edges[0]) == sum(number > edges[0] for number in numbers)


@given(NUMBERS, NUMBERS)
def test_merged_is_counted_together(one: list[int], other: list[int]) -> None:
    merged, together = _of(one).merge(_of(other)), _of(one + other)
    assert vars(merged) == vars(together)
    assert vars(Histogram().merge(_of(one))) == vars(_of(one))


def test_memory_is_bounded() -> None:
    histogram = _of(list(range(0, 10**6, 7)))
    assert len(histogram._buckets) < 256 + 13 * 128
