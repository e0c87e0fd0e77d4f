"""Gates: the unfavourable end of the interval decides, and what is not proved does not pass."""

from __future__ import annotations

from typing import Any

import pytest

from luthier.evaluate.gates import GateResult, check_gates
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
    (result,) = check_gates([gate], found or (_found(),))
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
    (result,) = check_gates([Gate(metric="eval_loss", max=100.0)], [])
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
    results = check_gates(gates, [_found(), _found("rouge_l")])
    assert [result.passed for result in results] == [False, True, True]
    assert check_gates([], [_found()]) == []
