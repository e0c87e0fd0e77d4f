"""Rates and criteria against Fairlearn, where it is right, and against what is true, where it is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from luthier.evaluate.fairness.compare import Drawn, compare_groups, draw_shares
from luthier.evaluate.fairness.groups import Grouping
from luthier.evaluate.fairness.rates import count_outcomes, figures_of, judge, rates_facts
from luthier.evaluate.statistics import Interval, Resampling

VECTORS = Path(__file__).parents[3] / "../shared/vectors/08_fairness_fairlearn.json"
HOW = Resampling(2000, 0.95, seed=1)
NAMES = {
    "demographic_parity_difference": ("demographic_parity", "difference"),
    "equal_opportunity_difference": ("equal_opportunity", "difference"),
    "equal_opportunity_ratio": ("equal_opportunity", "ratio"),
    "equalized_odds_ratio": ("equalized_odds", "ratio"),
}


def grouped(values: Any) -> Grouping:
    names, numbers = np.unique(values, return_inverse=True)
    return Grouping("g", tuple(map(str, names)), numbers, 0, 0)


def judged(true: Any, said: Any, group: Any, against: str = "groups") -> dict[str, Interval | None]:
    grouping = grouped(group)
    outcomes = count_outcomes(np.asarray(true) > 0, np.asarray(said) > 0, grouping)
    everyone = np.ones(len(grouping.groups), dtype=bool)
    found = judge(outcomes, everyone, "1", HOW, against)  # type: ignore[arg-type]
    return {figure.name.removeprefix("fairness.g."): figure.value for figure in figures_of(found, "g", 0)}


def records() -> list[dict[str, Any]]:
    if not VECTORS.is_file():
        return []
    return list(json.loads(VECTORS.read_text())["records"])


@pytest.mark.skipif(not VECTORS.is_file(), reason="needs ../shared/vectors")
def test_fairlearns_published_values() -> None:
    first, *others = records()
    data = first["input"]
    outcomes = count_outcomes(
        np.asarray(data["y_true"]) > 0, np.asarray(data["y_pred"]) > 0, grouped(data["group"])
    )
    for rates in rates_facts(outcomes, "1", 0.95):
        expected = first["expected"][rates["group"]]
        assert rates["selection_rate"][0] == pytest.approx(expected["sel"], abs=1e-9)
        assert rates["recall"][0] == pytest.approx(expected["tpr"], abs=1e-9)
        assert rates["false_positive_rate"][0] == pytest.approx(expected["fpr"], abs=1e-9)
    num_checked = 0
    for record in others:
        if record["function"] not in NAMES:
            continue
        # Weights of whole numbers are rows that stand there as often.
        times = record["input"].get("sample_weight", [1] * len(data["y_true"]))
        against = {"between_groups": "groups", "to_overall": "overall"}[record["input"]["method"]]
        columns = (np.repeat(data[name], times) for name in ("y_true", "y_pred", "group"))
        name, kind = NAMES[record["function"]]
        found = judged(*columns, against=against)[f"{name}_{kind}"]
        assert found is not None
        assert found.value == pytest.approx(record["expected"], abs=1e-9), record["function"]
        assert found.low <= found.value <= found.high
        num_checked += 1
    assert num_checked == 16


def test_random_rows_agree_with_fairlearn() -> None:
    metrics = pytest.importorskip("fairlearn.metrics")
    generator = np.random.default_rng(3)
    for _ in range(20):
        group = generator.choice(["a", "b", "c"], 120)
        true = generator.integers(0, 2, 120)
        said = generator.integers(0, 2, 120)
        found = judged(true, said, group)
        for name in (*NAMES, "equalized_odds_difference", "demographic_parity_ratio"):
            own = found[name]
            expected = getattr(metrics, name)(true, said, sensitive_features=group)
            assert own is not None
            assert own.value == pytest.approx(expected, abs=1e-12), name


@pytest.mark.skipif(not VECTORS.is_file(), reason="needs ../shared/vectors")
def test_a_rate_that_a_group_does_not_have_is_undefined_where_fairlearn_says_0() -> None:
    data = records()[17]["input"]
    found = judged(data["y_true"], data["y_pred"], data["group"])
    assert found["equal_opportunity_difference"] is None
    assert found["equalized_odds_difference"] is None
    assert found["demographic_parity_difference"] is not None
    outcomes = count_outcomes(
        np.asarray(data["y_true"]) > 0, np.asarray(data["y_pred"]) > 0, grouped(data["group"])
    )
    reasons = {
        one.criterion.name: one.why_undefined
        for one in judge(outcomes, np.ones(2, dtype=bool), "good", HOW, "groups")
    }
    assert reasons["equal_opportunity"] == "group 'a' has no rows of class 'good'"
    assert rates_facts(outcomes, "good", 0.95)[0]["recall"] is None


def test_a_ratio_of_nothing_to_nothing_is_undefined() -> None:
    found = judged([1, 0, 1, 0], [0, 0, 0, 0], ["a", "a", "b", "b"])
    assert found["demographic_parity_ratio"] is None
    assert found["demographic_parity_difference"].value == 0.0  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "rates",
    [(0.5, 0.5), (0.3, 0.5), (0.02, 0.1), (0.9, 0.9, 0.7), (0.2, 0.2, 0.2, 0.2)],
)
def test_bounds_hold_in_simulated_groups(rates: tuple[float, ...]) -> None:
    """The upper end covers the true difference, the lower one proves none that is not there."""
    generator = np.random.default_rng(5)
    rows = np.array([60, 80, 100, 70])[: len(rates)]
    truth, trials = max(rates) - min(rates), 400
    above = below = 0
    for _ in range(trials):
        hits = generator.binomial(rows, rates)
        how = Resampling(1500, 0.95, seed=int(generator.integers(2**31)))
        found = compare_groups([draw_shares(hits, rows, how)], how)
        above += found.difference.high < truth
        below += found.difference.low > truth
        assert found.difference.low <= found.difference.value <= found.difference.high
    by_chance = 2.5 * (0.05 * 0.95 / trials) ** 0.5
    assert above / trials <= 0.05 + by_chance
    assert below / trials <= 0.05 + by_chance


def test_groups_of_few_rows_without_a_miss_are_not_called_certain() -> None:
    found = compare_groups([draw_shares(np.array([10, 10]), np.array([10, 10]), HOW)], HOW)
    assert found.difference.value == 0.0
    assert found.difference.high > 0.15


def test_of_two_figures_the_worse_decides() -> None:
    same = Drawn(np.array([0.5, 0.5]), np.full((10, 2), 0.5), np.array([10.0, 10.0]))
    far = Drawn(np.array([0.2, 0.9]), np.tile([0.2, 0.9], (10, 1)), np.array([10.0, 10.0]))
    found = compare_groups([same, far], HOW)
    assert found.difference.value == pytest.approx(0.7)
    assert (found.lowest, found.highest) == (0, 1)
    assert found.ratio is not None and found.ratio.value == pytest.approx(2 / 9)
