"""Verdicts on planted trainings: each is found where it is, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from luthier.evaluate.fitting.course import Course
from luthier.evaluate.fitting.gap import Gap
from luthier.evaluate.fitting.verdict import Evidence, verdicts
from luthier.evaluate.statistics import Interval
from luthier.recipe.evaluate_sections.fitting import FittingSection


def interval(value: float, half: float = 0.02) -> Interval:
    return Interval(value, value - half, value + half)


def gap(relative: Interval | None) -> Gap:
    return Gap("eval_loss", "Loss", True, interval(2.0), interval(2.0), interval(0.0), relative)


def course(*held_out: float) -> Course:
    training = [(float(step), 3.0 - step / 100) for step in range(1, 41)]
    return Course(training, [(10.0 * step, loss) for step, loss in enumerate(held_out, start=1)])


GOOD = Evidence(course(2.2, 2.05, 2.001, 2.0), gap(interval(0.05)), interval(0.1), interval(0.3), "base", 40)


def texts(evidence: Evidence, **limits: float) -> list[str]:
    return [finding.text for finding in verdicts(evidence, FittingSection(**limits))]


def test_a_good_training_fits_well() -> None:
    assert texts(GOOD) == ["the model fits well"]


def test_a_large_gap_is_over_fitting_and_the_cure_names_the_step() -> None:
    planted = replace(GOOD, course=course(2.2, 2.0, 2.05, 2.06), gap=gap(interval(0.3)))
    found = verdicts(planted, FittingSection())
    assert found[0].text.startswith("over-fitted") and found[0].is_bad
    assert "stop at step 20" in found[0].cure
    kept_best = verdicts(replace(planted, kept_step=20), FittingSection())
    assert "more training rows" in kept_best[0].cure


def test_a_gap_that_the_base_has_too_is_no_over_fitting() -> None:
    by_nature = replace(GOOD, gap=gap(interval(0.3)), excess=interval(0.0, 0.05))
    assert texts(by_nature) == ["the model fits well"]


def test_a_gap_of_unsure_size_is_told_as_such() -> None:
    found = verdicts(replace(GOOD, gap=gap(interval(0.09, 0.05))), FittingSection())
    assert "may be over-fitted" in found[1].text and not found[1].is_bad
    assert found[1].cure == "hold out more rows, so that the gap is known better"


def test_the_limit_of_the_gap_is_the_sections() -> None:
    planted = replace(GOOD, gap=gap(interval(0.3)))
    assert texts(planted, max_gap_ratio=0.5) == ["the model fits well"]
    assert texts(planted, max_gap_ratio=0.1)[0].startswith("over-fitted")


def test_training_rows_that_gained_little_are_under_fitted() -> None:
    planted = replace(GOOD, gain=interval(0.01, 0.01))
    assert texts(planted)[0].startswith("under-fitted")
    assert texts(planted, min_gain=0.005) == ["the model fits well"]


def test_a_flat_training_loss_is_under_fitted_where_no_gain_is_known() -> None:
    flat = Course([(float(n), 3.0 + 0.1 * (-1) ** n) for n in range(1, 41)], [])
    assert texts(replace(GOOD, gain=None, course=flat))[0].startswith("under-fitted: the training loss")


def test_a_rise_after_the_best_is_bad_only_if_those_weights_are_kept() -> None:
    planted = replace(GOOD, course=course(2.2, 2.0, 2.3, 2.6))
    found = verdicts(planted, FittingSection())
    assert (
        found[0].text.startswith("trained too long")
        and found[0].is_bad
        and "30.0% higher" in found[0].evidence
    )
    kept = verdicts(replace(planted, kept_step=20), FittingSection())
    assert not any(finding.is_bad for finding in kept)
    assert any("after its best" in finding.text and "near step 20" in finding.cure for finding in kept)
    assert texts(planted, max_rise=0.5) == ["the model fits well"]


def test_a_loss_that_still_falls_asks_for_more_epochs() -> None:
    planted = replace(GOOD, course=course(2.6, 2.4, 2.2, 2.0))
    assert "still improving at the end" in texts(planted)
    assert "still improving at the end" not in texts(planted, min_progress=0.2)


def test_ups_and_downs_are_noise() -> None:
    planted = replace(GOOD, course=course(2.5, 2.1, 2.4, 2.0, 2.3, 1.99))
    assert any(text.startswith("noisy") for text in texts(planted))


def test_ten_evaluations_in_vain_are_told() -> None:
    planted = replace(GOOD, course=course(2.5, 2.0, *[1.99] * 10), kept_step=30)
    assert any("without progress" in text for text in texts(planted))


@pytest.mark.parametrize("relative", [None, interval(-0.2)])
def test_no_gap_is_no_over_fitting(relative: Interval | None) -> None:
    assert texts(replace(GOOD, gap=gap(relative))) == ["the model fits well"]
