"""Win rates by hand, and intervals that cover what they say."""

from __future__ import annotations

import numpy as np
import pytest

from luthier.data.annotation.rates import wilson_interval
from luthier.evaluate.rating.win_rate import Winner, first_share, mean_score, win_rate


def test_ties_count_half() -> None:
    found = win_rate(["tuned", "tuned", "tie", "base"], ["a", "b", "c", "d"], 0.95)
    assert found.value == (2 + 0.5) / 4
    assert 0 < found.low < found.value < found.high < 1


def test_one_verdict_an_item_is_wilson_reduced_by_t() -> None:
    # 7 of 10: variance of the mean is 0.21 / 9, so a coin's 0.21 is worth 9 draws; (1.959964 / 2.262157)^2 of them.
    draws = 9 * (1.959964 / 2.262157) ** 2
    winners: list[Winner] = ["tuned" if number < 7 else "base" for number in range(10)]
    found = win_rate(winners, [str(n) for n in range(10)], 0.95)
    assert (found.low, found.high) == pytest.approx(wilson_interval(0.7 * draws, draws), abs=1e-6)


def test_many_raters_of_one_item_are_not_many_items() -> None:
    winners: list[Winner] = [
        "tuned",
        "tuned",
        "tuned",
        "tuned",
        "tuned",
        "tuned",
        "base",
        "base",
        "base",
        "tie",
    ]
    items = [str(n) for n in range(10)]
    alone, together = win_rate(winners, items, 0.95), win_rate(winners * 5, items * 5, 0.95)
    assert (together.low, together.high) == pytest.approx((alone.low, alone.high))


@pytest.mark.parametrize("winner", ["tuned", "base", "tie"])
def test_verdicts_that_are_all_alike_are_not_certain(winner: Winner) -> None:
    found = win_rate([winner] * 5, list("abcde"), 0.95)
    assert found.high - found.low > 0.3


def test_first_share() -> None:
    found = first_share([True, True, True, False], list("abcd"), 0.95)
    assert found is not None
    assert found.value == 0.75
    assert first_share([], [], 0.95) is None


@pytest.mark.parametrize("num_items", [8, 40])
@pytest.mark.parametrize("shares", [(0.3, 0.3, 0.4), (0.1, 0.6, 0.3), (0.05, 0.05, 0.9)])
def test_coverage_with_three_raters_who_agree_often(num_items: int, shares: tuple[float, ...]) -> None:
    generator = np.random.default_rng(7)
    truth, runs, covered = 0.5 * shares[1] + shares[2], 1000, 0
    items = [str(n) for n in range(num_items) for _ in range(3)]
    for _ in range(runs):
        common = generator.choice([0.0, 0.5, 1.0], num_items, p=shares).repeat(3)
        own = generator.choice([0.0, 0.5, 1.0], num_items * 3, p=shares)
        scores = np.where(generator.random(num_items * 3) < 0.7, common, own)
        found = mean_score(scores, items, 0.95)
        covered += found.low <= truth <= found.high
    assert 0.92 < covered / runs < 0.995
