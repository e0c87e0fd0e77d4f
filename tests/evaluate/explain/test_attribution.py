"""Attributions against what is known: axioms, published values, linear games, and random order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from luthier.evaluate.explain.faithfulness import check_faithfulness, judge_faithfulness
from luthier.evaluate.explain.integrated_gradients import integrated_gradients
from luthier.evaluate.explain.lime import lime_weights
from luthier.evaluate.explain.shapley import exact_shapley, kernel_shap, shapley_values
from luthier.evaluate.explain.units import units_of
from luthier.evaluate.statistics import Resampling

VECTORS = Path(__file__).parents[3] / "../shared/vectors/33_attribution.json"
WEIGHTS = np.array([0.5, -0.2, 0.0, 0.3, 0.1, -0.4, 0.2, 0.05, 0.0, 0.6, -0.1, 0.15])
HOW = Resampling(500, 0.95, 1)


def linear(subsets: Any) -> Any:
    return 0.1 + subsets @ WEIGHTS[: subsets.shape[1]]


def with_pairs(subsets: Any) -> Any:
    """A linear game and an interaction of the first two, which they share."""
    return linear(subsets) + 2.0 * (subsets[:, 0] & subsets[:, 1])


def test_the_glove_game() -> None:
    """Shapley's example: one left glove, two right ones; the left is worth 2/3, each right one 1/6."""
    found = exact_shapley(lambda s: (s[:, 0] & (s[:, 1] | s[:, 2])).astype(float), 3)
    assert found == pytest.approx([2 / 3, 1 / 6, 1 / 6])


def test_kernel_shap_is_exact_where_the_game_is_linear_and_near_where_it_is_not() -> None:
    found = kernel_shap(linear, 12, num_samples=200, seed=1)
    assert found == pytest.approx(WEIGHTS, abs=1e-9)
    exact = exact_shapley(with_pairs, 12)
    assert exact[:2] == pytest.approx(WEIGHTS[:2] + 1.0)
    sampled = kernel_shap(with_pairs, 12, num_samples=1500, seed=1)
    assert np.abs(sampled - exact).max() < 0.1
    everything = with_pairs(np.ones((1, 12), bool))[0] - with_pairs(np.zeros((1, 12), bool))[0]
    assert sampled.sum() == pytest.approx(everything, abs=1e-9)


def test_few_units_are_exact() -> None:
    calls = []

    def game(subsets: Any) -> Any:
        calls.append(len(subsets))
        return with_pairs(subsets)

    assert shapley_values(game, 5, num_samples=10, seed=0) == pytest.approx(exact_shapley(with_pairs, 5))
    assert calls == [32]
    assert shapley_values(game, 0, num_samples=10, seed=0).shape == (0,)


def test_lime_ranks_a_linear_game() -> None:
    found = lime_weights(linear, 12, num_samples=2000, seed=1)
    assert np.corrcoef(found, WEIGHTS)[0, 1] > 0.99


@pytest.mark.skipif(not VECTORS.is_file(), reason="needs ../shared/vectors")
def test_integrated_gradients_of_the_paper() -> None:
    record = json.loads(VECTORS.read_text())["records"][0]
    x, baseline = (torch.tensor(record["input"][name]) for name in ("x", "baseline"))
    relu = torch.relu
    found = integrated_gradients(
        lambda v: relu(relu(v[:, 0]) - 1 - relu(v[:, 1])), x, baseline, num_steps=200
    )
    assert found.tolist() == pytest.approx(record["expected"], abs=record["tolerance"])
    # The same function, written as another network.
    other = integrated_gradients(
        lambda v: relu(relu(v[:, 0] - 1) - relu(v[:, 1])), x, baseline, num_steps=200
    )
    assert other.tolist() == pytest.approx(found.tolist(), abs=record["tolerance"])


def test_integrated_gradients_are_complete() -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(6, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1)).double()
    x, baseline = torch.randn(6).double(), torch.zeros(6).double()
    found = integrated_gradients(lambda v: network(v).squeeze(1), x, baseline)
    with torch.no_grad():
        difference = float(network(x) - network(baseline))
    assert float(found.sum()) == pytest.approx(difference, abs=1e-9)


def test_faithfulness_tells_a_true_order_from_a_wrong_one() -> None:
    true = [check_faithfulness(linear, WEIGHTS, seed=n) for n in range(5)]
    verdict = judge_faithfulness(true, HOW)
    assert verdict.beats_random and verdict.deletion_gain.low > 0
    assert not judge_faithfulness([check_faithfulness(linear, -WEIGHTS, seed=1)], HOW).beats_random
    assert judge_faithfulness(true[:1], HOW).beats_random
    chance = np.random.default_rng(4)
    nothing = [check_faithfulness(linear, chance.normal(size=12), seed=n) for n in range(20)]
    assert not judge_faithfulness(nothing, HOW).beats_random


def test_units_are_words_and_chinese_characters() -> None:
    units = units_of("The cat，我喜欢 GPT4!")
    assert units.words == ["The", "cat，", "我", "喜", "欢", "GPT4!"]
    assert units.keep([True, False, True, False, True, False]) == "The 我欢"
    assert units.keep([True] * 6) == units.text
