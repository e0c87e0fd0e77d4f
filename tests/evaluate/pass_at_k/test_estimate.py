"""pass@k equals the binomial formula of the HumanEval paper, and a count of all draws."""

from __future__ import annotations

from itertools import combinations
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.evaluate.pass_at_k.estimate import pass_at_k


@given(st.integers(1, 200), st.data())
def test_equals_the_formula_of_the_paper(n: int, data: st.DataObject) -> None:
    """arXiv:2107.03374, equation 1."""
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    assert pass_at_k(n, c, k) == pytest.approx(1 - comb(n - c, k) / comb(n, k), abs=1e-9)


def test_equals_a_count_of_all_draws() -> None:
    solved = [True, True, False, False, False]
    draws = list(combinations(solved, 3))
    assert pass_at_k(5, 2, 3) == pytest.approx(sum(map(any, draws)) / len(draws))


@pytest.mark.parametrize(("n", "c", "k"), [(5, 1, 6), (5, 6, 1), (5, -1, 1), (5, 1, 0)])
def test_what_cannot_be_estimated(n: int, c: int, k: int) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        pass_at_k(n, c, k)
