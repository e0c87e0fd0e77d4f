"""Comparisons: which direction is better, perplexity from loss, and a base that scores nothing."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pytest

from luthier.evaluate.answers import Question
from luthier.evaluate.loss import RowLosses
from luthier.evaluate.metrics import (
    Comparison,
    compare_answers,
    compare_figures,
    compare_losses,
    of_distance,
    with_adjusted_tests,
)
from luthier.evaluate.statistics import Resampling
from luthier.objectives.classification.calibration import calibration_error, calibration_figures

HOW = Resampling(500, 0.95, seed=1)


def _losses(factor: float, rows: int = 40) -> RowLosses:
    generator = np.random.default_rng(3)
    counts = generator.integers(5, 60, size=rows)
    return RowLosses(counts * generator.uniform(1.0, 3.0, size=rows) * factor, counts)


def _questions(references: list[str]) -> list[Question]:
    return [Question(f"made.jsonl, row {n}", "prompt", [1], text) for n, text in enumerate(references)]


def _matches(base: list[str], tuned: list[str], references: list[str]) -> Comparison:
    (found,) = compare_answers(_questions(references), base, tuned, ["exact_match"], HOW)
    return found


def _gain(comparison: Comparison) -> tuple[float, float, float]:
    assert comparison.improvement
    return comparison.improvement.low, comparison.improvement.value, comparison.improvement.high


class TestLosses:
    def test_a_lower_loss_is_an_improvement(self) -> None:
        loss, perplexity = compare_losses(_losses(1.0), _losses(0.8), HOW)
        assert (loss.metric, perplexity.metric) == ("eval_loss", "perplexity")
        assert loss.lower_is_better and perplexity.lower_is_better
        assert _gain(loss) == pytest.approx((0.2, 0.2, 0.2))
        assert _gain(perplexity)[0] > 0
        assert loss.p_value == perplexity.p_value == pytest.approx(1 / 501)

    def test_a_higher_loss_is_a_deterioration(self) -> None:
        loss, perplexity = compare_losses(_losses(0.8), _losses(1.0), HOW)
        assert _gain(loss) == pytest.approx((-0.25, -0.25, -0.25))
        assert _gain(perplexity)[2] < 0

    def test_perplexity_is_the_exponential_of_the_loss_at_every_end(self) -> None:
        loss, perplexity = compare_losses(_losses(1.0), _losses(0.8), HOW)
        for of_loss, of_perplexity in ((loss.base, perplexity.base), (loss.tuned, perplexity.tuned)):
            assert of_perplexity.value == pytest.approx(math.exp(of_loss.value))
            assert of_perplexity.low == pytest.approx(math.exp(of_loss.low))
            assert of_perplexity.high == pytest.approx(math.exp(of_loss.high))
            assert of_perplexity.low < of_perplexity.value < of_perplexity.high

    def test_perplexity_improves_by_the_ratio_of_perplexities(self) -> None:
        _, perplexity = compare_losses(_losses(1.0), _losses(0.8), HOW)
        expected = 1 - perplexity.tuned.value / perplexity.base.value
        assert _gain(perplexity)[1] == pytest.approx(expected)

    def test_the_loss_is_per_token_over_all_rows(self) -> None:
        base, tuned = _losses(1.0), _losses(0.5)
        loss, _ = compare_losses(base, tuned, HOW)
        assert (loss.base.value, loss.tuned.value) == pytest.approx((base.mean, tuned.mean))
        assert loss.num_rows == 40


class TestAnswers:
    def test_a_higher_score_is_an_improvement(self) -> None:
        references = ["a", "b", "c", "d"] * 10
        better = _matches(["a", "x", "x", "d"] * 10, references, references)
        assert not better.lower_is_better
        assert (better.base.value, better.tuned.value) == (0.5, 1.0)
        assert _gain(better)[1] == pytest.approx(1.0)
        assert _gain(better)[0] > 0
        worse = _matches(references, ["a", "x", "x", "d"] * 10, references)
        assert _gain(worse)[1] == pytest.approx(-0.5)
        assert _gain(worse)[2] < 0

    def test_a_base_of_zero_has_no_relative_improvement(self) -> None:
        found = _matches(["x"] * 8, ["a"] * 8, ["a"] * 8)
        assert found.base.value == 0.0
        assert found.improvement is None
        assert found.tuned.value == 1.0
        assert asdict(found)["improvement"] is None

    def test_a_base_that_seldom_scores_has_no_upper_end(self) -> None:
        # One hit in 16: a third of the resamples draw none, (15/16)**16 = 0.36.
        found = _matches(["a", *["x"] * 15], ["a"] * 16, ["a"] * 16)
        low, value, high = _gain(found)
        assert 0 < low < value == pytest.approx(15.0)
        assert high == math.inf

    def test_only_the_asked_metrics_are_computed(self) -> None:
        questions = _questions(["one two", "three"])
        answers = ["one two", "four"]
        asked = [["perplexity"], ["rouge"], ["exact_match", "rouge"], []]
        found = [[c.metric for c in compare_answers(questions, answers, answers, a, HOW)] for a in asked]
        assert found == [[], ["rouge_l"], ["exact_match", "rouge_l"], []]

    def test_equal_answers_differ_by_nothing(self) -> None:
        found = _matches(["a", "x"] * 5, ["a", "x"] * 5, ["a"] * 10)
        low, value, high = _gain(found)
        # Ten rows on which two models agree do not prove that they always do.
        assert low < value == 0.0 < high
        assert found.p_value == 1.0

    def test_a_missing_answer_is_our_own_bug(self) -> None:
        with pytest.raises(ValueError, match="zip"):
            compare_answers(_questions(["a", "b"]), ["a"], ["a", "b"], ["rouge"], HOW)


class TestClusters:
    def test_rows_of_one_source_are_drawn_together(self) -> None:
        """Eight questions on each of 25 paragraphs, right or wrong with the paragraph: 25 draws, not 200."""
        references = [f"answer {n}" for n in range(200)]
        is_right = np.random.default_rng(2).random(25).repeat(8) < 0.5
        said = [text if right else "" for text, right in zip(references, is_right, strict=True)]
        paragraphs = np.arange(25).repeat(8).tolist()
        alone, together = (
            compare_answers(_questions(references), [""] * 200, said, ["exact_match"], HOW, clusters)[0]
            for clusters in (None, paragraphs)
        )
        assert together.tuned.value == alone.tuned.value == is_right.mean()
        width = [each.tuned.high - each.tuned.low for each in (alone, together)]
        assert width[1] / width[0] == pytest.approx(math.sqrt(8), rel=0.15)  # the design effect of equal rows
        assert (alone.num_clusters, together.num_clusters, together.num_rows) == (None, 25, 200)

    def test_bleu_and_loss_take_clusters_too(self) -> None:
        loss, _ = compare_losses(_losses(1.0), _losses(0.8), HOW, np.arange(20).repeat(2).tolist())
        assert (loss.num_clusters, loss.num_rows) == (20, 40)
        references = ["one two three four five"] * 6
        (bleu,) = compare_answers(
            _questions(references), ["no"] * 6, references, ["bleu"], HOW, [0, 0, 1, 1, 2, 2]
        )
        assert (bleu.num_clusters, bleu.num_rows) == (3, 6)


class TestTestsTogether:
    def test_p_values_are_corrected_once_for_each_test(self) -> None:
        references = [f"answer {n}" for n in range(30)]
        half = [text if n < 6 else "" for n, text in enumerate(references)]
        found = compare_losses(_losses(1.0), _losses(0.8), HOW)
        found += compare_answers(_questions(references), [""] * 30, half, ["exact_match"], HOW)
        loss, perplexity, exact = with_adjusted_tests(found)
        # Loss and perplexity are one test: two in all. Holm doubles the smaller and leaves the other.
        assert loss.p_adjusted == perplexity.p_adjusted == pytest.approx(2 * loss.p_value)
        assert exact.p_value > loss.p_value
        assert exact.p_adjusted == pytest.approx(exact.p_value)

    def test_a_model_that_stands_alone_has_none(self) -> None:
        loss = replace(compare_losses(_losses(1.0), _losses(1.0), HOW)[0], p_value=None)
        assert with_adjusted_tests([loss]) == [loss]


def test_the_effect_is_positive_where_the_result_is_better() -> None:
    before, after = _losses(1.0), _losses(0.8)
    loss, _ = compare_losses(before, after, HOW)
    differences = before.sums / before.counts - after.sums / after.counts
    assert loss.effect is not None
    assert loss.effect.value == pytest.approx(differences.mean() / differences.std(ddof=1))
    assert loss.effect.size == "large"
    worse, _ = compare_losses(after, before, HOW)
    assert worse.effect is not None and worse.effect.value == pytest.approx(-loss.effect.value)


def test_one_row_or_one_source_proves_nothing() -> None:
    references = ["answer one", "answer two"]
    alone = compare_answers(_questions(references[:1]), ["answer"], references[:1], ["chrf"], HOW)
    together = compare_answers(
        _questions(references), ["answer", "two"], references, ["chrf"], HOW, ["a", "a"]
    )
    losses = compare_losses(_losses(1.0, rows=1), _losses(0.8, rows=1), HOW)
    for found in (*alone, *together, *losses):
        assert found.improvement is not None and found.improvement.value > 0
        assert (found.improvement.low, found.improvement.high) == (-math.inf, math.inf)
        assert found.tuned.high == math.inf


def _calibration(too_sure: float, seed: int, rows: int = 200) -> Comparison:
    """Return the calibration error of a model whose answers are right less often than it says, by so much."""
    generator = np.random.default_rng(seed)
    sure = generator.uniform(0.5, 1.0, size=(rows, 1))
    right = generator.uniform(size=(rows, 1)) < sure - too_sure
    figures = calibration_figures(sure, right)
    found = compare_figures("c", "", figures, figures, calibration_error, HOW, lower_is_better=True)
    return of_distance(found)


def test_the_interval_of_a_calibration_error_allows_for_its_bias() -> None:
    """Chance alone takes a perfect model away from 0, and resamples further: percentiles would never reach 0."""
    perfect = [_calibration(0.0, seed) for seed in range(60)]
    assert np.mean([found.tuned.value for found in perfect]) > 0.04
    assert np.mean([found.tuned.low < 0.01 for found in perfect]) > 0.8
    too_sure = [_calibration(0.3, seed) for seed in range(60)]
    assert np.mean([found.tuned.low <= 0.3 <= found.tuned.high for found in too_sure]) > 0.85
    assert all(found.tuned.low > 0.1 for found in too_sure)
    for found in (*perfect, *too_sure):
        assert 0 <= found.tuned.low <= found.tuned.value <= found.tuned.high
        assert found.improvement is None
