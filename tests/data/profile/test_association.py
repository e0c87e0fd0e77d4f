"""Association: Pearson's statistic, Cramér's V without its bias, and the cells that make it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from luthier.data.profile.association import adjusted, association, corrected_v

ADMISSIONS = {
    ("admitted", "men"): 1198,
    ("admitted", "women"): 557,
    ("rejected", "men"): 1493,
    ("rejected", "women"): 1278,
}
"""Berkeley 1973, six departments: Bickel et al. 1975; in R, UCBAdmissions."""


def test_berkeley() -> None:
    """R: chisq.test(margin.table(UCBAdmissions, 1:2), correct = FALSE): X-squared = 92.205, df = 1, p < 2.2e-16."""
    found = association("outcome", "sex", ADMISSIONS)
    assert found is not None
    assert found.chi_square == pytest.approx(92.205, abs=0.001) and found.degrees == 1
    assert found.p_value is not None and 0 < found.p_value < 2.2e-16 and not found.is_drawn
    assert found.rows == 4526 and found.cramers_v == pytest.approx((92.205 / 4526) ** 0.5, rel=0.01)
    cell = next(c for c in found.cells if (c.first, c.second) == ("admitted", "women"))
    assert cell.rows == 557 and cell.expected == pytest.approx(1755 * 1835 / 4526)
    assert cell.residual == pytest.approx(-(92.205**0.5), abs=0.001), (
        "in two by two its square is the statistic"
    )


def test_one_value_is_nothing_to_compare() -> None:
    assert association("a", "b", {("x", "y"): 5, ("x", "z"): 5}) is None


def test_the_same_column_twice_is_one() -> None:
    found = association("a", "b", {(v, v): 40 for v in "xyz"})
    assert found is not None and found.cramers_v == pytest.approx(1.0)


def test_no_bias_where_nothing_is_to_be_found() -> None:
    """Bergsma 2013, section 2: the plain V of independent columns grows with the table, the corrected one does not."""
    generator = np.random.default_rng(0)
    plain, corrected = [], []
    for _ in range(300):
        table = np.zeros((10, 10))
        np.add.at(table, (generator.integers(0, 10, 200), generator.integers(0, 10, 200)), 1)
        expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / 200
        chi_square = float(((table - expected) ** 2 / expected).sum())
        plain.append((chi_square / 200 / 9) ** 0.5)
        corrected.append(corrected_v(chi_square, 200, 10, 10))
    assert np.mean(plain) > 0.2
    assert np.mean(corrected) < 0.06


def test_thin_tables_are_judged_by_permutation() -> None:
    """Fisher's tea: 3 of 4 right has p = 0.486 (Fisher 1935); all right 1/35 + 1/35 two-sided."""
    three = association(
        "said", "was", {("milk", "milk"): 3, ("milk", "tea"): 1, ("tea", "milk"): 1, ("tea", "tea"): 3}
    )
    assert three is not None and three.is_drawn
    assert three.p_value == pytest.approx(34 / 70, abs=0.05)
    four = association("said", "was", {("milk", "milk"): 4, ("tea", "tea"): 4})
    assert four is not None and four.p_value == pytest.approx(2 / 70, abs=0.02)


def test_many_pairs_raise_the_bar() -> None:
    generator = np.random.default_rng(1)
    found = []
    for number in range(60):
        pairs = Counter(
            zip(
                generator.integers(0, 2, 500).astype(str),
                generator.integers(0, 3, 500).astype(str),
                strict=True,
            )
        )
        entry = association(f"a{number}", "b", pairs)
        assert entry is not None
        found.append(entry)
    assert sum(e.p_value < 0.05 for e in found if e.p_value is not None) >= 1, (
        "by chance some look significant"
    )
    tied = association("tied", "b", {("x", "y"): 300, ("x", "z"): 200, ("w", "y"): 200, ("w", "z"): 300})
    assert tied is not None
    significant = [e.first for e in adjusted([*found, tied]) if e.q_value is not None and e.q_value < 0.05]
    assert significant == ["tied"]


def test_a_table_too_large_to_draw_has_no_p_value() -> None:
    pairs = {(str(n), str(n % 90)): 1 for n in range(100)}
    found = association("a", "b", pairs)
    assert found is not None and found.p_value is None and not found.is_drawn
    assert adjusted([found])[0].q_value is None


def test_ranges_keep_their_order() -> None:
    pairs = {("10–19", "a"): 5, ("under 10", "a"): 9, ("100 and over", "b"): 7, ("20–99", "b"): 8}
    found = association("length", "x", pairs)
    assert found is not None and found.values[0] == ["under 10", "10–19", "20–99", "100 and over"]
