"""What `luthier ab analyze` found: as JSON for programs, and as cells of tables."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from luthier.evaluate.ab.analysis import Analysis, Compared, Settings
from luthier.evaluate.ab.confidence_sequence import Range


def facts_of(found: Analysis, settings: Settings) -> dict[str, Any]:
    """Return everything that was found; ends that nothing limits yet are null."""
    return {
        "alpha": settings.alpha,
        "planned_units": settings.planned_units,
        "sample_ratio": {
            **asdict(found.ratio),
            "variants": found.variants,
            "is_mismatch": found.ratio.is_mismatch,
        },
        "comparisons": [asdict(one) for one in found.compared],
        "chi_square": {name: asdict(test) for name, test in found.chi_square.items()},
        "rates": found.rates,
    }


def ratio_rows(found: Analysis) -> Iterator[tuple[str, ...]]:
    """Yield units of each variant beside those that were planned."""
    for name, count, planned in zip(found.variants, found.ratio.counts, found.ratio.expected, strict=True):
        yield name, f"{count:,}", f"{planned:,.1f}"


def comparison_rows(found: Analysis, *, is_sequential: bool) -> Iterator[tuple[str, ...]]:
    """Yield a row of cells for each comparison."""
    for one in found.compared:
        fixed, sequential = one.fixed, one.sequential
        start = (
            one.metric,
            one.treatment,
            _cell(one.control_estimate.value),
            _cell(one.treatment_estimate.value),
        )
        if is_sequential:
            interval, uplift = _range(sequential.difference), _range(sequential.uplift, is_share=True)
            rest = _p(sequential.p_value, sequential.adjusted_p_value), _verdict(one)
        else:
            interval = _range(Range(fixed.low, fixed.high))
            has_ends = fixed.uplift_low is not None and fixed.uplift_high is not None
            ends = Range(fixed.uplift_low or 0.0, fixed.uplift_high or 0.0) if has_ends else None
            uplift = _range(ends, is_share=True)
            rest = _p(fixed.p_value, one.adjusted_p_value), fixed.test
        yield *start, _cell(fixed.difference, sign=True), interval, uplift, *rest


def rate_rows(found: Analysis) -> Iterator[tuple[str, ...]]:
    """Yield the rate of each variant with its interval."""
    for metric, by_variant in found.rates.items():
        values = {
            found.variants[0]: next(one for one in found.compared if one.metric == metric).control_estimate
        }
        values |= {one.treatment: one.treatment_estimate for one in found.compared if one.metric == metric}
        for name, (low, high) in by_variant.items():
            yield metric, name, f"{values[name].value:.4g}", f"{low:.4g} to {high:.4g}"


def _verdict(one: Compared) -> str:
    found = one.sequential.first_found
    return one.sequential.verdict + (f" (first after {found:,} units)" if found else "")


def _cell(value: float, sign: bool = False) -> str:
    return f"{value:+.4g}" if sign else f"{value:.4g}"


def _p(value: float, adjusted: float) -> str:
    return f"{value:.3g}" + (f" (Holm {adjusted:.3g})" if adjusted != value else "")


def _range(found: Range | None, is_share: bool = False) -> str:
    if found is None:
        return "–"
    if math.isinf(found.low) and math.isinf(found.high):
        return "not limited yet"
    form = "{:+.1%}" if is_share else "{:+.4g}"
    low, high = ("–" if math.isinf(end) else form.format(end) for end in (found.low, found.high))
    return f"{low} to {high}"
