"""report.html: one file that opens offline and shows what was trained, measured and proved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from luthier.core.charts import Series, line_chart, smoothed
from luthier.core.page import render_page
from luthier.evaluate.task_history import history_by_task, mixture_tables

_NAMES = {
    "eval_loss": "Loss per token (nats)",
    "perplexity": "Perplexity per token",
    "exact_match": "Exact match",
    "rouge_l": "ROUGE-L",
}


def render_report(content: Mapping[str, Any]) -> str:
    """Return the page for the content of ``report.json``."""
    is_task = "task" in content
    history = content.get("history", [])
    return render_page(
        "luthier.evaluate",
        "report.html.jinja",
        **{**content, "tables": [*mixture_tables(history), *content.get("tables", [])]},
        is_task=is_task,
        names=_NAMES,
        loss_chart=Markup(_loss_chart(history, content["task"].get("item", "row") if is_task else "token")),
        task_charts={
            task: Markup(_loss_chart(own, "item")) for task, own in history_by_task(history).items()
        },
    )


def _loss_chart(history: Sequence[Mapping[str, Any]], item: str) -> str:
    train = [(event["step"], event["loss"]) for event in history if "loss" in event]
    held_out = [(event["step"], event["eval_loss"]) for event in history if "eval_loss" in event]
    series = [Series("each step", train, "faint"), Series("training, running mean", smoothed(train), "first")]
    if held_out:
        series.append(Series("held out", held_out, "second", has_marks=True))
    return line_chart(series, x_label="optimizer step", y_label=f"loss in nats per {item}")
