"""The page of a comparison of prompts: one file that opens offline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from luthier.core.charts import Estimate, interval_chart
from luthier.core.page import render_page


def render_report(content: Mapping[str, Any]) -> str:
    """Return the page for the content of ``report.json``."""
    ordered = sorted(content["prompts"], key=lambda prompt: -prompt["score"]["value"])
    estimates = [Estimate(prompt["name"], **prompt["score"]) for prompt in ordered]
    chart = Markup(interval_chart(estimates, x_label=content["metric_label"]))
    return render_page("luthier.prompts", "report.html.jinja", **{**content, "prompts": ordered}, chart=chart)
