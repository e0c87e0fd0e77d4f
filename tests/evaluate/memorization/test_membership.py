"""Membership inference and exposure equal TensorFlow Privacy's; intervals cover what they claim."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from luthier.evaluate.memorization.exposure import alternatives, exposure, exposure_interval
from luthier.evaluate.memorization.membership import (
    attack_scores,
    auc,
    auc_interval,
    roc_points,
    strongest,
    tpr_at,
    tpr_interval,
)
from luthier.evaluate.memorization.token_scores import TokenScores
from luthier.evaluate.shares import share_difference, share_interval
from luthier.evaluate.statistics import Interval, Resampling

VECTORS = Path(__file__).parents[4] / "shared" / "vectors"
HOW = Resampling(samples=500, confidence=0.95, seed=0)


def records(name: str) -> list[dict[str, Any]]:
    path = VECTORS / f"{name}.json"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["records"]
    return found


def test_exposure_by_rank_is_that_of_tensorflow_privacy() -> None:
    for record in records("06_canary_exposure"):
        given = record["input"]
        found = exposure(given["secret_perplexity"], given["reference_perplexities"])
        assert found == pytest.approx(record["expected"], abs=record["tolerance"])


def test_auc_of_losses_is_that_of_tensorflow_privacy() -> None:
    record = next(r for r in records("07_membership_inference") if r["function"] == "loss_threshold_auc")
    members, others = (-np.array(record["input"][name]) for name in ("loss_members", "loss_nonmembers"))
    assert auc(members, others) == pytest.approx(record["expected"], abs=record["tolerance"])
    assert auc_interval(members, others, HOW).value == pytest.approx(auc(members, others), abs=1e-12)


def test_the_area_under_the_roc_points_is_the_auc() -> None:
    generator = np.random.default_rng(3)
    members, others = generator.integers(0, 6, 30).astype(float), generator.integers(0, 5, 20).astype(float)
    points = roc_points(members, others)
    area = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in zip(points, points[1:], strict=False))
    assert area == pytest.approx(auc(members, others), abs=1e-12)


def test_intervals_of_auc_cover_chance() -> None:
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        found = auc_interval(generator.normal(size=60), generator.normal(size=60), HOW)
        covered += found.low <= 0.5 <= found.high
    assert 0.90 <= covered / 200 <= 0.99


def test_members_are_told_at_a_low_false_positive_rate() -> None:
    others = np.arange(100, dtype=float)
    members = np.array([98.0, 98.5, 99.5, 3.0])
    # One of 100 others may lie above the threshold: it is 98.
    assert tpr_at(members, others, 0.01) == pytest.approx(0.5)
    assert tpr_at(members, others, 0.0) == pytest.approx(0.25)
    found = tpr_interval(members, others, 0.01, HOW)
    assert found is not None and found.low < 0.2 and found.high > 0.8


def test_a_rate_that_too_few_rows_could_show_is_undefined() -> None:
    assert tpr_interval(np.ones(50), np.zeros(99), 0.01, HOW) is None


def test_an_attacker_picks_the_best_attack_and_the_gate_the_worst_end() -> None:
    found = strongest([Interval(0.6, 0.55, 0.65), Interval(0.58, 0.4, 0.7)])
    assert found == Interval(0.6, 0.55, 0.7)


def test_scores_are_higher_for_rows_that_look_trained() -> None:
    def row(*log_probabilities: float) -> TokenScores:
        return TokenScores(np.array(log_probabilities), np.zeros(len(log_probabilities), dtype=bool))

    known, new = row(-0.1, -0.2, -0.1, -0.1, -0.3), row(-2.0, -3.0, -1.0, -0.1, -4.0)
    base = [row(*[-2.0] * 5)] * 2
    scores = attack_scores([known, new], ["the same text"] * 2, base)
    assert set(scores) == {"loss", "zlib", "min_k", "reference"}
    for name, (own, other) in scores.items():
        assert own > other, name
    assert scores["min_k"].tolist() == [-0.3, -4.0]
    assert scores["reference"].tolist() == pytest.approx([2.0 - 0.16, 2.0 - 2.02])
    assert "reference" not in attack_scores([known], ["text"], None)


def test_a_secret_that_beats_all_alternatives_is_exposed_at_least_as_far_as_they_tell() -> None:
    found = exposure_interval(0.0, list(range(1, 501)), bits=40.0, confidence=0.95)
    assert found.value == pytest.approx(math.log2(500))
    assert found.high == 40.0
    assert 6.5 < found.low < 7.5  # Wilson's upper end of 0 in 500 is 0.0076
    middle = exposure_interval(250.5, list(range(1, 501)), bits=40.0, confidence=0.95)
    assert 0.8 < middle.low < middle.value < middle.high < 1.2


def test_alternatives_have_the_form_of_the_secret() -> None:
    drawn = alternatives("Ab-42 密", 200, seed=1)
    assert len(set(drawn)) == 200 and "Ab-42 密" not in drawn
    for text in drawn:
        assert text[0].isupper() and text[1].islower() and text[3:5].isdigit() and text[2] == "-"
        assert text.endswith(" 密")


def test_a_share_of_nothing_is_not_known_to_be_nothing() -> None:
    found = share_interval(np.zeros(20, dtype=bool), 0.95)
    assert found.value == 0.0 and found.high == pytest.approx(0.161, abs=0.001)  # Wilson: z^2 / (n + z^2)
    clustered = share_interval(np.zeros(20, dtype=bool), 0.95, clusters=[n // 5 for n in range(20)])
    assert clustered.high == pytest.approx(0.490, abs=0.001)  # as 4 attempts


def test_attempts_that_stand_and_fall_together_are_worth_one() -> None:
    hits = np.repeat([True, False, True, False, False, False], 10)
    together = share_interval(hits, 0.95, clusters=np.repeat(range(6), 10).tolist())
    apart = share_interval(hits, 0.95)
    six = share_interval(hits[::10], 0.95)
    assert together.high - together.low > 2 * (apart.high - apart.low)
    assert together.high == pytest.approx(six.high, abs=0.04)


def test_intervals_of_clustered_shares_cover() -> None:
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        rates = generator.beta(1, 4, size=25)  # mean 0.2, strongly different by cluster
        hits = generator.random((25, 8)) < rates[:, None]
        found = share_interval(hits.ravel(), 0.95, clusters=np.repeat(range(25), 8).tolist())
        covered += found.low <= 0.2 <= found.high
    assert covered / 400 >= 0.91


def test_differences_of_shares_are_newcombes() -> None:
    # R. G. Newcombe 1998, table II, case (a), method 10: 56/70 - 48/80 has the interval 0.0524 to 0.3339.
    first = share_interval(np.arange(70) < 56, 0.95)
    second = share_interval(np.arange(80) < 48, 0.95)
    found = share_difference(first, second)
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)
