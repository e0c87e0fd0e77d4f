"""From counts to a profile: what JSON and page show, with what a person should read first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from luthier.data.profile.association import Association, adjusted, association
from luthier.data.profile.categories import Categories
from luthier.data.profile.drift import SHARES_OF_TENTHS, Drift, drift, tenths
from luthier.data.profile.features import in_order
from luthier.data.profile.findings import findings_of
from luthier.data.profile.histogram import Histogram
from luthier.data.profile.profiler import Part, Profiler

_BARS = 30
_MOST_VALUES = 200
"""Of a column that is compared with others: beyond that it is a name, not a class."""
_NAMES_SHOWN = 50
_MOST_BARS, _SMALLEST_SHOWN = 20, 10
_TOKEN_LIMITS = (512, 1024, 2048, 4096, 8192)


def describe(profiler: Profiler, *, reference: Profiler | None = None, seed: int = 0) -> dict[str, Any]:
    """Return the profile of what a profiler has counted.

    Args:
        profiler: Has read all rows.
        reference: Of rows to compare with; otherwise each further file is compared with the first.
        seed: Of permutations.
    """
    total = profiler.total
    if reference is None:
        compared = [(profiler.parts[0], part) for part in profiler.parts[1:]]
    else:
        before = reference.total
        if before.name == total.name:
            before.name, total.name = f"{before.name} (reference)", f"{total.name} (now)"
        compared = [(before, total)]
    profile = {
        "rows": total.rows,
        "files": [{"name": part.name, "rows": part.rows} for part in profiler.parts],
        "kinds": dict(total.kinds),
        "left_out": {
            reason: {"rows": number, "example": profiler.examples[reason]}
            for reason, number in total.left_out.most_common()
        },
        "weights": _named(total.weights) if len(total.weights.counts) > 1 else [],
        "classes": _classes(total),
        "columns": {name: _column(total, name) for name in total.columns if name != "label"},
        "characters": {name: _lengths(lengths) for name, lengths in total.lengths.items()},
        "tokens": _tokens(profiler, total),
        "repeats": profiler.repeats.count([part.name for part in profiler.parts]) if total.rows else {},
        "associations": [asdict(entry) for entry in _associations(profiler, total, seed)],
        "not_compared": sorted({name for name, v in total.columns.items() if _is_name(v)}),
        "drift": [
            {"before": before.name, "after": after.name, "columns": [asdict(d) for d in _drift(before, after, seed)]}
            for before, after in compared
            if before.rows and after.rows
        ],
        "raw_columns": profiler.raw.as_json(),
    }  # fmt: skip
    return {**profile, "findings": [asdict(finding) for finding in findings_of(profile)]}


def _classes(total: Part) -> dict[str, Any] | None:
    """Return the classes and how uneven they are; `effective` is the exponential of the entropy."""
    counts = [number for _, number in total.classes.largest()]
    if not counts:
        return None
    shares = [number / sum(counts) for number in counts]
    return {
        "unit": "mentions" if total.kinds.get("token_classification") else "rows",
        "number": len(counts),
        "effective": math.exp(-sum(share * math.log(share) for share in shares)),
        "largest_over_smallest": counts[0] / counts[-1],
        "values": _named(total.classes, _MOST_VALUES),
        "smallest": [
            {"name": name, "rows": number, "share": number / sum(counts)}
            for name, number in total.classes.largest()[_MOST_BARS:][-_SMALLEST_SHOWN:]
        ],
    }


def _column(total: Part, name: str) -> dict[str, Any]:
    values = total.columns[name]
    return {
        "missing": total.rows - values.total,
        "distinct": len(values.counts) - values.is_capped,
        "has_more_values": values.is_capped,
        "values": _named(values),
    }


def _named(values: Categories, most: int = _NAMES_SHOWN) -> list[dict[str, Any]]:
    """Return values with their rows and shares, the largest first; ranges by their numbers."""
    names = in_order([name for name, _ in values.largest()[:most]])
    return [
        {"name": name, "rows": values.counts[name], "share": values.counts[name] / values.total}
        for name in names
    ]


def _lengths(lengths: Histogram) -> dict[str, Any]:
    """Return quantiles and bars of equal width; the last bar holds all that is longer."""
    quantiles = {
        f"p{round(100 * share)}": lengths.quantile(share) for share in (0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
    }
    width = max(1, math.ceil(quantiles["p99"] / _BARS))
    edges = [width * n for n in range(1, _BARS + 1)]
    return {
        "mean": lengths.mean,
        "min": lengths.low,
        **quantiles,
        "max": lengths.high,
        "bar_width": width,
        "bars": lengths.in_bins(edges),
    }  # fmt: skip


def _tokens(profiler: Profiler, total: Part) -> dict[str, Any] | None:
    if profiler.tokens is None:
        return None
    over = {str(limit): total.tokens.above(limit) for limit in _TOKEN_LIMITS}
    return {"of_rows": _lengths(total.tokens), "rows_over": over, **profiler.tokens.as_json()}


def _is_name(values: Categories) -> bool:
    return values.is_capped or len(values.counts) > _MOST_VALUES


def _associations(profiler: Profiler, total: Part, seed: int) -> list[Association]:
    found = []
    for (first, second), table in profiler.pairs.items():
        if _is_name(total.columns[first]) or _is_name(total.columns[second]):
            continue
        if entry := association(first, second, table, seed=seed):
            found.append(entry)
    return adjusted(found)


def _drift(before: Part, after: Part, seed: int) -> list[Drift]:
    found = []
    for name in before.columns:
        both = (before.columns[name], after.columns.get(name))
        if name == "length" or both[1] is None or any(_is_name(v) for v in both if v is not None):
            continue
        values = in_order(sorted({*both[0].counts, *both[1].counts}, key=lambda v: (-both[0].counts[v], v)))
        if len(values) > 1:
            rows = [[part.counts[value] for value in values] for part in (both[0], both[1])]
            found.append(drift(name, values, rows[0], rows[1], seed=seed))
    lengths = {
        f"{name}, characters": (before.lengths[name], after.lengths.get(name)) for name in before.lengths
    }
    if before.tokens.count:
        lengths["tokens"] = (before.tokens, after.tokens)
    for name, (one, other) in lengths.items():
        if other is not None and other.count:
            found.append(_drift_of_lengths(name, one, other, seed))
    return sorted(found, key=lambda entry: -entry.psi)


def _drift_of_lengths(name: str, before: Histogram, after: Histogram, seed: int) -> Drift:
    edges = tenths([before.quantile(share) + 1 for share in SHARES_OF_TENTHS])
    bounds: Sequence[int] = [0, *edges]
    names = [f"{low}–{high - 1}" for low, high in zip(bounds, edges, strict=False)] + [
        f"{edges[-1]} and over"
    ]
    return drift(name, names, before.in_bins(edges), after.in_bins(edges), seed=seed)
