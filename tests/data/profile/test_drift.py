"""Drift: the index and the divergence by hand, and a noise floor that holds what it says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.data.profile.drift import drift, jensen_shannon, stability_index


def test_the_index_by_hand() -> None:
    """From halves to six and four tenths: 0.1 ln 1.2 - 0.1 ln 0.8."""
    expected = 0.1 * math.log(1.2) - 0.1 * math.log(0.8)
    assert stability_index(np.array([500, 500]), np.array([600, 400])) == pytest.approx(expected)


def test_the_divergence_by_hand() -> None:
    """Nothing in common is one bit; a half in common is half a bit."""
    assert jensen_shannon(np.array([5, 0]), np.array([0, 9])) == pytest.approx(1.0)
    assert jensen_shannon(np.array([1, 1, 0]), np.array([0, 1, 1])) == pytest.approx(0.5)


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=2, max_size=9))
def test_the_divergence_is_scipys(counts: list[tuple[int, int]]) -> None:
    distance = pytest.importorskip("scipy.spatial.distance")
    before, after = (np.array(side) for side in zip(*counts, strict=True))
    if not before.sum() or not after.sum():
        return
    expected = float(distance.jensenshannon(before, after, base=2)) ** 2
    assert jensen_shannon(before, after) == pytest.approx(expected, abs=1e-9)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=6))
def test_any_counts_have_a_finite_index(counts: list[tuple[int, int]]) -> None:
    before, after = ([c[side] for c in counts] for side in (0, 1))
    if sum(before) and sum(after):
        found = drift("a", [str(n) for n in range(len(before))], before, after)
        assert math.isfinite(found.psi) and found.psi >= 0 and 0 < found.p_value <= 1
        same = drift("a", [str(n) for n in range(len(before))], before, before)
        assert same.psi == 0 and same.verdict == "by chance"


def test_chance_stays_below_the_floor_in_95_of_100() -> None:
    generator = np.random.default_rng(0)
    shares = generator.dirichlet(np.ones(20))
    beyond, p_values = 0, []
    for seed in range(200):
        before, after = generator.multinomial(800, shares), generator.multinomial(300, shares)
        found = drift("a", [str(n) for n in range(20)], before.tolist(), after.tolist(), seed=seed)
        beyond += found.psi > found.psi_of_chance
        p_values.append(found.p_value)
    assert 2 <= beyond <= 22
    assert 0.4 < np.mean(p_values) < 0.6


@pytest.mark.parametrize(
    ("after", "verdict"),
    [
        ([5000, 5000], "by chance"),
        ([5500, 4500], "slight"),
        ([7000, 3000], "moderate"),
        ([8000, 2000], "large"),
    ],
)
def test_verdicts(after: list[int], verdict: str) -> None:
    assert drift("a", ["x", "y"], [5000, 5000], after).verdict == verdict


def test_a_large_index_of_few_rows_is_chance() -> None:
    found = drift("a", list("abcdefgh"), [1, 0, 2, 1, 0, 1, 0, 1], [0, 1, 1, 0, 2, 1, 1, 0])
    assert found.psi > 0.25 and found.verdict == "by chance"
