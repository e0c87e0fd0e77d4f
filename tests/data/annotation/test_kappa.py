"""Kappa: the published values, and what must hold of any ratings."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import cohen_kappa_score

from luthier.data.annotation.kappa import (
    cohen_kappa,
    fleiss_kappa,
    label_distances,
    observed_agreement,
    randolph_kappa,
)
from tests.data.annotation.conftest import vector_cases

WEIGHTS = {"equal (linear)": "linear", "squared (quadratic)": "quadratic"}


@pytest.mark.parametrize("case", vector_cases("15_kappa.json"))
def test_published_values(case: dict[str, Any]) -> None:
    given, expected, tolerance = case["input"], case["expected"], case["tolerance"]
    if case["function"] == "fleiss_kappa":
        assert fleiss_kappa(given["table"]) == pytest.approx(expected, abs=tolerance)
    elif case["function"] == "randolph_free_marginal_kappa":
        assert randolph_kappa(given["table"]) == pytest.approx(expected, abs=tolerance)
    elif case["function"] == "cohen_kappa_R_irr_kappa2":
        ratings = np.array(given["raters2_3"])
        values, places = np.unique(ratings, return_inverse=True)
        confusion = np.zeros((len(values), len(values)))
        np.add.at(confusion, tuple(places.reshape(ratings.shape).T), 1)
        # irr numbers the levels that occur: 6 follows 4.
        found = cohen_kappa(confusion, label_distances(range(len(values)), WEIGHTS[given["weights"]]))
        assert found.value == pytest.approx(expected["kappa"], abs=tolerance)
        assert found.z == pytest.approx(expected["z"], abs=tolerance)
        assert found.p_value == pytest.approx(expected["p"], abs=tolerance)
    else:
        weights = "linear" if case["function"].endswith("linear_weights") else "none"
        found = cohen_kappa(given["table"], label_distances(given.get("weights", range(3)), weights))
        assert found.value == pytest.approx(expected["kappa"], abs=tolerance)
        assert found.standard_error == pytest.approx(expected["ASE"], abs=tolerance)
        assert found.z == pytest.approx(expected["z"], abs=tolerance)
        assert found.p_value == pytest.approx(expected["p_two"], abs=tolerance)
        if "ASE0" in expected:
            assert found.null_standard_error == pytest.approx(expected["ASE0"], abs=tolerance)
        low, high = (found.value + sign * 1.959964 * found.standard_error for sign in (-1, 1))
        assert (low, high) == pytest.approx(expected["ci95"], abs=tolerance)


RATINGS = arrays(np.int64, st.tuples(st.integers(2, 12), st.just(2)), elements=st.integers(0, 3))


@given(RATINGS, st.sampled_from(["none", "linear", "quadratic"]))
def test_cohen_is_that_of_scikit_learn(ratings: np.ndarray, weights: str) -> None:
    confusion = np.zeros((4, 4))
    np.add.at(confusion, tuple(ratings.T), 1)
    found = cohen_kappa(confusion, label_distances(range(4), weights)).value
    if len(np.unique(ratings)) == 1:
        assert math.isnan(found)
        return
    reference = cohen_kappa_score(*ratings.T, labels=range(4), weights=None if weights == "none" else weights)
    assert found == pytest.approx(reference, abs=1e-9)


@given(arrays(np.int64, st.tuples(st.integers(2, 10), st.just(3)), elements=st.integers(0, 2)))
def test_fleiss_does_not_depend_on_the_order_of_rows_raters_and_labels(ratings: np.ndarray) -> None:
    counts = (ratings[:, :, None] == np.arange(3)).sum(axis=1)
    value = fleiss_kappa(counts)
    assert math.isnan(value) == (len(np.unique(ratings)) == 1)
    assert math.isnan(value) or value <= 1.0 + 1e-12
    np.testing.assert_allclose(fleiss_kappa(counts[::-1, ::-1]), value, atol=1e-12)
    # A row that counts twice is a row that is there twice.
    twice = fleiss_kappa(np.vstack([counts, counts[:1]]))
    np.testing.assert_allclose(fleiss_kappa(counts, np.r_[2, np.ones(len(counts) - 1)]), twice, atol=1e-12)


def test_all_alike_on_different_labels_is_perfect() -> None:
    assert fleiss_kappa([[3, 0], [0, 3]]) == pytest.approx(1.0)
    assert observed_agreement([[3, 0], [2, 1]]) == pytest.approx((1 + 1 / 3) / 2)


@pytest.mark.parametrize("counts", [[[3, 0], [1, 1]], [[1, 0], [0, 1]], []])
def test_rows_of_unequal_size_are_refused(counts: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="counts of labels|same number of raters"):
        fleiss_kappa(counts)
