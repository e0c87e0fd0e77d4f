"""report.html: one file that opens offline and shows what was trained, measured and proved."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from luthier.evaluate.charts import Series, line_chart, smoothed

_NAMES = {
    "eval_loss": "Loss per token (nats)",
    "perplexity": "Perplexity per token",
    "exact_match": "Exact match",
    "rouge_l": "ROUGE-L",
}


def render_report(content: Mapping[str, Any]) -> str:
    """Return the page for the content of ``report.json``."""
    source = resources.files("luthier.evaluate").joinpath("report.html.jinja").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(number=_number, percent=_percent, count=lambda value: f"{value:,}")
    page = environment.from_string(source)
    return page.render(**content, names=_NAMES, loss_chart=Markup(_loss_chart(content.get("history", []))))


def _loss_chart(history: Sequence[Mapping[str, Any]]) -> str:
    train = [(event["step"], event["loss"]) for event in history if "loss" in event]
    held_out = [(event["step"], event["eval_loss"]) for event in history if "eval_loss" in event]
    series = [Series("each step", train, "faint"), Series("training, running mean", smoothed(train), "first")]
    if held_out:
        series.append(Series("held out", held_out, "second", has_marks=True))
    return line_chart(series, x_label="optimizer step", y_label="loss in nats per token")


def _number(value: float) -> str:
    return f"{value:.4g}"


def _percent(value: float) -> str:
    return "no limit" if math.isinf(value) else f"{value:+.1%}"
