"""Agreement of a table: the published figure on Davidson's tweets, intervals, and what is said where nothing can be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from luthier.core.errors import DataError
from luthier.data.annotation.agreement import Agreement, Bootstrap, Measure, agreement_of
from luthier.data.annotation.bootstrap import bootstrap_interval
from luthier.data.annotation.files import open_ratings
from luthier.data.annotation.rating_table import table_of

FAST = Bootstrap(num_samples=200)


def measure(found: Agreement, name: str) -> Measure:
    return next(m for m in found.measures if m.name == name)


def test_davidson(davidson: Path) -> None:
    labels = ("hate_speech", "offensive_language", "neither")
    items = list(open_ratings(davidson, counts=labels).items())
    found = agreement_of(table_of(items, labels), bootstrap=FAST)
    fleiss = measure(found, "fleiss_kappa")
    # 22,807 of 24,783 rows have three raters; 0.549 is statsmodels' fleiss_kappa on them.
    assert (fleiss.num_rows, found.num_rows) == (22_807, 24_783)
    assert fleiss.value == pytest.approx(0.549, abs=5e-4)
    assert fleiss.low is not None and fleiss.high is not None
    assert fleiss.low < 0.549 < fleiss.high and fleiss.high - fleiss.low < 0.03
    assert "1,976 others left out" in fleiss.note
    alpha = measure(found, "krippendorff_alpha_nominal")
    assert alpha.num_rows == 24_783 and alpha.value == pytest.approx(fleiss.value, abs=0.05)


def test_pairs_take_the_rows_that_both_rated(make_items: Callable[..., list]) -> None:
    items = make_items(ann="aabb ab", bea="aabbb a-", cem="ba")
    found = agreement_of(table_of(items, "ab"), bootstrap=FAST)
    pairs = {(p.first, p.second): p.kappa for p in found.pairs}
    assert pairs["ann", "bea"].num_rows == 5 and pairs["ann", "bea"].value == pytest.approx(0.6153846)
    assert pairs["bea", "cem"].num_rows == 2
    assert found.num_ratings == 14  # the skipped row is no rating


def test_an_ordinal_scale_takes_the_order_of_the_labels(make_items: Callable[..., list]) -> None:
    items = make_items(ann="lmhlmh", bea="mhhlmh")
    near = agreement_of(table_of(items, "lmh"), "ordinal", bootstrap=FAST)
    far = agreement_of(table_of(items, "mlh"), "ordinal", bootstrap=FAST)
    values = [measure(found, "krippendorff_alpha_ordinal").value for found in (near, far)]
    assert values[0] != pytest.approx(values[1])
    assert near.pairs[0].kappa.value != pytest.approx(far.pairs[0].kappa.value)


def test_fleiss_takes_the_number_of_raters_that_is_asked_for(make_items: Callable[..., list]) -> None:
    items = make_items(ann="aabbab", bea="aabbba", cem="ab    ")
    assert measure(agreement_of(table_of(items, "ab"), bootstrap=FAST), "fleiss_kappa").num_rows == 4
    three = agreement_of(table_of(items, "ab"), raters_per_row=3, bootstrap=FAST)
    assert measure(three, "fleiss_kappa").num_rows == 2
    with pytest.raises(DataError, match=r"no row has 4 ratings[\s\S]*2 \(4 rows\), 3 \(2 rows\)"):
        agreement_of(table_of(items, "ab"), raters_per_row=4)


def test_what_is_not_defined_is_said(make_items: Callable[..., list]) -> None:
    found = agreement_of(table_of(make_items(ann="aaa ", bea="aaa ", cem="   b"), "ab"), bootstrap=FAST)
    kappa = measure(found, "fleiss_kappa")
    assert kappa.value is None and "all ratings are the same label" in kappa.note
    alone = next(p for p in found.pairs if p.second == "cem").kappa
    assert alone.value is None and "no row is rated by both" in alone.note
    with pytest.raises(DataError, match="no row has two ratings"):
        agreement_of(table_of(make_items(ann="ab"), "ab"))
    with pytest.raises(DataError, match="'a' is no number"):
        agreement_of(table_of(make_items(ann="ab", bea="ab"), "ab"), "interval")


def test_the_interval_is_seeded_and_covers_what_is_true() -> None:
    def rate(weights: np.ndarray) -> float:
        return float(weights[1] / weights.sum())

    first, again, other = (bootstrap_interval(rate, [800, 200], seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    first = bootstrap_interval(rate, [80, 20])
    # The normal interval of 20 in 100 is 0.2 ± 1.96 × 0.04.
    assert (first.low, first.high) == pytest.approx((0.1216, 0.2784), abs=0.015)
    narrow = bootstrap_interval(rate, [80, 20], confidence=0.5)
    assert first.low < narrow.low < narrow.high < first.high


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    covered = 0
    for trial in range(200):
        drawn = generator.binomial(150, 0.3)
        interval = bootstrap_interval(
            lambda w: float(w[1] / w.sum()), [150 - drawn, drawn], num_samples=300, confidence=0.9, seed=trial
        )
        covered += interval.low <= 0.3 <= interval.high
    assert 165 <= covered <= 195
