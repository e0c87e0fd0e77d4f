"""Gates: conditions that a model must meet with confidence before it may be registered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from luthier.evaluate.metrics import Comparison
from luthier.recipe.evaluate_sections.gate import Gate


@dataclass(frozen=True)
class GateResult:
    """What a gate demanded and what was found.

    Args:
        text: The demand and the figures, for a person.
        passed: Whether every demand is met.
    """

    text: str
    passed: bool


def check_gates(gates: Sequence[Gate], comparisons: Sequence[Comparison]) -> list[GateResult]:
    """Judge every gate by the unfavourable end of the confidence interval.

    A figure whose interval reaches over the limit is not proved, and a metric that was not measured
    meets no demand: both fail.
    """
    measured = {comparison.metric: comparison for comparison in comparisons}
    return [_check(gate, measured.get(_name(gate))) for gate in gates]


def _name(gate: Gate) -> str:
    """Return the metric as comparisons call it: with its task, where there are several."""
    return f"{gate.task}.{gate.metric}" if gate.task else gate.metric


def _check(gate: Gate, found: Comparison | None) -> GateResult:
    name = _name(gate)
    if found is None:
        return GateResult(f"{name} was not measured", passed=False)
    demands: list[GateResult] = []
    tuned = found.tuned
    if gate.better_by is not None:
        if found.improvement is None:
            text = f"{name}: the {found.partner} scores 0, so no relative improvement exists; use min"
            demands.append(GateResult(text, passed=False))
        else:
            gain = found.improvement
            text = (
                f"{name} better than the {found.partner} by {gate.better_by:.1%}: is {gain.value:.1%} "
                f"(at least {gain.low:.1%})"
            )
            demands.append(GateResult(text, passed=gain.low >= gate.better_by))
    if gate.min is not None:
        text = f"{name} ≥ {gate.min:g}: is {tuned.value:.4g} (at least {tuned.low:.4g})"
        demands.append(GateResult(text, passed=tuned.low >= gate.min))
    if gate.max is not None:
        text = f"{name} ≤ {gate.max:g}: is {tuned.value:.4g} (at most {tuned.high:.4g})"
        demands.append(GateResult(text, passed=tuned.high <= gate.max))
    return GateResult("; ".join(d.text for d in demands), all(d.passed for d in demands))
