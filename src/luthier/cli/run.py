"""`luthier run`: everything that a recipe asks for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from luthier.cli.progress import make_progress
from luthier.cli.recipes import load_recipe, recipe_options
from luthier.core.errors import GateFailedError, LuthierError

if TYPE_CHECKING:
    from luthier.pipeline import Run


@click.command()
@recipe_options
@click.option(
    "--until",
    type=click.Choice(["data", "train", "evaluate", "register"]),
    help="Stop after this stage.",
)
@click.option("--fresh", is_flag=True, help="Delete what an earlier run of this recipe left, and start over.")
@click.option(
    "--resume", type=click.Path(path_type=Path), help="Go on with this run folder, by its own recipe."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON and nothing else.")
def run(
    recipe: str | None,
    overrides: tuple[str, ...],
    until: str | None,
    fresh: bool,
    resume: Path | None,
    as_json: bool,
) -> None:
    """Do everything that RECIPE asks for: data, train, evaluate, register.

    RECIPE is a YAML file or the name of a shipped recipe. A run that was interrupted goes on from
    its last checkpoint when the same command is given again; stages that are done are skipped.
    """
    from luthier import pipeline

    plan = pipeline.make_plan(load_recipe(recipe, overrides, resume=resume))
    if resume and pipeline.open_run(plan).folder.path.resolve() != resume.resolve():
        raise LuthierError(
            "its recipe, data or base changed since it was started",
            where=str(resume),
            cure="run the recipe itself: that makes a run of its own and reuses the stages that are equal",
        )
    progress = make_progress(json_lines=as_json)
    try:
        job = pipeline.run(plan, until=until, fresh=fresh, listeners=(progress,))
    except GateFailedError:
        progress.close()
        _show(pipeline.open_run(plan), as_json)
        raise
    finally:
        progress.close()
    _show(job, as_json)


def _show(job: Run, as_json: bool) -> None:
    summary = job.summary()
    if as_json:
        click.echo(json.dumps(summary, ensure_ascii=False, default=str))
        return
    console = Console(highlight=False)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, value in _rows(summary):
        table.add_row(f"[bold]{name}", value)
    console.print(table)


def _rows(summary: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [("run", summary["run"])]
    if data := summary.get("data"):
        rows.append(
            ("rows", f"{data['train']} to train, {data['eval']} held out, {data['rejected']} left out")
        )
    if trained := summary.get("train"):
        rows.append(
            (
                "trained",
                f"{trained['parameters']:,} parameters, {trained['steps']} steps, {trained['seconds']:,.0f} s",
            )
        )
        rows.append(("model", trained["folder"]))
    for metric in summary.get("metrics", []):
        rows.append((metric["name"], metric["text"]))
    for gate in summary.get("gates", []):
        rows.append(("gate", f"{'passed' if gate['passed'] else 'FAILED'}: {gate['text']}"))
    if report := summary.get("report"):
        rows.append(("report", report))
    if version := summary.get("registered"):
        rows.append(("registered", version))
    rows.extend(("next", line) for line in summary.get("next", []))
    return rows
