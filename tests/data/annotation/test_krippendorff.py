"""Krippendorff's alpha: his worked examples, and what must hold of any ratings."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from luthier.data.annotation.krippendorff import krippendorff_alpha
from tests.data.annotation.conftest import vector_cases

LEVELS = ["nominal", "ordinal", "interval", "ratio"]


def counted(ratings_RN: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return how many raters gave each value to each row, and the values."""
    ratings = np.asarray(ratings_RN, dtype=float)
    values = np.unique(ratings[~np.isnan(ratings)])
    return (ratings[:, :, None] == values).sum(axis=0), values


@pytest.mark.parametrize("case", vector_cases("14_krippendorff.json"))
def test_worked_examples(case: dict[str, Any]) -> None:
    counts, values = counted(case["input"]["data"])
    found = krippendorff_alpha(counts, values, case["input"]["level"])
    assert found == pytest.approx(case["expected"], abs=case["tolerance"])


def by_pairs(ratings_RN: np.ndarray, distance: Any) -> float:
    """Return alpha as its definition says it: mean squared difference within rows over that of all pairs."""
    rows = [[v for v in row if not math.isnan(v)] for row in ratings_RN.T]
    rows = [row for row in rows if len(row) > 1]
    values = [v for row in rows for v in row]
    observed = sum(
        distance(a, b) / (len(row) - 1)
        for row in rows
        for i, a in enumerate(row)
        for j, b in enumerate(row)
        if i != j
    ) / len(values)
    expected = sum(distance(a, b) for i, a in enumerate(values) for j, b in enumerate(values) if i != j)
    return 1 - observed / (expected / (len(values) * (len(values) - 1)))


RATINGS = arrays(
    float,
    st.tuples(st.integers(2, 4), st.integers(2, 8)),
    elements=st.sampled_from([1.0, 2.0, 4.0, math.nan]),
)
DISTANCES = {
    "nominal": lambda a, b: float(a != b),
    "interval": lambda a, b: (a - b) ** 2,
    "ratio": lambda a, b: ((a - b) / (a + b)) ** 2,
}


@given(RATINGS, st.sampled_from(list(DISTANCES)))
def test_it_is_its_definition(ratings: np.ndarray, level: str) -> None:
    counts, values = counted(ratings)
    paired = ratings[:, (~np.isnan(ratings)).sum(axis=0) > 1]
    if len(np.unique(paired[~np.isnan(paired)])) < 2:
        assert len(values) == 0 or math.isnan(krippendorff_alpha(counts, values, level))
    else:
        expected = by_pairs(ratings, DISTANCES[level])
        assert krippendorff_alpha(counts, values, level) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("level", LEVELS)
def test_perfect_agreement_is_one_and_rows_of_one_rater_say_nothing(level: str) -> None:
    counts = np.array([[2, 0], [0, 3], [2, 0]])
    assert krippendorff_alpha(counts, [1, 2], level) == pytest.approx(1.0)
    more = np.vstack([counts, [[1, 0], [0, 1]]])
    assert krippendorff_alpha(more, [1, 2], level) == pytest.approx(1.0)


def test_the_scale_matters() -> None:
    counts, values = counted([[1, 2, 3, 4, 1, 2], [2, 3, 4, 4, 1, 2]])
    found = {level: krippendorff_alpha(counts, values, level) for level in LEVELS}
    assert found["nominal"] < found["ratio"] < found["interval"]  # near misses count less on a scale
    assert len({round(value, 6) for value in found.values()}) == 4
