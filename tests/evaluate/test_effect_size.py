"""Effect sizes equal those of statsmodels, SciPy and Cohen."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_effectsize

from luthier.evaluate.effect_size import cohens_h, paired_d

shares = st.floats(0.001, 0.999)


@given(shares, shares)
def test_h_equals_statsmodels(first: float, second: float) -> None:
    assert cohens_h(first, second).value == pytest.approx(proportion_effectsize(first, second), abs=1e-9)


def test_h_of_cohens_table() -> None:
    # Cohen 1988, table 6.2.2: phi is 1.369 for P = .40 and 1.571 for P = .50.
    assert cohens_h(0.5, 0.4).value == pytest.approx(1.571 - 1.369, abs=1e-3)


def test_d_of_pairs_is_the_t_statistic_by_the_root_of_the_rows() -> None:
    from scipy.stats import ttest_rel

    generator = np.random.default_rng(1)
    first, second = generator.normal(0.3, 1, 40), generator.normal(0, 1, 40)
    assert paired_d(first, second).value == pytest.approx(ttest_rel(first, second).statistic / math.sqrt(40))


@pytest.mark.parametrize(
    ("effect", "size"),
    [
        (cohens_h(0.5, 0.5), "negligible"),
        (cohens_h(0.6, 0.45), "small"),
        (cohens_h(0.8, 0.5), "medium"),
        (cohens_h(0.95, 0.5), "large"),
        (paired_d([1, 1, 1], [0, 0, 0]), "large"),
        (paired_d([1, 2, 3], [1, 2, 3]), "negligible"),
    ],
)
def test_words(effect: object, size: str) -> None:
    assert effect.size == size  # type: ignore[attr-defined]


def test_groups_too_small_or_unpaired_are_refused() -> None:
    with pytest.raises(ValueError, match="two values"):
        paired_d([1.0], [1.0])
    with pytest.raises(ValueError, match="paired"):
        paired_d([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="share"):
        cohens_h(1.2, 0.5)
