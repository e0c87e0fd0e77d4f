"""Weights of classes, against scikit-learn's, the paper's formula and the definition of independence."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.data.balance.weights import class_weights

SIZES = st.dictionaries(
    st.text(max_size=3).map(lambda name: (name,)), st.integers(1, 5000), min_size=2, max_size=9
)


def test_balanced_is_scikit_learns() -> None:
    """compute_class_weight("balanced", classes=[0, 1, 2], y=[0] * 6 + [1] * 3 + [2]) of scikit-learn 1.8."""
    found = class_weights({("0",): 6, ("1",): 3, ("2",): 1}, "balanced")
    assert list(found.values()) == pytest.approx([0.5555555555555556, 1.1111111111111112, 3.3333333333333335])


def test_effective_number_is_the_papers() -> None:
    """arXiv:1901.05555, equations 2 and 3: weights go as (1 - beta) / (1 - beta^n)."""
    found = class_weights({("a",): 100, ("b",): 10}, "effective_number", beta=0.9)
    ratio = ((1 - 0.9**100) / (1 - 0.9)) / ((1 - 0.9**10) / (1 - 0.9))
    assert found["b",] / found["a",] == pytest.approx(ratio)
    nearly = class_weights({("a",): 100, ("b",): 10}, "effective_number", beta=1 - 1e-9)
    assert nearly["b",] / nearly["a",] == pytest.approx(10, rel=1e-5), "one over frequency at the end"
    none = class_weights({("a",): 100, ("b",): 10}, "effective_number", beta=1e-9)
    assert none["b",] / none["a",] == pytest.approx(1), "no weights at the other"


def test_root_is_halfway() -> None:
    found = class_weights({("a",): 100, ("b",): 4}, "inverse_sqrt")
    assert found["b",] / found["a",] == pytest.approx(math.sqrt(25))


def test_independence() -> None:
    """Kamiran and Calders 2012, example of section 4.3: W(+, m) = 0.5 * 0.6 / 0.4, W(+, f) = 0.5 * 0.6 / 0.2."""
    rows = {("m", "+"): 4, ("f", "+"): 2, ("m", "-"): 1, ("f", "-"): 3}
    found = class_weights(rows, "independent")
    assert found == pytest.approx({("m", "+"): 0.75, ("f", "+"): 1.5, ("m", "-"): 2.0, ("f", "-"): 2 / 3})
    table = np.array([[rows[s, y] * found[s, y] for y in "+-"] for s in "mf"])
    assert np.linalg.matrix_rank(table, tol=1e-9) == 1, "rows of the weighted table are proportional"


@given(SIZES, st.sampled_from(["balanced", "inverse_sqrt", "effective_number"]))
def test_a_row_weighs_one_on_average(sizes: dict[tuple[str, ...], int], weighting: str) -> None:
    found = class_weights(sizes, weighting)  # type: ignore[arg-type]
    assert sum(found[name] * n for name, n in sizes.items()) == pytest.approx(sum(sizes.values()))
    by_size = sorted(sizes, key=lambda name: sizes[name])
    assert all(found[a] >= found[b] - 1e-12 for a, b in zip(by_size, by_size[1:], strict=False))
    if weighting == "balanced":
        totals = [found[name] * n for name, n in sizes.items()]
        assert totals == pytest.approx([totals[0]] * len(totals))


def test_limit() -> None:
    found = class_weights({("a",): 999, ("b",): 1}, "balanced", max_weight=20.0)
    assert found["b",] == 20.0 and found["a",] == pytest.approx(1000 / 2 / 999)
