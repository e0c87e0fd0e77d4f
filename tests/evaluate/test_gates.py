"""Gates: the unfavourable end of the interval decides, and what is not proved does not pass."""

from __future__ import annotations

from typing import Any

import pytest

from luthier.evaluate.examination import Examined, Figure
from luthier.evaluate.gates import GateResult, check_gates
from luthier.evaluate.judged import ChampionResult, judged_figures
from luthier.evaluate.metrics import Comparison
from luthier.evaluate.statistics import Interval
from luthier.recipe.evaluate_sections.gate import Gate


def _found(metric: str = "eval_loss", **changes: Any) -> Comparison:
    settings: dict[str, Any] = {
        "metric": metric,
        "lower_is_better": metric in ("eval_loss", "perplexity"),
        "num_rows": 50,
        "base": Interval(2.0, 1.9, 2.1),
        "tuned": Interval(1.0, 0.8, 1.2),
        "improvement": Interval(0.5, 0.4, 0.6),
        "p_value": 0.001,
    }
    return Comparison(**{**settings, **changes})


def _judge(gate: Gate, *found: Comparison) -> GateResult:
    (result,) = check_gates([gate], judged_figures(found or (_found(),)))
    return result


@pytest.mark.parametrize(("limit", "passed"), [(1.3, True), (1.2, True), (1.19, False), (1.0, False)])
def test_max_is_held_against_the_upper_end(limit: float, passed: bool) -> None:
    assert _judge(Gate(metric="eval_loss", max=limit)).passed is passed


@pytest.mark.parametrize(("limit", "passed"), [(0.7, True), (0.8, True), (0.81, False), (1.0, False)])
def test_min_is_held_against_the_lower_end(limit: float, passed: bool) -> None:
    assert _judge(Gate(metric="rouge_l", min=limit), _found("rouge_l")).passed is passed


@pytest.mark.parametrize(("least", "passed"), [(0.3, True), (0.4, True), (0.41, False), (0.5, False)])
def test_better_by_is_held_against_the_lower_end(least: float, passed: bool) -> None:
    assert _judge(Gate(metric="eval_loss", relative_to="base", better_by=least)).passed is passed


def test_a_metric_that_was_not_measured_fails_and_is_named() -> None:
    result = _judge(Gate(metric="exact_match", min=0.0))
    assert result == GateResult("exact_match was not measured", passed=False)


def test_no_measurement_at_all_fails() -> None:
    (result,) = check_gates([Gate(metric="eval_loss", max=100.0)], {})
    assert not result.passed


def test_better_than_a_base_of_zero_fails_with_the_way_out() -> None:
    result = _judge(
        Gate(metric="rouge_l", relative_to="base", better_by=0.0), _found("rouge_l", improvement=None)
    )
    assert not result.passed
    assert "base scores 0" in result.text
    assert "use min" in result.text


@pytest.mark.parametrize("end", [float("nan")])
def test_a_figure_that_is_no_number_fails(end: float) -> None:
    found = _found(tuned=Interval(end, end, end), improvement=Interval(end, end, end))
    assert not _judge(Gate(metric="eval_loss", max=1e9), found).passed
    assert not _judge(Gate(metric="eval_loss", min=-1e9), found).passed
    assert not _judge(Gate(metric="eval_loss", relative_to="base", better_by=-1e9), found).passed


@pytest.mark.parametrize(
    ("low", "high", "passed"), [(0.5, 1.5, True), (0.9, 1.5, False), (0.5, 1.1, False), (0.9, 1.1, False)]
)
def test_min_and_max_must_both_hold(low: float, high: float, passed: bool) -> None:
    result = _judge(Gate(metric="eval_loss", min=low, max=high))
    assert result.passed is passed
    assert "≥" in result.text and "≤" in result.text


def test_all_three_demands_must_hold() -> None:
    gate: dict[str, Any] = {
        "metric": "eval_loss",
        "relative_to": "base",
        "better_by": 0.3,
        "min": 0.5,
        "max": 1.5,
    }
    assert _judge(Gate(**gate)).passed
    for broken in ({"better_by": 0.45}, {"min": 0.9}, {"max": 1.1}):
        assert not _judge(Gate(**{**gate, **broken})).passed


def test_the_text_tells_the_demand_and_the_deciding_end() -> None:
    text = _judge(Gate(metric="eval_loss", relative_to="base", better_by=0.05, max=1.1)).text
    assert text == (
        "eval_loss better than the base by 5.0%: is 50.0% (at least 40.0%); eval_loss ≤ 1.1: is 1 (at most 1.2)"
    )


def test_gates_are_judged_each_for_itself_and_in_order() -> None:
    gates = [
        Gate(metric="eval_loss", max=0.1),
        Gate(metric="rouge_l", min=0.5),
        Gate(metric="eval_loss", max=2),
    ]
    results = check_gates(gates, judged_figures([_found(), _found("rouge_l")]))
    assert [result.passed for result in results] == [False, True, True]
    assert check_gates([], judged_figures([_found()])) == []


def _examined(value: Interval | None, **more: Any) -> Examined:
    figure = Figure("probe.share", "Share", value, lower_is_better=False, num_rows=80, **more)
    return Examined("probe", "Probe", [figure])


class TestFigures:
    def test_a_figure_is_judged_like_a_metric(self) -> None:
        judged = judged_figures([], [_examined(Interval(0.9, 0.8, 0.95))])
        gates = [Gate(metric="probe.share", min=0.8), Gate(metric="probe.share", min=0.81)]
        assert [result.passed for result in check_gates(gates, judged)] == [True, False]

    def test_an_undefined_figure_fails_every_gate_with_the_reason(self) -> None:
        judged = judged_figures([], [_examined(None, why_undefined="group b has no rows")])
        for demand in ({"min": -1e9}, {"max": 1e9}, {"relative_to": "base", "better_by": -1e9}):
            (result,) = check_gates([Gate(metric="probe.share", **demand)], judged)
            assert not result.passed
            assert result.text == "probe.share is undefined: group b has no rows"

    def test_improvement_over_the_base_decides_where_the_base_was_examined(self) -> None:
        gate = Gate(metric="probe.share", relative_to="base", better_by=0.0)
        base, value = Interval(0.5, 0.4, 0.6), Interval(0.9, 0.8, 0.95)
        better = _examined(value, base=base, improvement=Interval(0.8, 0.2, 1.1))
        assert check_gates([gate], judged_figures([], [better]))[0].passed
        (result,) = check_gates([gate], judged_figures([], [_examined(value)]))
        assert not result.passed
        assert "the base was not examined" in result.text


class TestChampion:
    GATE = Gate(metric="eval_loss", relative_to="champion", better_by=0.3)

    def test_improvement_over_the_champion_decides_not_that_over_the_base(self) -> None:
        worse = _found(improvement=Interval(0.1, 0.0, 0.2), partner="champion")
        better = _found(improvement=Interval(0.5, 0.4, 0.6), partner="champion")
        for against, passed in ((worse, False), (better, True)):
            judged = judged_figures([_found()], [], ChampionResult("models:/m/1", [against]))
            (result,) = check_gates([self.GATE], judged)
            assert result.passed is passed
            assert "better than the champion" in result.text

    def test_without_a_champion_the_key_decides_and_the_text_says_so(self) -> None:
        absent = ChampionResult(why_none="no version of m has the alias champion yet", is_absent=True)
        judged = judged_figures([_found()], [], absent)
        failed, passed = check_gates(
            [self.GATE, self.GATE.model_copy(update={"without_champion": "pass"})], judged
        )
        assert not failed.passed and passed.passed
        assert "no version of m has the alias champion yet" in failed.text
        assert "without_champion: pass" in passed.text

    def test_a_champion_that_cannot_be_compared_always_fails(self) -> None:
        broken = ChampionResult("models:/m/1", why_none="the champion models:/m/1 has other classes")
        judged = judged_figures([_found()], [], broken)
        (result,) = check_gates([self.GATE.model_copy(update={"without_champion": "pass"})], judged)
        assert not result.passed
        assert "other classes" in result.text

    def test_a_limit_beside_it_must_hold_even_without_a_champion(self) -> None:
        judged = judged_figures([_found()], [], ChampionResult(why_none="none yet", is_absent=True))
        gate = self.GATE.model_copy(update={"without_champion": "pass", "max": 0.5})
        assert not check_gates([gate], judged)[0].passed


class TestNoise:
    def test_a_demand_finer_than_the_rows_resolve_is_warned_of(self) -> None:
        # Half of 0.4 to 0.6 is 10 points; 2.5 points need (10 / 2.5)^2 = 16 times the 50 rows.
        fine = _judge(Gate(metric="eval_loss", relative_to="base", better_by=0.025))
        assert fine.passed
        assert "± 10.0%" in fine.warning and "800 rows" in fine.warning
        assert _judge(Gate(metric="eval_loss", relative_to="base", better_by=0.11)).warning == ""
        assert _judge(Gate(metric="eval_loss", relative_to="base", better_by=0.0)).warning == ""

    def test_the_detectable_difference_is_that_of_the_textbook(self) -> None:
        # 1.959964 + 0.841621 standard errors at 95 % and 80 % power; half the width is 1.959964 of them.
        (seen,) = _judge(Gate(metric="eval_loss", max=2.0)).resolutions
        assert seen.half_width == pytest.approx(0.2)
        assert seen.detectable == pytest.approx(0.2 * (1.959964 + 0.841621) / 1.959964, rel=1e-5)

    def test_a_value_that_meets_the_limit_but_is_not_proved_to_says_how_many_rows_would(self) -> None:
        undecided = _judge(Gate(metric="eval_loss", max=1.1))  # 1.0 known to 0.2: (0.2 / 0.1)^2 * 50
        assert not undecided.passed
        assert "200 rows" in undecided.warning
        assert (
            _judge(Gate(metric="eval_loss", max=0.9)).warning == ""
        )  # no number of rows makes 1.0 less than 0.9
        assert _judge(Gate(metric="eval_loss", max=1.3)).warning == ""
