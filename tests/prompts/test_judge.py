"""Differences are called real where they are, and nowhere else; the words say so."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.power import TTestPower

from luthier.core.errors import DataError
from luthier.prompts.judge import Settings, judged
from luthier.prompts.scoring import METRICS
from tests.prompts.making import rows_of

SHARE, MEAN = METRICS["exact_match"], METRICS["rouge"]
FAST = Settings(bootstrap_samples=300, permutations=2000)


def _rows(count: int, per_page: int = 4) -> list:  # type: ignore[type-arg]
    return rows_of(*({"q": str(n), "page": n // per_page} for n in range(count)))


def test_clear_difference_and_none() -> None:
    generator = np.random.default_rng(0)
    good = (generator.uniform(size=200) < 0.8).astype(float)
    bad = (generator.uniform(size=200) < 0.4).astype(float)
    other = (generator.uniform(size=200) < 0.78).astype(float)
    verdict = judged(
        ["bad", "good", "other"],
        np.stack([bad, good, other]),
        SHARE,
        FAST,
        rows=_rows(200),
        tokens=[10, 20, 90],
    )
    by_names = {frozenset((pair.better, pair.worse)): pair for pair in verdict.pairs}
    real = by_names[frozenset(("good", "bad"))]
    assert real.is_real and real.better == "good"
    assert "good is better than bad" in real.text and "The difference is real" in real.text
    assert "after correction for 3 comparisons" in real.text and real.effect.name == "Cohen's h"
    same = by_names[frozenset(("good", "other"))]
    assert not same.is_real and "No difference between" in same.text and "8 of 10" in same.text
    assert f"is not shown to be better than {same.worse}" in verdict.text
    assert "prefer the shorter one" in verdict.text


def test_p_value_is_mcnemars() -> None:
    """Where rows score 0 or 1 the sign-flip test is McNemar's exact test (statsmodels)."""
    first = np.array([1.0] * 12 + [0.0] * 3 + [1.0] * 30)
    second = np.array([0.0] * 12 + [1.0] * 3 + [1.0] * 30)
    (pair,) = judged(
        ["a", "b"],
        np.stack([first, second]),
        SHARE,
        Settings(permutations=40_000),
        rows=_rows(45),
        tokens=[1, 1],
    ).pairs
    exact = mcnemar([[30, 12], [3, 0]], exact=True).pvalue
    assert pair.p_value == pytest.approx(exact, abs=0.004)


def test_correction_takes_back_what_many_comparisons_find() -> None:
    generator = np.random.default_rng(4)
    finds = {2: 0, 6: 0}
    for _ in range(60):
        scores = generator.normal(size=(6, 50))
        for count in finds:
            names = [str(n) for n in range(count)]
            verdict = judged(
                names, scores[:count], MEAN, Settings(bootstrap_samples=100, permutations=800),
                rows=_rows(50), tokens=[1] * count,
            )  # fmt: skip
            finds[count] += any(pair.is_real for pair in verdict.pairs)
    assert finds[6] / 60 < 0.15  # 15 comparisons without correction find one in every second set


def test_detectable_difference_is_that_of_a_power_analysis() -> None:
    generator = np.random.default_rng(1)
    scores = generator.normal(size=(2, 400))
    (pair,) = judged(["a", "b"], scores, MEAN, FAST, rows=_rows(400), tokens=[1, 1]).pairs
    effect = TTestPower().solve_power(nobs=400, alpha=0.05, power=0.8)
    assert pair.detectable == pytest.approx(effect * (scores[0] - scores[1]).std(ddof=1), rel=0.01)


def test_clusters_widen_what_rows_alone_make_certain() -> None:
    shift = np.array([1.0] * 6 + [-0.8] * 3 + [-0.2]).repeat(20)
    scores = np.stack([shift, np.zeros(200)])
    settings = {"rows": _rows(200, per_page=20), "tokens": [1, 1]}
    (alone,) = judged(["a", "b"], scores, MEAN, FAST, **settings).pairs  # type: ignore[arg-type]
    by_page = Settings(bootstrap_samples=300, permutations=2000, cluster_by="page")
    (grouped,) = judged(["a", "b"], scores, MEAN, by_page, **settings).pairs  # type: ignore[arg-type]
    assert alone.is_real and not grouped.is_real
    assert grouped.difference.high - grouped.difference.low > 2 * (
        alone.difference.high - alone.difference.low
    )
    assert grouped.detectable > 2 * alone.detectable


def test_equal_in_every_row() -> None:
    scores = np.tile([1.0, 0.0, 1.0], (2, 1))
    (pair,) = judged(["a", "b"], scores, SHARE, FAST, rows=_rows(3), tokens=[1, 1]).pairs
    assert pair.text == "a and b have the same score in every row." and not pair.is_real


def test_one_prompt_has_a_score_and_no_pair() -> None:
    verdict = judged(["a"], np.array([[1.0, 0.0, 1.0, 1.0]]), SHARE, FAST, rows=_rows(4), tokens=[None])
    assert verdict.pairs == [] and verdict.text.startswith("a: Exact match 0.750")


@pytest.mark.parametrize(
    ("settings", "count", "told"),
    [
        (Settings(cluster_by="book"), 8, "no field 'book'"),
        (Settings(cluster_by="page"), 4, "one row, or one cluster"),
        (Settings(permutations=100, confidence=0.999), 8, "100 permutations cannot find a difference"),
    ],
)
def test_what_cannot_be_judged(settings: Settings, count: int, told: str) -> None:
    scores = np.zeros((2, count))
    with pytest.raises(DataError, match=told):
        judged(["a", "b"], scores, SHARE, settings, rows=_rows(count), tokens=[1, 1])
