"""The page of a profile: one file that opens offline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from luthier.core.charts import column_chart
from luthier.core.page import render_page

_TABLES_SHOWN = 6
_ROWS_SHOWN, _COLUMNS_SHOWN = 12, 8
_TIED = 0.03
_VALUES_SHOWN = 15


def render(profile: Mapping[str, Any]) -> str:
    """Return the page for a profile, as `describe` gives it."""
    charts = {
        f"{name}, characters": _chart(lengths, "characters")
        for name, lengths in profile["characters"].items()
    }
    if profile["tokens"]:
        charts["tokens of a row"] = _chart(profile["tokens"]["of_rows"], "tokens")
    lengths = {f"{name}, characters": facts for name, facts in profile["characters"].items()}
    if profile["tokens"]:
        lengths["tokens of a row"] = profile["tokens"]["of_rows"]
    return render_page(
        "luthier.data.profile",
        "report.html.jinja",
        **profile,
        charts=charts,
        length_tables=lengths,
        heat_tables=[_heat(e) for e in profile["associations"] if e["cramers_v"] >= _TIED][:_TABLES_SHOWN],
        most_shown=_VALUES_SHOWN,
        left_out_rows=sum(entry["rows"] for entry in profile["left_out"].values()),
    )


def _chart(lengths: Mapping[str, Any], unit: str) -> Markup:
    return Markup(
        column_chart(lengths["bars"], width=lengths["bar_width"], x_label=unit, y_label=f"rows by {unit}")
    )


def _heat(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the shares of one column's values within each of the other's; a label's classes go across."""
    is_turned = entry["second"] == "label"
    across, down = ("second", "first") if is_turned else ("first", "second")
    names = entry["values"] if not is_turned else entry["values"][::-1]
    table = entry["table"] if not is_turned else list(zip(*entry["table"], strict=True))
    by_down = list(zip(*table, strict=True))
    return {
        "across": entry[across],
        "down": entry[down],
        "names": names[0][:_COLUMNS_SHOWN],
        "hidden_across": max(0, len(names[0]) - _COLUMNS_SHOWN),
        "hidden_down": max(0, len(names[1]) - _ROWS_SHOWN),
        "cramers_v": entry["cramers_v"],
        "rows": [
            {"name": name, "rows": sum(counts), "shares": _shares(counts)}
            for name, counts in zip(names[1][:_ROWS_SHOWN], by_down, strict=False)
        ],
        "all": _shares([sum(counts) for counts in table]),
    }


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts)
    return [count / total for count in counts[:_COLUMNS_SHOWN]]
