"""Gates: conditions that a model must meet with confidence before it may be registered."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from luthier.evaluate.judged import Gain, Judged
from luthier.evaluate.noise import Resolution, resolution_of
from luthier.evaluate.statistics import Interval
from luthier.recipe.evaluate_sections.gate import Gate


@dataclass(frozen=True)
class GateResult:
    """What a gate demanded and what was found.

    Args:
        text: The demand and the figures, for a person.
        passed: Whether every demand is met.
        noise: How small a difference the rows can resolve, for a person; empty where nothing was measured.
        warning: That a demand is finer than that; empty where none is.
        resolutions: Of each demand, in its order.
    """

    text: str
    passed: bool
    noise: str = ""
    warning: str = ""
    resolutions: tuple[Resolution, ...] = ()


def check_gates(
    gates: Sequence[Gate], judged: Mapping[str, Judged], *, confidence: float = 0.95
) -> list[GateResult]:
    """Judge every gate by the unfavourable end of the confidence interval.

    A figure whose interval reaches over the limit is not proved, and one that was not measured or is undefined
    meets no demand: all of them fail.

    Args:
        gates: Of the recipe.
        judged: What was measured, by name.
        confidence: Coverage of the intervals.
    """
    return [_check(gate, judged.get(gate.figure), confidence) for gate in gates]


def _check(gate: Gate, found: Judged | None, confidence: float) -> GateResult:
    name = gate.figure
    if found is None:
        return GateResult(f"{name} was not measured", passed=False)
    if found.value is None:
        why = f": {found.why_undefined}" if found.why_undefined else ""
        return GateResult(f"{name} is undefined{why}", passed=False)
    demands: list[GateResult] = []
    if gate.better_by is not None and gate.relative_to is not None:
        gain = found.gains.get(gate.relative_to, Gain(None, f"no {gate.relative_to} was measured"))
        demands.append(_check_gain(gate, gain, found.num_rows, confidence))
    if gate.min is not None:
        demands.append(_check_limit(name, "≥", gate.min, found.value, found.num_rows, confidence))
    if gate.max is not None:
        demands.append(_check_limit(name, "≤", gate.max, found.value, found.num_rows, confidence))
    return GateResult(
        text="; ".join(demand.text for demand in demands),
        passed=bool(demands) and all(demand.passed for demand in demands),
        noise="; ".join(dict.fromkeys(demand.noise for demand in demands if demand.noise)),
        warning="; ".join(demand.warning for demand in demands if demand.warning),
        resolutions=tuple(resolution for demand in demands for resolution in demand.resolutions),
    )


def _check_gain(gate: Gate, gain: Gain, num_rows: int, confidence: float) -> GateResult:
    partner, least = gate.relative_to, gate.better_by
    assert least is not None
    if gain.interval is None:
        passed = gain.is_absent and gate.without_champion == "pass"
        how = f"; passes by without_champion: {gate.without_champion}" if passed else ""
        return GateResult(f"{gate.figure}: {gain.why_none}{how}", passed)
    found = gain.interval
    text = f"{gate.figure} better than the {partner} by {least:.1%}: is {found.value:.1%} (at least {found.low:.1%})"
    seen = resolution_of(found, num_rows, confidence, margin=abs(least))
    return GateResult(text, found.low >= least, seen.told_as_share(), seen.warning_as_share(), (seen,))


def _check_limit(
    name: str, sign: str, limit: float, found: Interval, num_rows: int, confidence: float
) -> GateResult:
    end, side = (found.low, "at least") if sign == "≥" else (found.high, "at most")
    passed = end >= limit if sign == "≥" else end <= limit
    text = f"{name} {sign} {limit:g}: is {found.value:.4g} ({side} {end:.4g})"
    seen = resolution_of(found, num_rows, confidence, margin=abs(found.value - limit))
    # A gate that the value itself misses needs a better model, not more rows; one that passes needs neither.
    meets = found.value >= limit if sign == "≥" else found.value <= limit
    is_undecided = not passed and meets and math.isfinite(seen.half_width)
    return GateResult(text, passed, seen.told(), seen.undecided() if is_undecided else "", (seen,))
