"""report.html: one file that opens offline and shows what was trained, measured and proved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from luthier.core.charts import Series, line_chart, smoothed
from luthier.core.page import render_page
from luthier.core.wording import count_of
from luthier.evaluate.answers import exact_match, rouge_l
from luthier.evaluate.task_history import history_by_task, mixture_tables

_NAMES = {
    "eval_loss": "Loss per token (nats)",
    "perplexity": "Perplexity per token",
    "exact_match": "Exact match",
    "rouge_l": "ROUGE-L",
}


_KINDS_OF_ANSWERS = {
    "": "all answers",
    "wrong": "not the reference",
    "worse": "further from the reference than before",
    "better": "nearer to the reference than before",
}


def render_report(content: Mapping[str, Any]) -> str:
    """Return the page for the content of ``report.json``."""
    is_task = "task" in content
    metrics = content["metrics"]
    history = content.get("history", [])
    shown = {
        **content,
        "tables": [*mixture_tables(history), *content.get("tables", [])],
        "examinations": [_shown(each) for each in content.get("examinations", ())],
        "generations": [{**each, "kinds": _kinds_of(each)} for each in content.get("generations", ())],
    }
    return render_page(
        "luthier.evaluate",
        "report.html.jinja",
        **shown,
        is_task=is_task,
        partner=metrics[0].get("partner", "base") if metrics else "",
        summary=summary_of(content),
        names=_NAMES,
        kinds_of_answers=_KINDS_OF_ANSWERS,
        loss_chart=Markup(_loss_chart(history, content["task"].get("item", "row") if is_task else "token")),
        task_charts={
            task: Markup(_loss_chart(own, "item")) for task, own in history_by_task(history).items()
        },
    )


def summary_of(content: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a person should read first: the verdict, the gates, and each examination's first finding."""
    gates, examinations = content.get("gates", []), content.get("examinations", [])
    if not gates and not examinations:
        return None
    failed = [gate for gate in gates if not gate["passed"]]
    # What is wrong comes first.
    findings = sorted(findings_to_read(examinations), key=lambda finding: not finding["is_bad"])
    num_bad = sum(finding["is_bad"] for finding in findings)
    if failed:
        verdict, style = f"Not good enough: {count_of(len(failed), 'gate')} of {len(gates)} failed.", "bad"
    elif num_bad:
        passed = "Every gate passed, but " if gates else ""
        verdict, style = f"{passed}{count_of(num_bad, 'finding')} to look at.", "bad"
    else:
        verdict = (
            f"Good enough: {count_of(len(gates), 'gate')} passed." if gates else "Nothing wrong was found."
        )
        style = "good"
    return {"verdict": verdict, "style": style, "gates": failed, "findings": findings}


def findings_to_read(examinations: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the first finding of each examination and every bad one, with the examination's title."""
    return [
        {**finding, "title": each["title"]}
        for each in examinations
        for number, finding in enumerate(each["findings"])
        if number == 0 or finding["is_bad"]
    ]


def _kinds_of(answers: Mapping[str, Any]) -> str:
    """Return what the answers can be filtered by, separated by spaces."""
    kinds = [] if exact_match(answers["tuned"], answers["reference"]) else ["wrong"]
    if answers["base"] is not None:
        before, after = (rouge_l(answers[side], answers["reference"]) for side in ("base", "tuned"))
        kinds += ["worse"] if after < before else ["better"] if after > before else []
    return " ".join(kinds)


def _shown(examined: Mapping[str, Any]) -> dict[str, Any]:
    pictures = [{**picture, "svg": Markup(picture["svg"])} for picture in examined["pictures"]]
    return {**examined, "pictures": pictures, "has_base": any(f["base"] for f in examined["figures"])}


def _loss_chart(history: Sequence[Mapping[str, Any]], item: str) -> str:
    train = [(event["step"], event["loss"]) for event in history if "loss" in event]
    held_out = [(event["step"], event["eval_loss"]) for event in history if "eval_loss" in event]
    series = [Series("each step", train, "faint"), Series("training, running mean", smoothed(train), "first")]
    if held_out:
        series.append(Series("held out", held_out, "second", has_marks=True))
    return line_chart(series, x_label="optimizer step", y_label=f"loss in nats per {item}")
