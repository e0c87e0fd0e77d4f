"""Tails, adjustment and draws, against tables, papers and scipy."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.data.profile.statistics import adjusted_p_values, chi_square_tail, table_of_same_margins
from tests.conftest import SHARED_VECTORS


@pytest.mark.parametrize(
    ("statistic", "degrees", "tail"),
    [(3.841, 1, 0.05), (10.828, 1, 0.001), (18.307, 10, 0.05), (29.588, 10, 0.001), (124.342, 100, 0.05),
     (149.449, 100, 0.001), (3.940, 10, 0.95), (77.929, 100, 0.95)],
)  # fmt: skip
def test_critical_values(statistic: float, degrees: int, tail: float) -> None:
    """NIST/SEMATECH e-Handbook of Statistical Methods, table 1.3.6.7.4."""
    assert chi_square_tail(statistic, degrees) == pytest.approx(tail, rel=2e-3)


@given(st.floats(0, 3000), st.integers(1, 2000))
def test_equals_scipy(statistic: float, degrees: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    assert chi_square_tail(statistic, degrees) == pytest.approx(
        float(stats.chi2.sf(statistic, degrees)), rel=1e-8, abs=1e-12
    )


def test_benjamini_and_hochberg() -> None:
    """Benjamini and Hochberg 1995, section 4.1: of these fifteen the first four are significant at q = 0.05."""
    p_values = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719,
                0.6528, 0.7590, 1.0]  # fmt: skip
    q_values = adjusted_p_values(p_values)
    assert [q <= 0.05 for q in q_values] == [True] * 4 + [False] * 11
    assert q_values[3] == pytest.approx(0.0095 * 15 / 4)


@given(st.lists(st.floats(0, 1), max_size=30))
def test_adjusted_keep_their_order(p_values: list[float]) -> None:
    q_values = adjusted_p_values(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, q_values, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(np.array(q_values)[order]) >= -1e-15).all()


def test_drawn_tables_have_the_margins_and_the_mean_of_independence() -> None:
    rows, columns = np.array([30, 10, 5]), np.array([25, 20])
    generator = np.random.default_rng(0)
    drawn = [table_of_same_margins(rows, columns, generator) for _ in range(2000)]
    assert all((t.sum(axis=1) == rows).all() and (t.sum(axis=0) == columns).all() for t in drawn)
    assert np.mean(drawn, axis=0) == pytest.approx(np.outer(rows, columns) / 45, abs=0.15)


def test_published_p_values() -> None:
    """Each record of the vectors names where its counts and its p-value come from."""
    path = SHARED_VECTORS / "18_ab_srm.json"
    if not path.is_file():
        pytest.skip(f"test vectors are not at {SHARED_VECTORS}")
    records = json.loads(path.read_text(encoding="utf-8"))["records"]
    for record in records:
        observed, weights = (np.array(record["input"][key], float) for key in ("observed", "weights"))
        fair = weights / weights.sum() * observed.sum()
        statistic = float(((observed - fair) ** 2 / fair).sum())
        assert statistic == pytest.approx(record["expected"]["chi2"])
        assert chi_square_tail(statistic, len(observed) - 1) == pytest.approx(
            record["expected"]["p"], rel=1e-6
        )
    assert records
