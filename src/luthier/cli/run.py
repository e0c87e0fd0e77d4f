"""`luthier run`: everything that a recipe asks for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import click

from luthier.cli.output import json_option, print_facts, print_json
from luthier.cli.progress import make_progress
from luthier.cli.recipes import load_recipe, recipe_options
from luthier.core.errors import GateFailedError, LuthierError

if TYPE_CHECKING:
    from luthier.core.run_folder import RunFolder

_SHOWN_CHARACTERS = 160


@click.command()
@recipe_options
@click.option(
    "--until",
    type=click.Choice(["rows", "vocabulary", "data", "train", "evaluate", "register"]),
    help="Stop after this stage.",
)
@click.option("--fresh", is_flag=True, help="Delete what an earlier run of this recipe left, and start over.")
@click.option(
    "--resume", type=click.Path(path_type=Path), help="Go on with this run folder, by its own recipe."
)
@json_option
def run(
    recipe: str | None,
    overrides: tuple[str, ...],
    until: str | None,
    fresh: bool,
    resume: Path | None,
    as_json: bool,
) -> None:
    """Do everything that RECIPE asks for: rows, data, train, evaluate, register.

    RECIPE is a YAML file or the name of a shipped recipe. A run that was interrupted goes on from
    its last checkpoint when the same command is given again; stages that are done are skipped.
    """
    from luthier.core.run_folder import RunFolder
    from luthier.pipeline.job import open_job
    from luthier.pipeline.run import make_plan
    from luthier.pipeline.run import run as do

    plan = make_plan(load_recipe(recipe, overrides, resume=resume))
    # What a run is called follows from its base, which trainings that come first have yet to make.
    if resume and not plan.before and open_job(plan).folder.path.resolve() != resume.resolve():
        raise LuthierError(
            "its recipe, data or base changed since it was started",
            where=str(resume),
            cure="run the recipe itself: that makes a run of its own and reuses the stages that are equal",
        )
    progress = make_progress(json_lines=as_json)
    try:
        job = do(plan, until=until, fresh=fresh, listeners=(progress,))
    except GateFailedError as error:
        progress.close()
        show_run(RunFolder(Path(str(error.where)).parents[1]), as_json=as_json)
        raise
    finally:
        progress.close()
    show_run(job.folder, as_json=as_json)


def show_run(folder: RunFolder, *, as_json: bool) -> None:
    """Print what a run folder holds."""
    from luthier.pipeline.story import summarize

    summary = summarize(folder)
    if as_json:
        print_json(summary)
        return
    print_facts(_rows(summary))


def _rows(summary: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [("run", summary["run"])]
    for phase in summary.get("before", ()):
        moved = ", ".join(f"{name} {b:.4g} → {t:.4g}" for name, (b, t) in phase["metrics"].items())
        rows.append(
            (
                "before",
                f"{phase['run']}: {phase['objective']}, {phase['steps']} steps{moved and '; ' + moved}",
            )
        )
    if data := summary.get("data"):
        text = f"{data['train']:,} to train, {data['eval']:,} held out, {data['rejected']:,} left out"
        rows.append(("rows", text))
    if trained := summary.get("train"):
        speed = f"{trained['seconds']:,.0f} s, {trained['tokens_per_second']:,} tokens/s"
        rows.append(("trained", f"{trained['parameters']:,} parameters, {trained['steps']} steps, {speed}"))
        rows.append(("model", trained["folder"]))
    rows += facts_of_report(summary)
    if example := summary.get("example"):
        shown = (("asked", "prompt"), ("before", "base"), ("after", "tuned"))
        rows += [(name, shorten(example[key], _SHOWN_CHARACTERS, placeholder=" …")) for name, key in shown]
    if report := summary.get("report"):
        rows.append(("report", report))
    if registered := summary.get("registered"):
        text = f"{registered['version']}, alias {registered['alias']}, in {registered['registry']}"
        rows.append(("registered", text))
    if trained:
        rows.append(("next", f"luthier {summary['next']} {summary['run']}"))
    return rows


def facts_of_report(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what a report measured, found and judged, a line each.

    Args:
        report: Its ``metrics``, ``figures``, ``findings`` and ``gates``; those that are absent are passed over.
    """
    rows = [(metric["metric"], _metric_text(metric)) for metric in report.get("metrics", ())]
    rows += [(figure["name"], _figure_text(figure)) for figure in report.get("figures", ())]
    rows += [(finding["title"].lower(), _finding_text(finding)) for finding in report.get("findings", ())]
    for gate in report.get("gates", ()):
        rows.append(("gate", f"{'passed' if gate['passed'] else 'FAILED'}: {gate['text']}"))
        if gate.get("warning"):
            rows.append(("", f"warning: {gate['warning']}"))
    return rows


def _finding_text(finding: dict[str, Any]) -> str:
    text = f"{'BAD: ' if finding['is_bad'] else ''}{finding['text']}"
    return f"{text}; what to do: {finding['cure']}" if finding["is_bad"] and finding["cure"] else text


def _figure_text(figure: dict[str, Any]) -> str:
    if figure["value"] is None:
        return f"undefined: {figure['why_undefined']}"
    before = f"base {figure['base']['value']:.4g} → " if figure["base"] else ""
    value = figure["value"]
    return f"{before}{value['value']:.4g} ({value['low']:.4g} to {value['high']:.4g})"


def _metric_text(metric: dict[str, Any]) -> str:
    if metric["base"] is None:
        value = metric["tuned"]
        return f"{value['value']:.4g} ({value['low']:.4g} to {value['high']:.4g})"
    partner = metric.get("partner", "base")
    before = "" if partner == "base" else f"{partner} "
    text = f"{before}{metric['base']['value']:.4g} → {metric['tuned']['value']:.4g}"
    if gain := metric["improvement"]:
        text += f"  {gain['value']:+.1%} ({gain['low']:+.1%} to {gain['high']:+.1%})"
    return f"{text}  p = {metric['p_value']:.2g}"
